"""Readers for the graphs of recognizers of older formats, each of one utterance at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from speechnar.decode.interface import Verdict
from speechnar.runtime.reader import JOINT_INPUTS, OUTPUTS, DecoderInfo, Memory, OnnxReader, memory_names

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class AllTokensReader(OnnxReader):
    """A reader for formats 6 to 9, whose graph predicts behind every token, and takes values as (heads, T, d_head)."""

    def __init__(self, session: InferenceSession, info: DecoderInfo, memory: Sequence[np.ndarray]) -> None:
        """Take the keys and values of the audio, of each layer in turn, (heads, T, d_head)."""
        parts = map(np.ascontiguousarray, memory)  # a part of a window is not, and every pass would copy it
        given = {name: part[None] for name, part in zip(memory_names(info.past[0]), parts)}
        super().__init__(session, info, Memory(given, memory[0].shape[1]))

    def given(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        inputs = super().given(rows)
        first, _, _ = (inputs.pop(name)[0] for name in JOINT_INPUTS)
        inputs["asked"] = inputs["asked"] + [[first, 0]]
        return inputs | {"memory_bias": inputs["memory_bias"].swapaxes(2, 3)}

    def verdict(self, rows: np.ndarray, outputs: Sequence[np.ndarray]) -> Verdict:
        best, best_log_probs, log_probs, self._present = outputs
        if best.ndim > 1:
            first = self.n_pending - 1
            return super().verdict(rows, (best[first:], best_log_probs[first:], log_probs, self._present))
        return Verdict(best[self._before], best_log_probs[self._before], log_probs.reshape(rows.shape))


class RowsReader:
    """A reader for formats 1 to 5, whose graph reads rows as a batch.

    Args:
        memory: keys and values of the audio, of each layer in turn, (heads, T, d_head).
    """

    def __init__(self, session: InferenceSession, info: DecoderInfo, memory: Sequence[np.ndarray]) -> None:
        layers, heads, width = info.past
        self._session = session
        parts = (part if n % 2 else part.swapaxes(1, 2) for n, part in enumerate(memory))
        self._memory = {name: np.ascontiguousarray(part[None]) for name, part in zip(memory_names(layers), parts)}
        self._past = np.zeros((layers, 1, heads, 0, width), np.float32)
        self._present = self._past
        self._pending = list(info.prompt)  # at the end of the text, but not yet in the past

    def read(self, rows: np.ndarray) -> Verdict:
        before = len(self._pending)
        pending = np.broadcast_to(np.array(self._pending, np.int64), (len(rows), before))
        inputs = {"tokens": np.hstack([pending, rows]), "past": self._past} | self._memory
        best, best_log_probs, log_probs, self._present = self._session.run(OUTPUTS, inputs)
        return Verdict(best[:, before - 1 :], best_log_probs[:, before - 1 :], log_probs[:, before - 1 :])

    def keep(self, row: int, n: int, *tokens: int) -> None:
        read = self._present[:, row : row + 1, :, : len(self._pending) + n]
        self._past = np.concatenate([self._past, read], axis=3)
        self._pending = list(tokens)
