"""Mask-Predict: predict all tokens at once, then mask the least probable ones and predict them again.

    first     _  _  _  _      as many masks as CTC's best path has tokens, or as the model says; with a length beam,
                              as many texts of other lengths, all decoded at once
    step 1    s  e  c  s      all are predicted
              s  _  _  s      the least probable are masked again, fewer in each step
    step 2    s  i  x  s      ...

Source: Ghazvininejad et al. 2019, "Mask-Predict: Parallel Decoding of Conditional Masked Language Models", section 4.
Differs: where the model predicts no length, it is that of CTC's best path, and the lengths of a length beam are those
    next to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from speechnar.decode.candidates import likely_lengths, near_lengths
from speechnar.decode.greedy import best_path
from speechnar.decode.interface import DecoderInput, MaskedReader, State, padded
from speechnar.nar.schedules import Schedule
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True, eq=False)
class MaskedState(State):
    """A state whose `tokens` have masks.

    Attributes:
        masks: (B, N) bool, the positions that the next step predicts.
        free: (B, N) bool, the positions that were masked at first; all others stay as they are.
        reader: the masked decoder.
    """

    masks: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))
    free: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))
    reader: MaskedReader | None = field(default=None, repr=False)


@dataclass(frozen=True)
class MaskPredictDecoder:
    """Decode by Mask-Predict.

    Attributes:
        iterations: number of times that tokens are predicted, 1 or more.
        length_beam: number of lengths that are decoded: the most probable ones where the model predicts lengths, else
            those next to the length of CTC's best path. The state has so many rows for each utterance, in succession,
            and `best_candidates` chooses among them.
    """

    vocabulary: Vocabulary
    iterations: int = 10
    length_beam: int = 1
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = MaskedReader

    def first(self, encoder_out: DecoderInput) -> MaskedState:
        mask_id = self.vocabulary.mask_id
        if encoder_out.length_log_probs is None:
            paths = [best_path(log_probs, self.vocabulary) for log_probs in encoder_out.utterances()]
            ctc = np.array([len(path.tokens) for path in paths], np.int64)
            lengths = near_lengths(ctc, encoder_out.lengths, self.length_beam)
        else:
            lengths = likely_lengths(encoder_out.length_log_probs, self.length_beam)
        return masked_state([[mask_id] * length for length in lengths.ravel().tolist()], mask_id, encoder_out.reader)

    def step(self, state: MaskedState) -> MaskedState:
        masks, free = state.masks, state.free
        scores, guesses = predicted(state, self.vocabulary)
        tokens, scores = np.where(masks, guesses, state.tokens), np.where(masks, scores, state.scores)
        left = masks_left(Schedule(1.0, 0.0), (state.step + 1) / self.iterations, free)
        again = lowest(scores, free, left)
        done = not again.any()
        masked = tokens if done else np.where(again, self.vocabulary.mask_id, tokens)
        return replace(state, tokens=masked, scores=scores, masks=again, done=done)


def masked_state(rows: list[list[int]], mask_id: int, reader: MaskedReader | None) -> MaskedState:
    """Return the state of rows of tokens with masks; it is done if there is no mask."""
    tokens, lengths = padded(rows)
    masks = (tokens == mask_id) & (np.arange(tokens.shape[1]) < lengths[:, None])
    scores = np.where(masks, -np.inf, 0.0)
    return MaskedState(tokens, lengths, scores, done=not masks.any(), masks=masks, free=masks, reader=reader)


def masks_left(share: Schedule, progress: float, free: np.ndarray) -> np.ndarray:
    """Return how many of the positions that are True in `free` (B, N) stay masked after a share of the steps: (B,)."""
    # The small number keeps, for instance, 0.3 * 10, which is below 3 in floating point, from being rounded down to 2.
    return np.floor(share.at(progress) * free.sum(axis=1) + 1e-9).astype(np.int64)


def lowest(values: np.ndarray, among: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Choose the `number` (B,) lowest values (B, N) of each row among the positions that are True: (B, N) bool."""
    rank = np.where(among, values, np.inf).argsort(axis=1, kind="stable").argsort(axis=1)
    return among & (rank < number[:, None])


def predicted(state: MaskedState, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Return the log-probability (B, N) of the most probable token at each position, and the token.

    Tokens in angle brackets, such as the blank and the mask itself, are never predicted.
    """
    assert state.reader is not None
    return most_probable(state.reader.predict(state.tokens, state.token_lengths), vocabulary)


def most_probable(log_probs: np.ndarray, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Return the same of log-probabilities (B, N, V)."""
    allowed = np.where(vocabulary.is_special, -np.inf, 0.0).astype(log_probs.dtype) + log_probs
    guesses = allowed.argmax(axis=2)
    return np.take_along_axis(allowed, guesses[:, :, None], axis=2)[:, :, 0], guesses
