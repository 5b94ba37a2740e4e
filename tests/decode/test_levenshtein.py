"""Levenshtein decoding edits a draft until no edit is left."""

from __future__ import annotations

import numpy as np

from speechnar.decode.interface import DecoderInput, refine
from speechnar.decode.levenshtein import LevenshteinDecoder
from speechnar.nar.edits import edits
from speechnar.text.symbols import Vocabulary

VOCABULARY = Vocabulary(("<blank>", *"secik", "<mask>"))
S, E, C, I, K, MASK = range(1, 7)  # noqa: E741


class Expert:
    """A decoder that knows the target of each row, and edits toward it; it inserts one token a gap at most."""

    def __init__(self, targets: list[list[int]]) -> None:
        self.targets = targets
        self.seen: list[list[list[int]]] = []

    def predict_deletions(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        found = np.ones(tokens.shape)
        for row, target in enumerate(self.targets):
            text = tokens[row, : token_lengths[row]].tolist()
            found[row, : len(text)] = np.where(edits(text, target).deleted, 0.6, 0.4)
        return found

    def predict_insertions(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        counts = np.zeros((len(tokens), tokens.shape[1] + 1), np.int64)
        for row, target in enumerate(self.targets):
            text = tokens[row, : token_lengths[row]].tolist()
            counts[row, : len(text) + 1] = np.minimum(edits(text, target).inserted, 1)
        return counts

    def predict(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        rows = [row[:n].tolist() for row, n in zip(tokens, token_lengths)]
        self.seen.append(rows)
        scores = np.full((*tokens.shape, 7), -9.0)
        for row, (text, target) in enumerate(zip(rows, self.targets)):
            known = [token for token in text if token != MASK]
            runs, place = edits(known, target).inserted, 0
            gap, used = 0, 0
            for n, token in enumerate(text):
                if token == MASK:
                    scores[row, n, target[place]] = -0.1
                    place, used = place + 1, used + 1
                else:
                    place, gap, used = place + runs[gap] - used + 1, gap + 1, 0
        scores[:, :, MASK] = 0.0  # is never predicted
        return scores


def ctc(*paths: list[int]) -> np.ndarray:
    frames = max(map(len, paths))
    return np.log(np.eye(7)[[path + [0] * (frames - len(path)) for path in paths]] * 0.9 + 0.01)


def test_the_example_of_the_docstring() -> None:
    expert = Expert([[S, I, C, K, S]])
    given = DecoderInput(ctc([S, 0, E, E, C, 0, C, S]), np.array([8]), expert)
    state = refine(LevenshteinDecoder(VOCABULARY), given, keep_history=True)
    assert state.history[0].tolist() == [[S, E, C, C, S]]
    assert expert.seen[0] in ([[S, MASK, C, MASK, S]], [[S, MASK, C, C, MASK, S]])
    assert state.sequences() == [[S, I, C, K, S]] and state.step == 2 and state.done


def test_rows_are_edited_apart_in_as_many_steps_as_the_slowest_needs() -> None:
    expert = Expert([[S, I], [C, E, I, K]])
    given = DecoderInput(ctc([S, I, 0, 0], [C, 0, 0, 0]), np.array([3, 4]), expert)
    state = refine(LevenshteinDecoder(VOCABULARY), given)
    assert state.sequences() == [[S, I], [C, E, I, K]] and state.step > 2
    assert refine(LevenshteinDecoder(VOCABULARY, 1), given).sequences() == [[S, I], [C, E]]


def test_a_text_has_no_more_tokens_than_there_are_frames() -> None:
    given = DecoderInput(ctc([C, 0, 0]), np.array([3]), Expert([[C, E, I, K]]))
    assert refine(LevenshteinDecoder(VOCABULARY), given).sequences() == [[C, E, I]]


def test_an_empty_draft_can_be_filled_and_a_wrong_one_emptied() -> None:
    given = DecoderInput(ctc([0, 0], [S, 0]), np.array([2, 2]), Expert([[I], []]))
    assert refine(LevenshteinDecoder(VOCABULARY), given).sequences() == [[I], []]
