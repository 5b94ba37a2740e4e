"""The decoder of a recognizer on ONNX Runtime, as the decoders of `speechnar.decode` read with it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
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
    """

    max_tokens: int
    prompt: tuple[int, ...]
    memory_per_frame: int
    past: tuple[int, int, int]
    averaged_states: int = 1


def memory_names(layers: int) -> list[str]:
    """Return the names of the graph's inputs that hold the audio: each layer's keys and values."""
    return [f"memory_{n}" for n in range(layers)]


SEQUENCE_INPUTS = ("positions", "asked", "bias", "memory_bias")
"""Inputs that the graph has from format 6 on, besides `tokens`, `past` and the memory."""

OUTPUTS = ["best", "best_log_probs", "log_probs", "present"]
BARRED = -1e4
"""Bias on the logits of attention to tokens that a token must not see."""


class OnnxReader:
    """A `DraftReader`: all rows of a pass are one sequence, in which a bias keeps each row to itself.

    Keys and values of the text that is kept are not computed again.

    Args:
        memory: keys and values of the audio, of each layer in turn, (heads, T, d_head).
    """

    def __init__(self, session: InferenceSession, info: DecoderInfo, memory: Sequence[np.ndarray]) -> None:
        layers, heads, width = info.past
        self.session = session
        parts = map(np.ascontiguousarray, memory)  # a part of a window is not, and every pass would copy it
        self.memory = {name: part[None] for name, part in zip(memory_names(layers), parts)}
        self.frames = memory[0].shape[1]
        self._past = self._present = np.zeros((layers, 1, 0, heads * width), np.float32)
        self._before = np.zeros((0, 1), np.int64)  # for each token of the rows, the place of the one before it
        self._prompt = len(info.prompt)
        self._pending = list(info.prompt)  # at the end of the text, but not yet in the past

    def read(self, rows: np.ndarray) -> Verdict:
        return self.verdict(rows, *self.session.run(OUTPUTS, self.given(rows) | self.memory))

    def given(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of a pass, without the memory."""
        n_rows, width = rows.shape
        first, known = len(self._pending), self._past.shape[2]
        places = np.concatenate([np.arange(first), np.tile(np.arange(first, first + width), n_rows)])
        row = np.repeat(np.arange(-1, n_rows), [first, *[width] * n_rows])
        seen = (places <= places[:, None]) & ((row < 0) | (row == row[:, None]))
        bias = np.zeros((1, 1, len(places), known + len(places)), np.float32)
        bias[..., known:][0, 0][~seen] = BARRED
        in_row = first + np.arange(rows.size).reshape(rows.shape)
        self._before = np.concatenate([np.full((n_rows, 1), first - 1), in_row], 1)
        return {
            "tokens": np.concatenate([self._pending, rows.ravel()]).astype(np.int64)[None],
            "positions": (known + places)[None],
            "asked": np.stack([self._before[:, :-1].ravel(), rows.ravel()], 1),
            "bias": bias,
            "memory_bias": np.zeros((1, 1, len(places), self.frames), np.float32),
            "past": self._past,
        }

    def verdict(
        self,
        rows: np.ndarray,
        best: np.ndarray,
        best_log_probs: np.ndarray,
        log_probs: np.ndarray,
        present: np.ndarray,
    ) -> Verdict:
        """Return what the outputs of a pass say of rows."""
        self._present = present
        if best.ndim == 1:  # of a graph of format 6
            return Verdict(best[self._before], best_log_probs[self._before], log_probs.reshape(rows.shape))
        ranked = [(best[self._before, n], best_log_probs[self._before, n]) for n in (0, 1)]
        return Verdict(*ranked[0], log_probs.reshape(rows.shape), *ranked[1])

    @property
    def n_pending(self) -> int:
        """Return the number of tokens that the next pass reads before its rows."""
        return len(self._pending)

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


MOST_TOGETHER = 48
"""Tokens of a joint pass, with padding, at most: of more, products take most of the time, and logits much memory."""


class JointReader:
    """Reads for several utterances in one pass: the weights, most of what a short pass takes, are fetched once for all.

    Inputs of products are rounded on the scale of all utterances, so that log-probabilities differ from those of passes
    of their own, by up to about 0.1 nats.
    """

    def __init__(self, readers: Sequence[OnnxReader]) -> None:
        self._readers = readers
        self._together = list(range(len(readers)))
        self._memory = _joined_memory(readers)  # of `_together`, padded to the longest

    def read(self, rows: Mapping[int, np.ndarray]) -> dict[int, Verdict]:
        """Return what is predicted for the rows of some utterances, which follow each one's text.

        Args:
            rows: (B, N) tokens of each utterance, by its number, in order. Utterances are left out once they are done.
        """
        longest = max(self._readers[n].n_pending + its.size for n, its in rows.items())
        if len(rows) == 1 or len(rows) * longest > MOST_TOGETHER:
            return {n: self._readers[n].read(its) for n, its in rows.items()}
        self._leave(list(rows))
        each = [self._readers[n].given(its) for n, its in rows.items()]
        given = _joined(each, next(iter(self._memory.values())).shape[2]) | self._memory
        best, best_log_probs, log_probs, present = self._readers[0].session.run(OUTPUTS, given)
        size = len(best) // len(each)
        ends = np.cumsum([len(given["asked"]) for given in each])
        found = {}
        for at, (n, its) in enumerate(rows.items()):
            own = slice(at * size, at * size + each[at]["tokens"].shape[1])
            asked = log_probs[ends[at] - its.size : ends[at]]
            kept = present[:, at : at + 1, : own.stop - own.start]
            found[n] = self._readers[n].verdict(its, best[own], best_log_probs[own], asked, kept)
        return found

    def _leave(self, left: list[int]) -> None:
        """Drop the memory of utterances that are done: the others move into its place, and nothing is allocated."""
        if left == self._together:
            return
        for at, n in enumerate(left):
            if (place := self._together.index(n)) != at:
                for part in self._memory.values():
                    part[at] = part[place]
        self._together = left
        self._memory = {name: part[: len(left)] for name, part in self._memory.items()}


def _joined_memory(readers: Sequence[OnnxReader]) -> dict[str, np.ndarray]:
    """Return the memory of several utterances, padded to the longest."""
    frames = max(reader.frames for reader in readers)
    found = {}
    for name, (_, heads, _, width) in ((name, part.shape) for name, part in readers[0].memory.items()):
        found[name] = np.zeros((len(readers), heads, frames, width), np.float32)
        for joined, reader in zip(found[name], readers):
            joined[:, : reader.frames] = reader.memory[name][0]
    return found


def _joined(each: Sequence[Mapping[str, np.ndarray]], frames: int) -> dict[str, np.ndarray]:
    """Return the inputs of a pass over several utterances, padded: tokens by the last one again.

    Args:
        frames: of the memory.
    """
    lengths = [given["tokens"].shape[1] for given in each]
    size, known = max(lengths), max(given["past"].shape[2] for given in each)
    layers, _, _, width = each[0]["past"].shape
    joined = {
        name: np.concatenate([np.pad(given[name], ((0, 0), (0, size - n)), "edge") for given, n in zip(each, lengths)])
        for name in ("tokens", "positions")
    }
    joined["asked"] = np.concatenate([given["asked"] + [[n * size, 0]] for n, given in enumerate(each)])
    joined["past"] = np.zeros((layers, len(each), known, width), np.float32)
    joined["bias"] = np.full((len(each), 1, size, known + size), BARRED, np.float32)
    joined["memory_bias"] = np.full((len(each), 1, size, frames), BARRED, np.float32)
    for n, (given, length) in enumerate(zip(each, lengths)):
        before = given["past"].shape[2]
        joined["past"][:, n, :before] = given["past"][:, 0]
        bias = joined["bias"][n, 0]
        bias[:length, :before] = given["bias"][0, 0, :, :before]
        bias[:length, known : known + length] = given["bias"][0, 0, :, before:]
        bias[length:] = bias[length - 1]
        joined["memory_bias"][n, :, :, : given["memory_bias"].shape[3]] = 0
    return joined


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
