"""The decoder of a recognizer on ONNX Runtime, as the decoders of `speechnar.decode` read with it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speechnar.decode.interface import DraftReader, Verdict

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

DECODER, MEMORY = "decoder.onnx", "memory.onnx"


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


FIRST = memory_names(1)[0]
SEQUENCE_INPUTS = ("positions", "asked", "bias", "memory_bias")
"""Inputs that the graph has from format 6 on, besides `tokens`, `past` and the memory."""
JOINT_INPUTS = ("wanted", "gathered", "scattered")
"""Inputs that it has from format 10 on."""

OUTPUTS = ["best", "best_log_probs", "log_probs", "present"]
BARRED = -1e4
"""Bias on the logits of attention to tokens that a token must not see."""


@dataclass
class Memory:
    """The audio of an utterance as its decoder hears it; a reader and its branches share it.

    Attributes:
        parts: keys and values of each layer, as the graph is given them, by the names of its inputs.
        frames: of these; what is behind them is padding.
    """

    parts: dict[str, np.ndarray]
    frames: int


class OnnxReader:
    """A `DraftReader`: all rows of a pass are one sequence, in which a bias keeps each row to itself.

    Keys and values of the text that is kept are not computed again.
    """

    def __init__(self, session: InferenceSession, info: DecoderInfo, memory: Memory) -> None:
        layers, heads, width = info.past
        self.session, self.memory = session, memory
        self._past = self._present = np.zeros((layers, 1, 0, heads * width), np.float32)
        self._before = np.zeros((0, 1), np.int64)  # for each token of the rows, the place of the one before it
        self._prompt = len(info.prompt)
        self._pending = list(info.prompt)  # at the end of the text, but not yet in the past

    def read(self, rows: np.ndarray) -> Verdict:
        return self.verdict(rows, self.session.run(OUTPUTS, self.given(rows) | self.memory.parts))

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
        memory_bias = np.zeros((1, 1, self.memory.parts[FIRST].shape[2], len(places)), np.float32)
        memory_bias[:, :, self.memory.frames :] = BARRED
        return {
            "tokens": np.concatenate([self._pending, rows.ravel()]).astype(np.int64)[None],
            "positions": (known + places)[None],
            "wanted": np.arange(first - 1, len(places)),
            "asked": np.stack([self._before[:, :-1].ravel() - (first - 1), rows.ravel()], 1),
            "bias": bias,
            "past": self._past,
            "gathered": np.arange(len(places))[None],
            "scattered": np.arange(len(places)),
            "memory_bias": memory_bias,
        }

    def verdict(self, rows: np.ndarray, outputs: Sequence[np.ndarray]) -> Verdict:
        """Return what the outputs of a pass, in the order of `OUTPUTS`, say of rows."""
        best, best_log_probs, log_probs, self._present = outputs
        behind = self._before - (len(self._pending) - 1)
        ranked = [(best[behind, n], best_log_probs[behind, n]) for n in (0, 1)]
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


MOST_TOGETHER = 96
"""Tokens of a joint pass, at most: of more, products take most of the time, and logits much memory."""


class JointReader:
    """Reads for several utterances in one pass: the weights, most of what a short pass takes, are fetched once for all.

    Inputs of products are rounded on the scale of all utterances, so that log-probabilities differ from those of passes
    of their own, by up to about 0.1 nats.

    Args:
        session: from encoder states to the decoder's memory.
        states: of each utterance, (1, T, d_model).
        averaged: states whose mean is a state of the memory.

    Attributes:
        memories: of each utterance.
    """

    def __init__(self, session: InferenceSession, states: Sequence[np.ndarray], averaged: int) -> None:
        longest = max(its.shape[1] for its in states)
        padded = np.concatenate([np.pad(its, ((0, 0), (0, longest - its.shape[1]), (0, 0))) for its in states])
        names = [output.name for output in session.get_outputs()]
        self._parts = dict(zip(names, session.run(names, {"states": padded})))
        self._together = list(range(len(states)))  # the utterances that `_parts` are of
        self.memories = [Memory(self._of(n), its.shape[1] // averaged) for n, its in enumerate(states)]

    def read(self, asked: Mapping[int, tuple[DraftReader, np.ndarray]]) -> dict[int, Verdict]:
        """Return what is predicted for the rows of some utterances.

        Args:
            asked: by the number of each utterance, in order, its reader, or a branch of it, and (B, N) tokens.
                Utterances are left out once they are done. A reader of other audio reads alone.
        """
        own = {
            n: (reader, rows)
            for n, (reader, rows) in asked.items()
            if n in self._together and isinstance(reader, OnnxReader) and reader.memory is self.memories[n]
        }
        found = {n: reader.read(rows) for n, (reader, rows) in asked.items() if n not in own or len(own) == 1}
        if len(own) > 1:
            self._leave(list(own))
            for numbers in _shared({n: reader.n_pending + rows.size for n, (reader, rows) in own.items()}):
                found |= self._read({n: own[n] for n in numbers})
        return found

    def _read(self, asked: Mapping[int, tuple[OnnxReader, np.ndarray]]) -> dict[int, Verdict]:
        each = [reader.given(rows) for reader, rows in asked.values()]
        session = next(reader for reader, _ in asked.values()).session
        best, best_log_probs, log_probs, present = session.run(OUTPUTS, _joined(each) | self._of(*asked))
        ends = {name: np.cumsum([0, *sizes]) for name, sizes in _sizes(each).items()}
        found = {}
        for at, (n, (reader, rows)) in enumerate(asked.items()):
            tokens, wanted, told = (slice(*ends[name][at : at + 2]) for name in ("scattered", "wanted", "asked"))
            outputs = best[wanted], best_log_probs[wanted], log_probs[told], present[:, :, tokens]
            found[n] = reader.verdict(rows, outputs)
        return found

    def _of(self, *numbers: int) -> dict[str, np.ndarray]:
        """Return the memory of utterances that are side by side."""
        first = self._together.index(numbers[0])
        return {name: part[first : first + len(numbers)] for name, part in self._parts.items()}

    def _leave(self, left: list[int]) -> None:
        """Drop the memory of utterances that are done: the others move into its place, and nothing is allocated."""
        if left == self._together:
            return
        for at, n in enumerate(left):
            if (place := self._together.index(n)) != at:
                for part in self._parts.values():
                    part[at] = part[place]
        self._together = left
        self._parts = {name: part[: len(left)] for name, part in self._parts.items()}
        for n, memory in enumerate(self.memories):
            memory.parts = self._of(n) if n in left else {}


def _shared(sizes: Mapping[int, int]) -> list[list[int]]:
    """Return the utterances that share each pass, by the tokens of each: `MOST_TOGETHER` at most, if not one alone."""
    groups: list[list[int]] = []
    total = 0
    for n, size in sizes.items():
        if not groups or total + size > MOST_TOGETHER:
            groups.append([])
            total = 0
        groups[-1].append(n)
        total += size
    return groups


def _sizes(each: Sequence[Mapping[str, np.ndarray]]) -> dict[str, list[int]]:
    """Return the number of tokens, of wanted ones, and of those asked for, of each utterance."""
    return {name: [len(given[name]) for given in each] for name in ("scattered", "wanted", "asked")}


def _joined(each: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the inputs of a pass over several utterances, whose tokens are one sequence."""
    sizes = _sizes(each)
    lengths, most = sizes["scattered"], max(sizes["scattered"])
    first, first_wanted = (np.cumsum([0, *sizes[name]]).tolist() for name in ("scattered", "wanted"))
    first_seen = np.cumsum([0, *(given["past"].shape[2] for given in each)]).tolist()
    joined = {name: np.concatenate([given[name] for given in each], 1) for name in ("tokens", "positions")}
    joined["wanted"] = np.concatenate([given["wanted"] + n for n, given in zip(first, each)])
    joined["asked"] = np.concatenate([given["asked"] + [[n, 0]] for n, given in zip(first_wanted, each)])
    joined["past"] = np.concatenate([given["past"] for given in each], 2)
    joined["gathered"] = np.stack([n + np.minimum(np.arange(most), size - 1) for n, size in zip(first, lengths)])
    joined["scattered"] = np.concatenate([n * most + np.arange(size) for n, size in enumerate(lengths)])
    joined["bias"] = np.full((1, 1, first[-1], first_seen[-1] + first[-1]), BARRED, np.float32)
    joined["memory_bias"] = np.concatenate(
        [np.repeat(given["memory_bias"][..., :1], most, 3) for given in each]  # it is the same for all tokens
    )
    for n, given in enumerate(each):
        read, (bias,) = given["past"].shape[2], given["bias"][0]
        row = joined["bias"][0, 0, first[n] : first[n + 1]]
        row[:, first_seen[n] : first_seen[n + 1]] = bias[:, :read]
        row[:, first_seen[-1] + first[n] : first_seen[-1] + first[n + 1]] = bias[:, read:]
    return joined
