"""Greedy decoding and word assembly against tables worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from speechnar.decode.greedy import greedy
from speechnar.decode.result import DecodeError, Word
from speechnar.text.symbols import TextError, Vocabulary

LETTERS = Vocabulary(["a", "b", "<blank>", "▁", "<unk>"])
PIECES = Vocabulary(("<blank>", "▁the", "▁", "re", "▁a"))


def peaked(units: Vocabulary, path: list[str], probability: float = 0.8) -> np.ndarray:
    """(T, V) log-probabilities in which each frame of a path has `probability`."""
    probs = np.full((len(path), len(units)), (1 - probability) / (len(units) - 1))
    probs[range(len(path)), [units.symbols.index(s) for s in path]] = probability
    return np.log(probs)


def test_letters_become_words_with_the_frames_they_are_said_in() -> None:
    path = ["▁", "a", "a", "<blank>", "a", "▁", "▁", "<blank>", "b", "<blank>"]
    found = greedy(peaked(LETTERS, path), LETTERS, frame_seconds=0.5)
    assert [(w.text, w.start, w.end) for w in found.words] == [("aa", 0.5, 2.5), ("b", 4.0, 4.5)]
    assert found.text == "aa b"
    assert found.score == pytest.approx(10 * np.log(0.8))
    assert [w.confidence for w in found.words] == pytest.approx([0.8, 0.8])


def test_pieces_mark_the_word_that_they_begin() -> None:
    path = ["<blank>", "▁the", "re", "▁the", "<blank>", "▁the", "▁", "re", "▁a", "<blank>"]
    found = greedy(peaked(PIECES, path), PIECES, frame_seconds=1.0)
    assert [(w.text, w.start, w.end) for w in found.words] == [
        ("there", 1, 3),
        ("the", 3, 4),
        ("the", 5, 6),
        ("re", 7, 8),
        ("a", 8, 9),
    ]


def test_a_mark_is_written_in_the_pause_and_is_not_of_the_word() -> None:
    marked = Vocabulary(("<blank>", "▁a", "b", ",", "▁—", '▁"'))
    path = ["▁a", "b", "<blank>", "<blank>", ",", "▁—", '▁"', "b"]
    log_probs = peaked(marked, path)
    log_probs[4] = peaked(marked, [","], 0.3)[0]
    found = greedy(log_probs, marked, frame_seconds=1.0).words
    assert [(w.text, w.start, w.end) for w in found] == [("ab,", 0, 2), ("—", 5, 6), ('"b', 6, 8)]
    assert found[0].confidence == pytest.approx(0.8)


def test_a_word_is_as_sure_as_the_best_frame_of_its_worst_unit() -> None:
    frames = [peaked(PIECES, ["▁the"], 0.9), peaked(PIECES, ["re"], 0.5), peaked(PIECES, ["re"], 0.7)]
    (word,) = greedy(np.concatenate(frames), PIECES, 1.0).words
    assert word == Word("there", 0.0, 3.0, pytest.approx(0.7))


def test_a_text_may_begin_without_a_boundary_and_special_units_spell_nothing() -> None:
    assert greedy(peaked(LETTERS, ["a", "<unk>", "b", "▁", "▁"]), LETTERS, 1.0).text == "ab"


@pytest.mark.parametrize("path", [[], ["<blank>"] * 3, ["▁", "<blank>", "▁"]])
def test_no_letters_are_no_words(path: list[str]) -> None:
    found = greedy(peaked(LETTERS, path), LETTERS, 1.0)
    assert found.words == () and found.text == ""


def test_what_cannot_be_decoded_is_told() -> None:
    with pytest.raises(DecodeError, match=r"\(3, 4\).*5 tokens"):
        greedy(np.zeros((3, 4)), LETTERS, 1.0)
    with pytest.raises(DecodeError, match="not numbers"):
        greedy(np.full((3, 5), np.nan), LETTERS, 1.0)


@pytest.mark.parametrize(
    ("symbols", "message"),
    [(["a"], "<blank>"), (["<blank>", "a", "a"], "'a' more than once"), (["<blank>", "a▁b"], "over the end")],
)
def test_units_that_cannot_be_used_are_refused(symbols: list[str], message: str) -> None:
    with pytest.raises(TextError, match=message):
        _ = Vocabulary(tuple(symbols)).blank_id
