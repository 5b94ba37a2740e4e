"""The decoder of a recognizer on ONNX Runtime, as the decoders of `speechnar.decode` read with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speechnar.decode.interface import Verdict

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

DECODER = "decoder.onnx"


@dataclass(frozen=True)
class DecoderInfo:
    """The decoder in `recognizer.json`.

    Attributes:
        max_tokens: tokens of the longest text that it reads.
        prompt: ids with which every text begins.
        memory_per_frame: encoder states for each frame of the log-probabilities.
        past: shape of the keys and values that it keeps of a text: layers * 2, heads, width of a head.
    """

    max_tokens: int
    prompt: tuple[int, ...]
    memory_per_frame: int
    past: tuple[int, int, int]


def memory_names(layers: int) -> list[str]:
    """Return the names of the graph's inputs that hold the audio: each layer's keys, transposed, and values."""
    return [f"memory_{n}" for n in range(layers)]


class OnnxReader:
    """A `DraftReader` on ONNX Runtime; keys and values of the text that is kept are not computed again.

    Args:
        memory: (layers * 2, heads, T, d_head), keys and values of the audio.
    """

    def __init__(self, session: InferenceSession, info: DecoderInfo, memory: np.ndarray) -> None:
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
        names = ["best", "best_log_probs", "log_probs", "present"]
        best, best_log_probs, log_probs, self._present = self._session.run(names, inputs)
        return Verdict(best[:, before - 1 :], best_log_probs[:, before - 1 :], log_probs[:, before - 1 :])

    def keep(self, row: int, n: int, token: int) -> None:
        read = self._present[:, row : row + 1, :, : len(self._pending) + n]
        self._past = np.concatenate([self._past, read], axis=3)
        self._pending = [token]
