"""Align-Refine: the best path of CTC, whose symbols a decoder rewrites in every step, all frames at once.

    CTC        s ∅ e e c ∅ s      the best path
    step 1     s ∅ i i x ∅ ∅      each frame's most probable symbol, given the path above
    step 2     ...                until nothing changes

A step can insert and delete tokens, as an alignment has room for more tokens than it holds.

Source: Align-Refine (Chi et al. 2021), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from speechnar.decode.greedy import Alignment
from speechnar.decode.interface import DecoderInput, FrameReader, State, padded
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True, eq=False)
class FrameState(State):
    """A state whose tokens are those of an alignment.

    Attributes:
        alignment: (B, T) int64 symbols of the frames; padding of any value.
        lengths: (B,) int64 frames.
    """

    alignment: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    reader: FrameReader | None = field(default=None, repr=False)


@dataclass(frozen=True)
class AlignRefineDecoder:
    """Decode by Align-Refine.

    Attributes:
        iterations: number of steps, at most.
    """

    vocabulary: Vocabulary
    iterations: int = 10
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = FrameReader

    def first(self, encoder_out: DecoderInput) -> FrameState:
        return self._state(encoder_out.log_probs, encoder_out.lengths, encoder_out.reader)

    def step(self, state: FrameState) -> FrameState:
        assert state.reader is not None
        made = self._state(state.reader.predict(state.alignment), state.lengths, state.reader)
        real = np.arange(made.alignment.shape[1]) < state.lengths[:, None]
        return replace(made, step=state.step, done=not (real & (made.alignment != state.alignment)).any())

    def _state(self, log_probs: np.ndarray, lengths: np.ndarray, reader: FrameReader | None) -> FrameState:
        allowed = np.where(never_predicted(self.vocabulary), -np.inf, log_probs)
        return frame_state(allowed.argmax(axis=2), log_probs, lengths, reader, self.vocabulary.blank_id)


def never_predicted(vocabulary: Vocabulary) -> np.ndarray:
    """Return (V,) bool: True for the symbols that no frame has, those in angle brackets but for the blank."""
    return np.array(vocabulary.is_special) & (np.arange(len(vocabulary)) != vocabulary.blank_id)


def frame_state(
    alignment: np.ndarray, log_probs: np.ndarray, lengths: np.ndarray, reader: FrameReader | None, blank_id: int
) -> FrameState:
    """Return the state of an alignment (B, T), whose symbols have the log-probabilities (B, T, V)."""
    found = [Alignment.of_path(alignment[n, :t], log_probs[n, :t], blank_id) for n, t in enumerate(lengths.tolist())]
    tokens, token_lengths = padded([each.tokens for each in found])
    scores, _ = padded([np.log(np.maximum(each.confidences, 1e-30)) for each in found], float)
    return FrameState(tokens, token_lengths, scores, alignment=alignment, lengths=lengths, reader=reader)
