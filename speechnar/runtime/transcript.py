"""The result of recognition: `Transcript`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from speechnar.decode.result import Word
from speechnar.runtime.speech import Timing

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
    """

    name: str
    duration: float
    words: tuple[Word, ...]
    language: str = ""
    file: str = ""

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
            for group in _groups(self.words)
        )

    @property
    def lines(self) -> tuple[Segment, ...]:
        """Return the lines of subtitles."""
        return self.segments

    @property
    def tiers(self) -> dict[str, Sequence[Timing | Word]]:
        return {"segments": self.segments, "words": self.words}


def _groups(words: Iterable[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and word.start - group[-1].end >= PAUSE:
            yield group
            group = []
        group.append(word)
    if group:
        yield group
