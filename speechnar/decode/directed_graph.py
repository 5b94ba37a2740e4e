"""Lookahead decoding of a directed acyclic graph: from each vertex, the next one with the best edge and token together.

Source: Huang et al. 2022, "Directed Acyclic Transformer for Non-Autoregressive Machine Translation", section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from speechnar.decode.interface import DecoderInput, GraphReader, State, padded
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True)
class LookaheadDecoder:
    """Decode along the path of the best next vertex, in one pass. Tokens in angle brackets are never said."""

    vocabulary: Vocabulary
    iterations: int = 0
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = GraphReader

    def first(self, encoder_out: DecoderInput) -> State:
        said = encoder_out.log_probs + np.where(self.vocabulary.is_special, -np.inf, 0).astype(np.float32)
        tokens = said.argmax(axis=2)
        best = np.take_along_axis(said, tokens[:, :, None], axis=2)[:, :, 0]
        following = (encoder_out.reader.transitions() + best[:, None, :]).argmax(axis=2)
        rows, scores = [], []
        for row, length in enumerate(encoder_out.lengths.tolist()):
            path = [0] if length else []
            while path and path[-1] < length - 1:
                path.append(int(following[row, path[-1]]))
            rows.append(tokens[row, path])
            scores.append(best[row, path])
        found, lengths = padded(rows)
        return State(found, lengths, padded(scores, float)[0], done=True)

    def step(self, state: State) -> State:
        return state
