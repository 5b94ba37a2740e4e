"""Hot words are found where CTC nearly hears them, and not where it hears another word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from speechnar.decode.hot_spotting import HotWordSpotter, Spot
from speechnar.text.whisper_bpe import BytePairs

TOKENS = BytePairs(("<blank>", "▁", *"abcdefghijklmnopqrstuvwxyz'"))


def heard(words: Sequence[str], doubt: float) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """(T, V) log-probabilities of words, each token two frames and each blank two, all with some doubt."""
    rows: list[int] = []
    frames = []
    for word in words:
        start = len(rows)
        for token in TOKENS.encode(word):
            rows += [token, token, TOKENS.blank_id]
        frames.append((start, len(rows)))
        rows += [TOKENS.blank_id] * 4
    probs = np.full((len(rows), len(TOKENS)), doubt / (len(TOKENS) - 1))
    probs[np.arange(len(rows)), rows] = 1 - doubt
    return np.log(probs), frames


def spots(text: str, *phrases: str, doubt: float = 0.5, known: Sequence[str] = ()) -> list[Spot]:
    log_probs, frames = heard(text.split(), doubt)
    return HotWordSpotter(phrases, TOKENS, lambda word: word in known).spot(log_probs, text.split(), frames)


def test_a_near_spelling_becomes_the_hot_word() -> None:
    assert spots("a triple shot capicino with milk", "cappuccino") == [Spot(3, 4, "cappuccino")]
    assert spots("say jarvic now", "jarvis", "alexa") == [Spot(1, 2, "jarvis")]


def test_a_hot_word_is_not_put_where_ctc_surely_hears_another() -> None:
    assert spots("a triple shot capicino with milk", "cappuccino", doubt=1e-6) == []
    assert spots("a triple shot of milk", "cappuccino") == []


def test_known_words_are_replaced_only_if_the_hot_word_is_as_probable() -> None:
    assert spots("all the brides sang", "rides", doubt=0.3, known=["brides"]) == []
    assert spots("all the brides sang", "rides", doubt=0.3) == [Spot(2, 3, "rides")]


def test_words_that_are_written_together_or_apart() -> None:
    assert spots("the snow boy came", "snowboy", known=["snow", "boy"]) == [Spot(1, 3, "snowboy")]
    assert spots("the smartmirror", "smart mirror") == [Spot(1, 2, "smart mirror")]


def test_a_phrase_is_not_found_by_one_of_its_words() -> None:
    assert spots("a light roast mocha please", "iced mocha") == []
    assert spots("a light ised mocha please", "iced mocha") == [Spot(2, 4, "iced mocha")]


def test_what_is_there_already_is_left() -> None:
    assert spots("my jarvis and a jarvis", "jarvis") == []
    assert spots("the little", "little") == []


def test_hot_words_do_not_overlap_and_the_nearest_is_taken() -> None:
    assert spots("a mocca please", "mocha", "moscow") == [Spot(1, 2, "mocha")]


def test_phrases_that_ctc_cannot_write_are_not_found() -> None:
    assert spots("the naive", "na\u00efve") == []


@pytest.mark.parametrize("text", ["", "a"])
def test_short_texts(text: str) -> None:
    if text:
        assert spots(text, "cappuccino") == []
    else:
        assert HotWordSpotter(["a"], TOKENS, bool).spot(np.zeros((0, len(TOKENS))), [], []) == []
