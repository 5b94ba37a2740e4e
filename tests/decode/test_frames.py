"""Align-Refine rewrites alignments until they stay; Imputer fills one frame of each block a step."""

from __future__ import annotations

import numpy as np
import pytest

from speechnar.decode.align_refine import AlignRefineDecoder
from speechnar.decode.imputer import ImputerDecoder
from speechnar.decode.interface import DecoderInput, refine
from speechnar.text.symbols import Vocabulary

VOCABULARY = Vocabulary(("<blank>", *"secix", "<mask>"))
S, E, C, I, X, MASK = range(1, 7)  # noqa: E741


class Reader:
    """A decoder over frames of a function of alignments (B, T) to scores (B, T, V)."""

    def __init__(self, function) -> None:
        self.function = function
        self.seen: list[list[list[int]]] = []

    def predict(self, alignment: np.ndarray) -> np.ndarray:
        self.seen.append(alignment.tolist())
        return self.function(alignment)


def scores_of(paths: np.ndarray) -> np.ndarray:
    """Log-probabilities whose best path is given; masks are more probable still."""
    scores = np.log(np.where(np.eye(7)[paths] > 0, 0.7, 0.05))
    scores[:, :, MASK] = 0.0
    return scores


def test_align_refine_inserts_and_deletes_until_nothing_changes() -> None:
    paths = [[S, 0, E, E, C, 0, S], [S, 0, I, I, X, 0, 0], [S, 0, I, 0, X, X, 0]]
    following = {tuple(path): after for path, after in zip(paths, [*paths[1:], paths[-1]])}
    reader = Reader(lambda alignment: scores_of(np.array([following[tuple(row)] for row in alignment.tolist()])))
    given = DecoderInput(scores_of(np.array([paths[0]])), np.array([7]), reader)
    state = refine(AlignRefineDecoder(VOCABULARY), given, keep_history=True)
    assert [tokens[0].tolist() for tokens in state.history] == [[S, E, C, S], [S, I, X], [S, I, X]]
    assert state.sequences() == [[S, I, X]] and state.step == 3 and reader.seen == [[path] for path in paths]
    assert refine(AlignRefineDecoder(VOCABULARY, 1), given).step == 1
    np.testing.assert_allclose(state.scores, np.log(0.7))


def test_align_refine_does_not_wait_for_padding() -> None:
    reader = Reader(lambda alignment: scores_of(np.array([[S, X, 0], [S, 0, len(reader.seen) % 5]])))
    given = DecoderInput(scores_of(np.array([[S, X, 0], [S, 0, I]])), np.array([3, 2]), reader)
    state = refine(AlignRefineDecoder(VOCABULARY), given)
    assert state.step == 1 and state.sequences() == [[S, X], [S]]


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_imputer_fills_one_frame_of_each_block_in_every_step(steps: int) -> None:
    path = np.array([[S, 0, E, E, C, 0, S], [S, X, 0, 0, 0, 0, 0]])
    confidence = np.random.default_rng(0).permutation(14).reshape(2, 7, 1) / 100.0
    reader = Reader(lambda alignment: scores_of(path) + confidence)
    state = refine(ImputerDecoder(VOCABULARY, steps), DecoderInput(scores_of(path), np.array([7, 3]), reader))
    assert state.sequences() == [[S, E, C, S], [S, X]] and state.step == min(steps, 7)
    for row, frames in enumerate((7, 3)):
        for start in range(0, frames, steps):
            block = slice(start, min(start + steps, frames))
            filled = np.array([np.array(seen[row][block]) != MASK for seen in (*reader.seen, state.alignment.tolist())])
            assert filled.sum(1).tolist() == [min(n, block.stop - start) for n in range(len(filled))]
            order = filled.argmax(0)  # the step after which a frame is filled: the most confident come first
            assert order.argsort().tolist() == (-confidence[row, block, 0]).argsort().tolist()


def test_nothing_said_has_nothing_to_refine() -> None:
    given = DecoderInput(np.zeros((1, 0, 7)), np.array([0]), Reader(scores_of))
    assert refine(ImputerDecoder(VOCABULARY), given).sequences() == [[]]
    assert refine(AlignRefineDecoder(VOCABULARY, 1), given).sequences() == [[]]
