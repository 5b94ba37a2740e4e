"""The result of recognition: `Transcript`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from speechnar.decode.result import Word
from speechnar.runtime.speech import Timing

LEAST_CONFIDENCE = 0.005  # that counts in a mean: below it, one doubtful word is as bad as another
PAUSE = 0.7  # seconds without a word, after which a new segment begins


@dataclass(frozen=True, slots=True)
class Segment(Timing):
    """Words between two pauses.

    Attributes:
        confidence: in [0, 1], the mean of that of its words.
    """

    confidence: float


@dataclass(frozen=True)
class Transcript:
    """The words of a recording.

    Attributes:
        name: of the recording: a file's name without its ending.
        duration: seconds of audio.
        words: in order, each with start, end and confidence; empty where nobody speaks.
        language: of the recognizer, such as `en-us`; empty if unknown.
        file: the path of the recording, as it was given; empty for samples.
        is_doubtful: most words have so little confidence that the speech is probably of another language, or none.
    """

    name: str
    duration: float
    words: tuple[Word, ...]
    language: str = ""
    file: str = ""
    is_doubtful: bool = False

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Return the words from pause to pause."""
        return tuple(
            Segment(
                " ".join(word.text for word in group),
                group[0].start,
                group[-1].end,
                sum(word.confidence for word in group) / len(group),
            )
            for group in groups(self.words)
        )

    @property
    def lines(self) -> tuple[Segment, ...]:
        """Return the lines of subtitles."""
        return self.segments

    @property
    def tiers(self) -> dict[str, Sequence[Timing | Word]]:
        return {"segments": self.segments, "words": self.words}


def groups(words: Iterable[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and word.start - group[-1].end >= PAUSE:
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def without_doubtful(words: Sequence[Word], least: float) -> list[Word]:
    """Return words without those between two pauses whose confidence is below `least`, on the geometric mean."""
    return [word for group in groups(words) if mean_confidence(group) >= least for word in group]


def mean_confidence(words: Sequence[Word]) -> float:
    """Return the geometric mean of the confidences of words, of one word or more."""
    return math.exp(sum(math.log(max(word.confidence, LEAST_CONFIDENCE)) for word in words) / len(words))
