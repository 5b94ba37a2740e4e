"""Imputer: the frames of an alignment, filled in a constant number of steps, one frame of each block in every step.

    first      _ _ _ | _ _ _ | _      all frames are masked; blocks have as many frames as there are steps
    step 1     _ s _ | _ _ x | ∅      in each block, the most probable of all masked frames is filled
    step 2     ∅ s _ | i _ x | ∅      ...

Source: Imputer (Chan et al. 2020), section 3.2, block decoding with the largest probability first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from speechnar.decode.align_refine import FrameState, frame_state, never_predicted
from speechnar.decode.interface import DecoderInput, FrameReader
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True, eq=False)
class ImputerState(FrameState):
    """A state whose alignment has masks; `known` is (B, T, V) log-probabilities of the frames when they were filled."""

    known: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)), repr=False)


@dataclass(frozen=True)
class ImputerDecoder:
    """Decode by Imputer.

    Attributes:
        iterations: number of steps, which is the number of frames of a block, 1 or more.
    """

    vocabulary: Vocabulary
    iterations: int = 8
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = FrameReader

    def first(self, encoder_out: DecoderInput) -> ImputerState:
        shape = encoder_out.log_probs.shape
        return ImputerState(
            np.zeros((shape[0], 1), np.int64), np.zeros(shape[0], np.int64), np.zeros((shape[0], 1)), done=not shape[1],
            alignment=np.full(shape[:2], self.vocabulary.mask_id), lengths=encoder_out.lengths,
            reader=encoder_out.reader, known=np.zeros(shape),
        )  # fmt: skip

    def step(self, state: ImputerState) -> ImputerState:
        assert state.reader is not None
        mask_id = self.vocabulary.mask_id
        log_probs = state.reader.predict(state.alignment)
        allowed = np.where(never_predicted(self.vocabulary), -np.inf, log_probs)
        masks = (state.alignment == mask_id) & (np.arange(allowed.shape[1]) < state.lengths[:, None])
        best = np.where(masks, allowed.max(axis=2), -np.inf)
        blocks = np.pad(best, ((0, 0), (0, -best.shape[1] % self.iterations)), constant_values=-np.inf)
        blocks = blocks.reshape(len(best), -1, self.iterations)
        first = np.arange(self.iterations) == blocks.argmax(axis=2)[:, :, None]
        filled = first.reshape(len(best), -1)[:, : best.shape[1]] & masks
        alignment = np.where(filled, allowed.argmax(axis=2), state.alignment)
        known = np.where(filled[:, :, None], log_probs, state.known)
        blank_id = self.vocabulary.blank_id
        text = frame_state(
            np.where(alignment == mask_id, blank_id, alignment), known, state.lengths, state.reader, blank_id
        )
        return replace(
            state, tokens=text.tokens, token_lengths=text.token_lengths, scores=text.scores, alignment=alignment,
            known=known, done=not (masks & ~filled).any(),
        )  # fmt: skip
