"""The second half of a recognizer that has a decoder: drafts mended, and their words found in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speechnar.decode.forced_alignment import align
from speechnar.decode.greedy import words
from speechnar.decode.result import DecodeError, Hypothesis, Word
from speechnar.decode.scorer import ScorerOptions
from speechnar.decode.speculative import Checked, VerifyOptions, verify
from speechnar.decode.units import Units
from speechnar.runtime.folder import BundleFormat
from speechnar.runtime.windows import Heard
from speechnar.text.whisper_bpe import PIECES, Pieces

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

DECODER = "decoder.onnx"


@dataclass(frozen=True)
class DecoderInfo:
    """What `recognizer.json` says of a decoder.

    Attributes:
        max_tokens: the longest text that it reads, in pieces.
        prompt: ids with which a text begins.
        memory_per_frame: what it reads of the audio, to each frame of the log-probabilities.
        past: layers * 2, heads and width of a head of what it keeps of a text.
    """

    max_tokens: int
    prompt: tuple[int, ...]
    memory_per_frame: int
    past: tuple[int, int, int]


def memory_names(layers: int) -> list[str]:
    """The inputs of a decoder's graph that hold the audio: each layer's keys, transposed, and values."""
    return [f"memory_{n}" for n in range(layers)]


class GraphReader:
    """A `verify.Reader` on ONNX Runtime: what it has read of the text is not computed again.

    Args:
        memory: (layers * 2, heads, T, d_head) of the audio.
    """

    def __init__(self, session: InferenceSession, info: DecoderInfo, memory: np.ndarray) -> None:
        layers, heads, width = info.past
        self._session = session
        parts = (part if n % 2 else part.swapaxes(1, 2) for n, part in enumerate(memory))
        self._memory = {name: np.ascontiguousarray(its[None]) for name, its in zip(memory_names(layers), parts)}
        self._past = np.zeros((layers, 1, heads, 0, width), np.float32)
        self._present = self._past
        self._pending = list(info.prompt)  # at the end of the text, but not yet in the past

    def read(self, rows: np.ndarray) -> Checked:
        before = len(self._pending)
        pending = np.broadcast_to(np.array(self._pending, np.int64), (len(rows), before))
        given = {"tokens": np.hstack([pending, rows]), "past": self._past} | self._memory
        names = ["best", "best_log_probs", "log_probs", "present"]
        best, best_log_probs, log_probs, self._present = self._session.run(names, given)
        return Checked(best[:, before - 1 :], best_log_probs[:, before - 1 :], log_probs[:, before - 1 :])

    def keep(self, row: int, n: int, piece: int) -> None:
        read = self._present[:, row : row + 1, :, : len(self._pending) + n]
        self._past = np.concatenate([self._past, read], axis=3)
        self._pending = [piece]


class Mender:
    """The decoder of a recognizer folder, loaded.

    Raises:
        SpeechError, DecodeError: a file is missing or damaged, or the symbols are not the first of the pieces.
    """

    def __init__(
        self,
        kind: BundleFormat,
        folder: Path,
        info: DecoderInfo,
        symbols: Sequence[str],
        threads: int | None,
        device: str,
    ) -> None:
        self._info = info
        self._pieces = Pieces.load(folder / PIECES)
        self._draft_pieces = Pieces.of_symbols(symbols)
        self._units = Units(symbols)
        inputs = {"tokens", "past", *memory_names(info.past[0])}
        self._session = kind.session(folder / DECODER, inputs, threads, device)

    def mend(
        self, draft: Hypothesis, heard: Heard, frame_seconds: float, expected: Sequence[str], options: VerifyOptions
    ) -> Hypothesis:
        """What the decoder makes of a draft.

        Args:
            draft: of `heard`; if it has no word, it is not asked.
            expected: words and phrases that the decoder is to leave where the draft has them.
        """
        if not draft.words or heard.memory is None or not options.iterations:
            return draft
        reader = GraphReader(self._session, self._info, heard.memory)
        tokens, trusted = self._trusted(draft, expected)
        made = verify(tokens, reader, self._pieces, self._info.max_tokens, options, trusted)
        text = self._pieces.decode(made.pieces)
        sure = self._confidences(made.pieces, made.probabilities)
        placed = self._placed(text, heard, frame_seconds)
        found = tuple(
            Word(word.text, word.start, word.end, min(1.0, its) if its > 0 else word.confidence)
            for word, its in zip(placed, sure)
        )
        return Hypothesis(found, float(np.log(np.maximum(made.probabilities, 1e-10)).sum()))

    def _trusted(self, draft: Hypothesis, expected: Sequence[str]) -> tuple[list[int], list[float]]:
        """The draft's pieces, and nats for those of expected words."""
        said = [word.text for word in draft.words]
        hot = [False] * len(said)
        for phrase in (text.split() for text in expected):
            for start in range(len(said) - len(phrase) + 1):
                if said[start : start + len(phrase)] == phrase:
                    hot[start : start + len(phrase)] = [True] * len(phrase)
        tokens: list[int] = []
        trusted: list[float] = []
        for word, is_hot in zip(said, hot):
            its = self._pieces.encode(word)
            tokens += its
            trusted += [ScorerOptions.hot_bonus * is_hot] * len(its)
        return tokens, trusted

    def _confidences(self, pieces: Sequence[int], probabilities: Sequence[float]) -> list[float]:
        """Of each word, the probability of its least certain piece."""
        found: list[float] = []
        for piece, probability in zip(pieces, probabilities):
            if self._pieces.begins_word[piece] or not found:
                found.append(probability)
            else:
                found[-1] = min(found[-1], probability)
        return found

    def _placed(self, text: str, heard: Heard, frame_seconds: float) -> tuple[Word, ...]:
        """The words of a text, with their times; evenly spread where the frames are too few for them."""
        symbols = [piece + 1 for piece in self._draft_pieces.encode(text)]
        try:
            return words(align(heard.log_probs, symbols, self._units.blank_id), self._units, frame_seconds)
        except DecodeError:
            said = text.split()
            step = len(heard) * frame_seconds / len(said)
            return tuple(Word(word, n * step, (n + 1) * step, 0.0) for n, word in enumerate(said))
