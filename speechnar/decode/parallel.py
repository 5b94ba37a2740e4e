"""Take the most probable token at every position at once, from a decoder that knows the number of tokens itself.

Source: Paraformer (Gao et al. 2022), section 3, single-pass recognition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from speechnar.decode.interface import DecoderInput, State, TokenReader
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True)
class ParallelDecoder:
    """Decode in one pass. Tokens in angle brackets are never predicted."""

    vocabulary: Vocabulary
    iterations: int = 0
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = TokenReader

    def first(self, encoder_out: DecoderInput) -> State:
        log_probs, lengths = encoder_out.reader.predict()
        allowed = np.where(self.vocabulary.is_special, -np.inf, log_probs)
        return State(allowed.argmax(axis=2), lengths, allowed.max(axis=2), done=True)

    def step(self, state: State) -> State:
        return state
