"""The decoder of a recognizer on ONNX Runtime, as the decoders of `speechnar.decode` read with it."""

from __future__ import annotations

import math
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
        memory_per_frame: encoder states for each frame of the log-probabilities.
        past: shape of the keys and values that it keeps of a text: layers * 2, heads, width of a head.
    """

    max_tokens: int
    prompt: tuple[int, ...]
    memory_per_frame: int
    past: tuple[int, int, int]


def memory_names(layers: int) -> list[str]:
    """Return the names of the graph's inputs that hold the audio: each layer's keys and values."""
    return [f"memory_{n}" for n in range(layers)]


BATCH_INPUTS = ("positions", "asked", "bias", "memory_bias")
"""Inputs that the graph has from format 6 on, besides `tokens`, `past` and the memory."""

BARRED = -1e4
"""Bias on the logits of attention to tokens and frames that a token must not see."""


class OnnxReader:
    """A `DraftReader` of one utterance of an `OnnxBatch`: its text, and the rows that it reads behind it.

    Attributes:
        frames: T of its memory.
        past: (layers * 2, P, d_model), keys and values of the text that is kept.
        tokens, places, seen: (M,), (M,) and (M, M) of the sequence that is read: ids, places behind `past`, and which
            tokens see which.
        before: (B, N + 1), for each token of the rows, and behind their last, the place of the token before it.
        present: (layers * 2, M or more, d_model), keys and values of the sequence that was read last.
    """

    def __init__(self, batch: OnnxBatch, info: DecoderInfo, frames: int) -> None:
        layers, heads, width = info.past
        self._batch = batch
        self._pending = list(info.prompt)  # at the end of the text, but not yet in the past
        self.frames = frames
        self.past = self.present = np.zeros((layers, 0, heads * width), np.float32)
        self.lay_out(np.zeros((0, 0), np.int64))

    def lay_out(self, rows: np.ndarray) -> None:
        """Put the end of the text and the rows (B, N) behind it in one sequence, in which no row sees another."""
        n_rows, width = rows.shape
        first = len(self._pending)
        row = np.repeat(np.arange(-1, n_rows), [first, *[width] * n_rows])
        in_row = first + np.arange(rows.size).reshape(rows.shape)
        self.rows, self.tokens = rows, np.concatenate([self._pending, rows.ravel()]).astype(np.int64)
        self.places = np.concatenate([np.arange(first), np.tile(np.arange(first, first + width), n_rows)])
        self.seen = (self.places <= self.places[:, None]) & ((row < 0) | (row == row[:, None]))
        self.before = np.concatenate([np.full((n_rows, 1), first - 1), in_row], 1)

    def read(self, rows: np.ndarray) -> Verdict:
        return self._batch.read([self], [rows])[0]

    def keep(self, row: int, n: int, token: int) -> None:
        read = [*range(len(self._pending)), *self.before[row, 1 : n + 1]]
        self.past = np.concatenate([self.past, self.present[:, read]], axis=1)
        self._pending = [token]


class OnnxBatch:
    """The texts of several utterances, read in the same passes: a pass reads the weights of the decoder once.

    All rows of an utterance are one sequence, whose bias keeps each row to itself and the text before it. Keys and
    values of the texts that are kept are not computed again.

    Args:
        memories: of each utterance (layers * 2, heads, T, d_head), keys and values of its audio.
        spare: arrays that earlier batches left, one of which is used again: fresh memory costs a third of a pass.

    Attributes:
        readers: of the utterances, in their order.
    """

    def __init__(
        self, session: InferenceSession, info: DecoderInfo, memories: Sequence[np.ndarray], spare: list[np.ndarray]
    ) -> None:
        layers, heads, width = info.past
        self._session, self._spare = session, spare
        self.readers = [OnnxReader(self, info, memory.shape[2]) for memory in memories]
        self._slots = list(self.readers)  # the utterance of each place in the memory
        longest = max(memory.shape[2] for memory in memories)
        shape = len(memories), heads, longest, width
        self._buffer = spare.pop() if spare else np.empty((layers, 0), np.float32)
        if self._buffer.shape[1] < math.prod(shape):
            self._buffer = np.empty((layers, math.prod(shape)), np.float32)
        self._memory = [layer[: math.prod(shape)].reshape(shape) for layer in self._buffer]
        for n, memory in enumerate(memories):
            for layer, part in zip(self._memory, memory):
                layer[n, :, : part.shape[1]] = part
                layer[n, :, part.shape[1] :] = 0

    def close(self) -> None:
        """Leave the memory to the next batch."""
        self._spare.append(self._buffer)

    def read(self, readers: Sequence[OnnxReader], rows: Sequence[np.ndarray]) -> list[Verdict]:
        """Return what the decoder predicts for the rows (B_i, N_i) of some of the readers."""
        for reader, its in zip(readers, rows):
            reader.lay_out(its)
        self._bring_forward(readers)
        slots = self._slots[: len(readers)]
        size, longest = len(slots), max(len(reader.tokens) for reader in slots)
        known = max(reader.past.shape[1] for reader in slots)
        tokens, positions = np.zeros((2, size, longest), np.int64)
        past = np.zeros((len(self._memory), size, known, slots[0].past.shape[2]), np.float32)
        bias = np.full((size, 1, longest, known + longest), BARRED, np.float32)
        memory_bias = np.zeros((size, 1, longest, self._memory[0].shape[2]), np.float32)
        for n, reader in enumerate(slots):
            length, earlier = len(reader.tokens), reader.past.shape[1]
            tokens[n, :length], positions[n, :length] = reader.tokens, earlier + reader.places
            past[:, n, :earlier] = reader.past
            bias[n, 0, :, :earlier] = 0
            bias[n, 0, :length, known : known + length][reader.seen] = 0
            memory_bias[n, 0, :, reader.frames :] = BARRED
        places = [n * longest + reader.before for n, reader in enumerate(slots)]
        asked = [np.stack([its[:, :-1].ravel(), reader.rows.ravel()], 1) for its, reader in zip(places, slots)]
        given = {
            "tokens": tokens, "positions": positions, "asked": np.concatenate(asked), "bias": bias, "past": past,
            "memory_bias": memory_bias,
        }  # fmt: skip
        given |= {name: part[:size] for name, part in zip(memory_names(len(self._memory)), self._memory)}
        names = ["best", "best_log_probs", "log_probs", "present"]
        best, best_log_probs, log_probs, present = self._session.run(names, given)
        found, at = {}, 0
        for n, (reader, its) in enumerate(zip(slots, places)):
            reader.present = present[:, n]
            own = log_probs[at : at + reader.rows.size].reshape(reader.rows.shape)
            found[reader] = Verdict(best[its], best_log_probs[its], own)
            at += reader.rows.size
        return [found[reader] for reader in readers]

    def _bring_forward(self, readers: Sequence[OnnxReader]) -> None:
        """Move the memory of readers to the first places, so that it is passed on without a copy."""
        wanted, size = set(readers), len(readers)
        free = [n for n, reader in enumerate(self._slots[:size]) if reader not in wanted]
        late = [n for n, reader in enumerate(self._slots[size:], size) if reader in wanted]
        for to, n in zip(free, late):
            self._slots[to], self._slots[n] = self._slots[n], self._slots[to]
            for layer in self._memory:
                layer[[to, n]] = layer[[n, to]]


class RowReader:
    """A `DraftReader` of one utterance, for the graph of recognizers of format 5 and older.

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
