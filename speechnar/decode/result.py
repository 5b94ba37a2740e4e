"""Results of decoding for users: `Word` and `Hypothesis`."""

from __future__ import annotations

from dataclasses import dataclass


class DecodeError(ValueError):
    """Report log-probabilities or options that cannot be decoded; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Word:
    """A recognized word.

    Attributes:
        text: the word as its tokens spell it.
        start, end: seconds from the first frame.
        confidence: in [0, 1], the probability that the acoustic model gives to the word's least probable token.
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Hypothesis:
    """The words of an utterance, with a score.

    Attributes:
        words: in order of time.
        score: natural logarithm; comparable only between hypotheses of one decoder for the same audio.
    """

    words: tuple[Word, ...]
    score: float

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)
