"""What a recognizer gives: `Transcript`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from speechnar.decode.result import Word
from speechnar.runtime.speech import Timing

PAUSE = 0.7  # seconds without a word, after which a new segment begins


@dataclass(frozen=True)
class Transcript:
    """What was said in a recording.

    Attributes:
        name: of the recording: a file's name without its ending.
        duration: seconds of audio.
        words: in order, each with start, end and confidence; empty where nobody speaks.
    """

    name: str
    duration: float
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def segments(self) -> tuple[Timing, ...]:
        """The words from pause to pause."""
        groups = _groups(self.words)
        return tuple(Timing(" ".join(word.text for word in g), g[0].start, g[-1].end) for g in groups)

    @property
    def lines(self) -> tuple[Timing, ...]:
        """What subtitles show."""
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
