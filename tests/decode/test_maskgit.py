"""MaskGIT's masks against a table worked by hand, and drawn tokens against their distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from speechnar.decode.interface import DecoderInput, refine
from speechnar.decode.maskgit import MaskGITDecoder
from speechnar.decode.result import DecodeError
from speechnar.decode.sampling import SamplingDecoder, draw

MASK = 4


class Reader:
    """Predicts token n % 4 at position n, with the more confidence the further to the right; notes what it reads."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def predict(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        self.seen.append(tokens)
        size = tokens.shape[1]
        probs = np.linspace(0.5, 0.9, size)[:, None] * np.eye(4)[np.arange(size) % 4]
        probs += (1 - probs.sum(1, keepdims=True)) / 4
        return np.broadcast_to(np.log(probs), (*tokens.shape, 4))


def given(batch: int, size: int, reader: Any) -> DecoderInput:
    return DecoderInput(np.zeros((batch, 0, 0)), np.full(batch, size), reader)


@pytest.mark.parametrize(
    ("schedule", "iterations", "masks"),
    [
        # 16 cos(pi / 2 * k / n), rounded down: 16 * (0.924, 0.707, 0.383) and 16 * (0.966, 0.866, 0.707, 0.5, 0.259)
        ("cosine", 4, [16, 14, 11, 6]),
        ("cosine", 6, [16, 15, 13, 11, 8, 4]),
        ("linear", 4, [16, 12, 8, 4]),
        ("linear", 5, [16, 12, 9, 6, 3]),
        ("cosine", 1, [16]),
    ],
)
def test_the_schedule_is_the_table(schedule: str, iterations: int, masks: list[int]) -> None:
    reader = Reader()
    state = refine(MaskGITDecoder(MASK, iterations, schedule, temperature=0.0, noise=0.0), given(2, 16, reader))
    assert [(tokens == MASK).sum(1).tolist() for tokens in reader.seen] == [[n, n] for n in masks]
    for tokens in reader.seen:  # the least probable, which stand to the left, are masked again
        assert (np.diff((tokens == MASK).astype(int), axis=1) <= 0).all()
    assert state.sequences() == [[n % 4 for n in range(16)]] * 2 and state.done


def test_a_token_that_is_written_stays() -> None:
    reader = Reader()
    decoder = MaskGITDecoder(MASK, 6, temperature=2.0, noise=4.5, seed=3)
    state = refine(decoder, given(3, 10, reader))
    for before, after in zip(reader.seen, [*reader.seen[1:], state.tokens]):
        written = before != MASK
        assert (after[written] == before[written]).all()
    assert not (state.tokens == MASK).any()
    again = refine(decoder, given(3, 10, Reader()))
    assert (again.tokens == state.tokens).all()  # of the same seed
    other = refine(MaskGITDecoder(MASK, 6, temperature=2.0, seed=4), given(3, 10, Reader()))
    assert (other.tokens != state.tokens).any()


def test_drawn_tokens_follow_their_distribution() -> None:
    probs = np.array([0.5, 0.3, 0.2])
    rng = np.random.default_rng(0)
    log_probs = np.broadcast_to(np.log(probs), (20000, 3))
    for temperature, expected in ((1.0, probs), (0.5, probs**2 / (probs**2).sum()), (0.0, np.array([1, 0, 0]))):
        scores, tokens = draw(log_probs, temperature, rng)
        assert np.bincount(tokens, minlength=3) / 20000 == pytest.approx(expected, abs=0.015)
        assert scores == pytest.approx(np.log(probs)[tokens])


class Chain:
    """A `CausalReader` of a Markov chain; `past` counts the tokens that were read."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def predict(self, tokens: np.ndarray, past: Any, rows: np.ndarray) -> tuple[np.ndarray, Any]:
        if past is None:
            return np.log(np.broadcast_to(self.rows[0], (len(tokens), 2))), 0
        return np.log(self.rows[tokens]), past + 1


def test_a_chain_is_drawn_token_by_token() -> None:
    chain = np.array([[0.9, 0.1], [0.3, 0.7]])
    state = refine(SamplingDecoder(3), given(20000, 3, Chain(chain)))
    assert state.step == 3 and state.past == 2 and state.tokens.shape == (20000, 3)
    expected, last = [], chain[0]
    for _ in range(3):
        expected.append(last[1])
        last = last @ chain
    assert state.tokens.mean(0) == pytest.approx(np.array(expected), abs=0.015)
    assert state.scores[:, 0] == pytest.approx(np.log(chain[0])[state.tokens[:, 0]])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"iterations": 0}, "iterations is 0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"schedule": "round"}, "'round' but should be one of"),
    ],
)
def test_what_is_no_option_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises((DecodeError, ValueError), match=message):
        refine(MaskGITDecoder(MASK, **fields), given(1, 2, Reader()))
