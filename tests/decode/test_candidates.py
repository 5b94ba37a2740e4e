"""Length beams, lookahead and the beam search over several utterances, against all results."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from speechnar.decode.autoregressive import AutoregressiveDecoder
from speechnar.decode.candidates import best_candidates, likely_lengths, near_lengths
from speechnar.decode.directed_graph import LookaheadDecoder
from speechnar.decode.interface import DecoderInput, State, refine
from speechnar.decode.mask_predict import MaskPredictDecoder
from speechnar.text.symbols import BLANK, BOS, EOS, MASK, PAD, Vocabulary

VOCABULARY = Vocabulary((BLANK, "▁a", "▁b", "▁c", MASK, PAD, BOS, EOS))
END = VOCABULARY.eos_id


def normal(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


class Chain:
    """A `CausalReader` that knows the last token alone: `tables` (B, V, V) of each utterance."""

    def __init__(self, tables: np.ndarray) -> None:
        self.tables = tables

    def predict(self, tokens: np.ndarray, past: Any, rows: np.ndarray) -> tuple[np.ndarray, Any]:
        told = np.array([()] * len(tokens)) if past is None else past[rows]
        history = np.concatenate([told, tokens[:, None]], axis=1)
        row = np.arange(len(tokens)) // (len(tokens) // len(self.tables))
        return self.tables[row, tokens], history


def all_texts(table: np.ndarray, longest: int, penalty: float) -> dict[tuple[int, ...], float]:
    found = {}
    for length in range(longest + 1):
        for text in itertools.product(range(END), repeat=length):
            path = (VOCABULARY.bos_id, *text, END)
            total = sum(table[a, b] for a, b in zip(path, path[1:]))
            found[text] = total / (length + 1) ** penalty
    return found


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_text_of_each_utterance(penalty: float) -> None:
    tables = normal(np.random.default_rng(0).normal(size=(3, 8, 8)) * 2)
    given = DecoderInput(np.zeros((3, 0, 0)), np.array([3, 2, 1]), Chain(tables))
    found = refine(AutoregressiveDecoder(VOCABULARY, 600, 0.0, penalty), given).sequences()
    for row, limit in enumerate((3, 2, 1)):
        texts = all_texts(tables[row], limit, penalty)
        assert tuple(found[row]) == max(texts, key=texts.__getitem__)


def test_utterances_together_are_decoded_as_alone() -> None:
    tables = normal(np.random.default_rng(1).normal(size=(4, 8, 8)) * 2)
    lengths = np.array([6, 3, 1, 5])
    for beam in (1, 3):
        decoder = AutoregressiveDecoder(VOCABULARY, beam, 0.0, 1.0)
        together = refine(decoder, DecoderInput(np.zeros((4, 0, 0)), lengths, Chain(tables))).sequences()
        for row in range(4):
            one = DecoderInput(np.zeros((1, 0, 0)), lengths[row : row + 1], Chain(tables[row : row + 1]))
            assert refine(decoder, one).sequences() == [together[row]]


def test_lookahead_follows_the_best_next_vertex() -> None:
    rng = np.random.default_rng(2)
    log_probs = normal(rng.normal(size=(2, 6, 8)) * 2)
    edges = np.where(np.triu(np.ones((6, 6), bool), 1), normal(rng.normal(size=(2, 6, 6)) * 2), -np.inf)
    edges[1, :, 4:] = -np.inf  # its graph has four vertices

    class Edges:
        def transitions(self) -> np.ndarray:
            return edges

    lengths = np.array([6, 4])
    found = refine(LookaheadDecoder(VOCABULARY), DecoderInput(log_probs, lengths, Edges())).sequences()
    for row, length in enumerate(lengths):
        vertex, said = 0, []
        while True:
            said.append(int(log_probs[row, vertex, 1:4].argmax()) + 1)
            if vertex == length - 1:
                break
            ahead = [(edges[row, vertex, n] + log_probs[row, n, 1:4].max(), n) for n in range(vertex + 1, length)]
            vertex = max(ahead)[1]
        assert found[row] == said


def test_the_likeliest_lengths_come_first_and_impossible_ones_never() -> None:
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.array([[0.0, 0.5, 0.1, 0.4], [0.0, 0.0, 1.0, 0.0]]))
    assert likely_lengths(log_probs, 2).tolist() == [[1, 3], [2, 2]]


def test_the_nearest_lengths_begin_with_the_given_one() -> None:
    lengths, longest = np.array([5, 1, 0, 4]), np.array([9, 9, 9, 5])
    assert near_lengths(lengths, longest, 1).tolist() == [[5], [1], [0], [4]]
    assert near_lengths(lengths, longest, 5).tolist() == [
        [5, 6, 4, 7, 3],
        [1, 2, 1, 3, 1],  # no text of 0 or -1 tokens
        [0, 0, 0, 0, 0],  # nothing was said
        [4, 5, 3, 4, 2],  # 5 frames have no room for 6 tokens
    ]


def test_the_best_candidate_has_the_best_mean_or_the_best_given_score() -> None:
    tokens = np.array([[1, 2, 0], [1, 2, 3], [3, 0, 0], [2, 2, 0]])
    scores = np.array([[-1.0, -1.0, -99.0], [-0.5, -0.5, -0.5], [-2.0, -9.0, -9.0], [-1.0, -2.0, -9.0]])
    state = State(tokens, np.array([2, 3, 1, 2]), scores)
    assert best_candidates(state, 2).sequences() == [[1, 2, 3], [2, 2]]
    assert best_candidates(state, 2, np.array([0.0, -1.0, 0.0, -1.0])).sequences() == [[1, 2], [3]]
    assert best_candidates(state, 4) is state


def test_mask_predict_decodes_every_length_of_the_beam() -> None:
    class Position:
        def predict(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
            logits = np.zeros((*tokens.shape, len(VOCABULARY)))
            logits[:, :, 1] = token_lengths[:, None]  # surer of longer texts
            return normal(logits)

    lengths = np.log(np.array([[1e-9, 0.1, 0.6, 0.3], [1e-9, 0.5, 0.2, 0.3]]))
    given = DecoderInput(np.zeros((2, 0, 0)), np.array([2, 2]), Position(), lengths)
    state = refine(MaskPredictDecoder(VOCABULARY, 1, length_beam=2), given)
    assert state.token_lengths.tolist() == [2, 3, 1, 3]
    assert [len(text) for text in best_candidates(state, 2).sequences()] == [3, 3]
