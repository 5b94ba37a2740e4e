"""Tokens on notes: worked by hand."""

from __future__ import annotations

from speechnar.runtime.sung_mel import on_notes


def test_a_vowel_is_divided_where_notes_begin_in_it_and_a_consonant_never() -> None:
    #            s      a          n       a
    edges = [0, 4, 20, 26, 30]
    tokens = on_notes([False, True, False, True], edges, [4, 10, 15, 22, 26])
    assert tokens.places.tolist() == [0, 1, 1, 1, 2, 3]
    assert tokens.durations.tolist() == [4, 6, 5, 5, 6, 4]
    assert tokens.notes.tolist() == [0, 0, 1, 2, 2, 4]
    assert tokens.slurs.tolist() == [False, False, True, True, False, False]


def test_an_empty_token_stays() -> None:
    tokens = on_notes([True, False, True], [0, 5, 5, 9], [0, 5])
    assert tokens.durations.tolist() == [5, 0, 4]
    assert tokens.notes.tolist() == [0, 1, 1]
