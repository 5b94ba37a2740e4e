"""Data of a stream: its choices, the parts of a recognizer that it uses, and the captions that it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from speechnar.decode.result import Hypothesis, Word
from speechnar.runtime.windows import EncodedAudio


@dataclass(frozen=True)
class StreamConfig:
    """Choices of streaming; all times are in seconds of audio.

    Attributes:
        interval: from one update to the next, at least.
        share: of one core's time that updates may take.
        busy: the same of the time that passes, which is more than a core's where others use the core as well.
        prepare: of quiet after a word, at which the final text is made, to be shown when the utterance ends.
        endpoint: of quiet after a word, at which an utterance ends whose last words are certain.
        longest_pause: without a word, after which any utterance ends, also where it is not quiet.
        confidence: from 0 to 1, from which on a word is certain.
        sentence_confidence: the same where the utterance ends with a full stop, a question or an exclamation mark.
        agreement, margin: see `LocalAgreement`.
        context: before the end of the stable text, from which on partial text is made.
        history: before the end of the audio, from which on words that are final already are read again with the others.
        lead: that are kept before the first word.
        longest: of an utterance, which is cut if it lasts longer.
    """

    interval: float = 0.1
    share: float = 0.12
    busy: float = 0.5
    prepare: float = 0.16
    endpoint: float = 0.25
    longest_pause: float = 0.8
    confidence: float = 0.35
    sentence_confidence: float = 0.2
    agreement: float = 0.3
    margin: float = 0.12
    context: float = 2.0
    history: float = 8.0
    lead: float = 1.2
    longest: float = 13.0


@dataclass(frozen=True)
class Caption:
    """The text of an utterance at a moment.

    Attributes:
        utterance: its number in the stream, from 0.
        words: with times in seconds from the beginning of the stream.
        n_stable: number of words at the beginning that no later caption changes before the final one.
        is_final: the decoder has verified the words; the utterance has no further caption.
        heard: seconds of audio, of which the caption is made.
    """

    utterance: int
    words: tuple[Word, ...]
    n_stable: int
    is_final: bool
    heard: float

    @property
    def text(self) -> str:
        return _joined(self.words)

    @property
    def stable(self) -> str:
        return _joined(self.words[: self.n_stable])

    @property
    def partial(self) -> str:
        """Return the words behind the stable ones."""
        return _joined(self.words[self.n_stable :])


Search: TypeAlias = Callable[[np.ndarray], Hypothesis]
Verify: TypeAlias = Callable[[Hypothesis, EncodedAudio, int], Hypothesis]
"""Returns the text of the decoder, given a draft, of which so many words at the beginning are known."""


@dataclass(frozen=True)
class StreamModel:
    """The parts of a recognizer that a stream uses; they give times in seconds from the first frame.

    Attributes:
        sample_rate: Hz.
        frame_seconds: from one frame of the log-probabilities to the next.
        encode: encodes (T_wav,) samples.
        draft, search: find the words of CTC in (T, V) log-probabilities: at once, and for final text.
        verify: returns the text of the decoder, given a draft; None where there is no decoder.
        kept: returns the words without those that are too doubtful for final text.
        style: of the captions; see `Recognizer.transcribe`.
    """

    sample_rate: int
    frame_seconds: float
    encode: Callable[[np.ndarray], EncodedAudio]
    draft: Search
    search: Search
    verify: Verify | None = None
    kept: Callable[[Sequence[Word]], Sequence[Word]] = list
    style: str = "written"


def _joined(words: Iterable[Word]) -> str:
    return " ".join(word.text for word in words)
