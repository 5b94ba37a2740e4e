"""Take the most probable token at every position at once, from a decoder that knows the number of tokens itself.

Source: Paraformer (Gao et al. 2022), section 3, single-pass recognition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from speechnar.decode.interface import DecoderInput, State, TokenReader, padded
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True)
class ParallelDecoder:
    """Decode in one pass. Tokens in angle brackets are never predicted, but for blanks, which are left out of the text.

    A model that was trained by aligned cross-entropy (AXE) predicts the blank where CTC has a token too many.
    """

    vocabulary: Vocabulary
    iterations: int = 0
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = TokenReader

    def first(self, encoder_out: DecoderInput) -> State:
        log_probs, lengths = encoder_out.reader.predict()
        blank_id = self.vocabulary.blank_id
        banned = self.vocabulary.is_special & (np.arange(log_probs.shape[2]) != blank_id)
        allowed = np.where(banned, -np.inf, log_probs)
        best, scores = allowed.argmax(axis=2), allowed.max(axis=2)
        kept = (best != blank_id) & (np.arange(best.shape[1]) < lengths[:, None])
        tokens, lengths = padded([row[real] for row, real in zip(best, kept)])
        return State(tokens, lengths, padded([row[real] for row, real in zip(scores, kept)], np.float32)[0], done=True)

    def step(self, state: State) -> State:
        return state
