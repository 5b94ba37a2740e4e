"""Masked diffusion replaces masks by its schedule, the most confident first or at random, and ends texts at `</s>`."""

from __future__ import annotations

import numpy as np
import pytest

from speechnar.decode.diffusion import MARGIN, DiffusionDecoder
from speechnar.decode.interface import DecoderInput, refine
from speechnar.text.symbols import Vocabulary

VOCABULARY = Vocabulary(("<blank>", *"abcd", "</s>", "<mask>"))
END, MASK = 5, 6


class Reader:
    def __init__(self, probs: np.ndarray) -> None:
        self.probs = probs
        self.seen: list[list[list[int]]] = []

    def predict(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        self.seen.append(tokens.tolist())
        return np.log(np.broadcast_to(self.probs, (*tokens.shape, 7)) + 1e-12)


def ctc(*paths: list[int]) -> np.ndarray:
    return np.log(np.eye(7)[list(paths)] * 0.9 + 0.01)


@pytest.mark.parametrize("steps", [1, 2, 3, 6, 20])
def test_the_most_confident_tokens_come_first_and_stay(steps: int) -> None:
    text = [1, 3, END, END, END, END]
    confidence = np.array([0.5, 0.9, 0.6, 0.8, 0.7, 0.55])
    probs = np.eye(7)[text] * confidence[:, None]
    probs[:, MASK] = probs[:, 0] = 1.0  # are never predicted
    reader = Reader(probs)
    state = refine(DiffusionDecoder(VOCABULARY, steps), DecoderInput(ctc([1, 2]), np.array([2]), reader))
    assert state.sequences() == [[1, 3]] and state.step == min(steps, 6)
    order = np.argsort(-confidence).tolist()
    for before, after in zip(reader.seen, [*reader.seen[1:], None]):
        left = [n for n, token in enumerate(before[0]) if token == MASK]
        assert left == sorted(order[6 - len(left) :])
        if after:
            assert all(a == b for a, b in zip(before[0], after[0]) if a != MASK)
    masks = [row[0].count(MASK) for row in reader.seen]
    assert masks[0] == 2 + MARGIN
    if steps in (1, 2, 3, 6):
        assert masks == [6 - 6 // steps * n for n in range(steps)]


def test_samples_follow_the_distribution_and_the_seed() -> None:
    probs = np.array([0.0, 0.5, 0.3, 0.2, 0.0, 0.0, 0.0])
    given = DecoderInput(ctc(*[[1, 2, 1, 2]] * 500), np.full(500, 4), Reader(probs))
    states = [refine(DiffusionDecoder(VOCABULARY, 5, sampled=True, seed=seed), given) for seed in (0, 0, 1)]
    assert states[0].sequences() == states[1].sequences() != states[2].sequences()
    shares = np.bincount(states[0].tokens.ravel(), minlength=7) / states[0].tokens.size
    np.testing.assert_allclose(shares, probs, atol=0.03)
    masked = [np.mean([token == MASK for row in rows for token in row]) for rows in given.reader.seen[:5]]
    np.testing.assert_allclose(masked, [1.0, 0.8, 0.6, 0.4, 0.2], atol=0.03)  # the linear schedule
