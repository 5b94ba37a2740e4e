"""The decoder of a recognizer on ONNX Runtime, as the decoders of `speechnar.decode` read with it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
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
        memory_per_frame: states of the memory for each frame of the log-probabilities.
        past: shape of the keys and values that it keeps of a text: layers * 2, heads, width of a head.
        averaged_states: encoder states whose mean is a state of the memory.
        heads: of self-attention in each layer, of which some may have been pruned; the graph has keys and values of all
            layers side by side. Empty until format 9, where they were one above the other.
    """

    max_tokens: int
    prompt: tuple[int, ...]
    memory_per_frame: int
    past: tuple[int, int, int]
    averaged_states: int = 1
    heads: tuple[int, ...] = ()


def memory_names(layers: int) -> list[str]:
    """Return the names of the graph's inputs that hold the audio: each layer's keys and values."""
    return [f"memory_{n}" for n in range(layers)]


SEQUENCE_INPUTS = ("positions", "asked", "bias", "memory_bias")
"""Inputs that the graph has from format 6 on, besides `tokens`, `past` and the memory."""

BARRED = -1e4
"""Bias on the logits of attention to tokens that a token must not see."""


class OnnxReader:
    """A `DraftReader`: all rows of a pass are one sequence, in which a bias keeps each row to itself.

    Keys and values of the text that is kept are not computed again.

    Args:
        memory: keys and values of the audio, of each layer in turn, (heads of the layer, T, d_head).
    """

    def __init__(self, session: InferenceSession, info: DecoderInfo, memory: Sequence[np.ndarray]) -> None:
        layers, heads, width = (1, 2 * sum(info.heads), info.past[2]) if info.heads else info.past
        self._session = session
        parts = map(np.ascontiguousarray, memory)  # a part of a window is not, and every pass would copy it
        self._memory = {name: part[None] for name, part in zip(memory_names(info.past[0]), parts)}
        self._frames = memory[0].shape[1]
        self._past = self._present = np.zeros((layers, 1, 0, heads * width), np.float32)
        self._before = np.zeros((0, 1), np.int64)  # for each token of the rows, the place of the one before it
        self._prompt = len(info.prompt)
        self._pending = list(info.prompt)  # at the end of the text, but not yet in the past

    def read(self, rows: np.ndarray) -> Verdict:
        n_rows, width = rows.shape
        first, known = len(self._pending), self._past.shape[2]
        places = np.concatenate([np.arange(first), np.tile(np.arange(first, first + width), n_rows)])
        row = np.repeat(np.arange(-1, n_rows), [first, *[width] * n_rows])
        seen = (places <= places[:, None]) & ((row < 0) | (row == row[:, None]))
        bias = np.zeros((1, 1, len(places), known + len(places)), np.float32)
        bias[..., known:][0, 0][~seen] = BARRED
        in_row = first + np.arange(rows.size).reshape(rows.shape)
        self._before = np.concatenate([np.full((n_rows, 1), first - 1), in_row], 1)
        given = {
            "tokens": np.concatenate([self._pending, rows.ravel()]).astype(np.int64)[None],
            "positions": (known + places)[None],
            "asked": np.stack([self._before[:, :-1].ravel(), rows.ravel()], 1),
            "bias": bias,
            "memory_bias": np.zeros((1, 1, len(places), self._frames), np.float32),
            "past": self._past,
        }
        names = ["best", "best_log_probs", "log_probs", "present"]
        best, best_log_probs, log_probs, self._present = self._session.run(names, given | self._memory)
        if best.ndim == 1:  # of a graph of format 6
            return Verdict(best[self._before], best_log_probs[self._before], log_probs.reshape(rows.shape))
        ranked = [(best[self._before, n], best_log_probs[self._before, n]) for n in (0, 1)]
        return Verdict(*ranked[0], log_probs.reshape(rows.shape), *ranked[1])

    def keep(self, row: int, n: int, *tokens: int) -> None:
        read = [*range(len(self._pending)), *self._before[row, 1 : n + 1]]
        self._past = np.concatenate([self._past, self._present[:, :, read]], axis=2)
        self._pending = list(tokens)

    def branch(self, n: int, token: int) -> OnnxReader:
        """Return a reader whose text is the first `n` tokens of this one's and another token."""
        other, known = copy.copy(self), self._past.shape[2] - self._prompt
        other._past = self._past[:, :, : self._prompt + n]
        other._pending = [*self._pending[: max(0, n - known)], token]
        return other


class RowReader:
    """A `DraftReader` of one utterance, for the graph of recognizers of format 5 and older.

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
        names = ["best", "best_log_probs", "log_probs", "present"]
        best, best_log_probs, log_probs, self._present = self._session.run(names, inputs)
        return Verdict(best[:, before - 1 :], best_log_probs[:, before - 1 :], log_probs[:, before - 1 :])

    def keep(self, row: int, n: int, *tokens: int) -> None:
        read = self._present[:, row : row + 1, :, : len(self._pending) + n]
        self._past = np.concatenate([self._past, read], axis=3)
        self._pending = list(tokens)
