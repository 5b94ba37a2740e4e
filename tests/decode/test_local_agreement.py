"""Hypotheses are written by hand: a word lasts half a second, and the text says which are heard."""

from __future__ import annotations

import itertools

import pytest

from speechnar.decode.local_agreement import LocalAgreement, common_prefix, continuation
from speechnar.decode.result import Word


def words(text: str, first: int = 0) -> list[Word]:
    return [Word(word, n / 2, (n + 1) / 2, 1.0) for n, word in enumerate(text.split(), first)]


def texts(found: list[Word]) -> str:
    return " ".join(word.text for word in found)


def test_the_drawing() -> None:
    agreement = LocalAgreement(seconds=0.4, margin=0.0)
    seen = []
    for now, text in [(1.2, "the knight"), (1.4, "the night before"), (1.6, "the night before she")]:
        agreement.update(words(text), 0, now)
        seen.append((texts(agreement.stable), texts(agreement.rest)))
    assert seen == [("", "the knight"), ("", "the night before"), ("the", "night before she")]
    agreement.update(words("the night before she left"), 0, 1.8)
    assert (texts(agreement.stable), texts(agreement.rest)) == ("the night before", "she left")


def test_the_end_of_the_audio_is_never_stable() -> None:
    agreement = LocalAgreement(seconds=0.2, margin=0.3)
    for now in (1.0, 1.25, 1.5):
        agreement.update(words("some thing"), 0, now)
        assert texts(agreement.stable) == {1.0: "", 1.25: "some", 1.5: "some thing"}[now]


@pytest.mark.parametrize("known", [0, 1, 2])
def test_a_later_hypothesis_may_spell_stable_words_in_another_way(known: int) -> None:
    agreement = LocalAgreement(seconds=0.1, margin=0.0, stable=words("a knight before"))
    later = "a night be fore she left".split()[known:]
    for now in (3.0, 3.2):
        agreement.update(words(" ".join(later), known), known, now)
    assert texts(agreement.stable) == "a knight before she left"


def test_stable_words_only_grow_whatever_the_hypotheses_are() -> None:
    """All sequences of four hypotheses of up to two words: brute force."""
    choices = ["", "a", "b", "a b", "b a", "ab"]
    for sequence in itertools.product(choices, repeat=4):
        agreement, before = LocalAgreement(seconds=0.2, margin=0.0), ""
        for n, text in enumerate(sequence):
            agreement.update(words(text), 0, 1 + n / 5)
            after = texts(agreement.stable)
            assert after.startswith(before)
            before = after


def test_marks_and_capitals_are_no_disagreement() -> None:
    agreement = LocalAgreement(seconds=0.2, margin=0.0)
    for now, text in [(1.0, "Yes, it"), (1.2, "yes It's"), (1.4, "Yes it's.")]:
        agreement.update(words(text), 0, now)
    assert texts(agreement.stable) == "yes it's."


@pytest.mark.parametrize(("one", "other", "n"), [("", "", 0), ("a", "", 0), ("a b", "a c", 1), ("a b", "a b c", 2)])
def test_common_prefix(one: str, other: str, n: int) -> None:
    assert common_prefix(one.split(), other.split()) == n


@pytest.mark.parametrize(
    ("known", "heard", "n"),
    [("a b", "a b c", 2), ("a b", "c", 1), ("", "a", 0), ("a b", "", 0), ("night fall", "nightfall came", 1)],
)
def test_where_a_hypothesis_continues(known: str, heard: str, n: int) -> None:
    assert continuation(words(known), words(heard)) == n
