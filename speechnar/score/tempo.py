"""Tempo changes: from quarter notes to seconds."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from itertools import pairwise

DEFAULT_TEMPO = 120.0  # quarter notes a minute, where a file has none: the default of MIDI and of notation programs
SLOWEST, FASTEST = 5.0, 1000.0

WORDS = {
    "grave": 40, "largo": 50, "lento": 54, "larghetto": 60, "adagio": 66, "adagietto": 70, "andante": 76,
    "andantino": 84, "moderato": 108, "allegretto": 112, "animato": 120, "allegro": 132, "vivace": 160, "presto": 180,
    "slowly": 60, "slow": 60, "moderately": 100, "lively": 140, "fast": 150,
}  # fmt: skip
"""Beats a minute that a metronome's scale gives to the usual words, for scores that have the word alone."""


class TempoMap:
    """The tempo of a piece, constant from one change to the next.

    Args:
        changes: (position in quarter notes, quarter notes a minute) in any order; of two at one position the last
            counts. Before the first change the first tempo holds; without any, 120. A tempo outside 5 to 1000 is
            ignored.
    """

    def __init__(self, changes: Iterable[tuple[float, float]] = ()) -> None:
        valid = {float(position): float(bpm) for position, bpm in changes if SLOWEST <= bpm <= FASTEST}
        ordered = sorted(valid.items()) or [(0.0, DEFAULT_TEMPO)]
        self._positions = [min(0.0, ordered[0][0]), *(p for p, _ in ordered[1:])]
        self._tempi = [bpm for _, bpm in ordered]
        self._seconds = [0.0]
        for (start, end), bpm in zip(pairwise(self._positions), self._tempi):
            self._seconds.append(self._seconds[-1] + 60 * (end - start) / bpm)

    def seconds(self, quarters: float) -> float:
        """Return the time in seconds of a position in quarter notes."""
        n = max(bisect.bisect_right(self._positions, quarters) - 1, 0)
        return self._seconds[n] + 60 * (float(quarters) - self._positions[n]) / self._tempi[n]


def tempo_of_words(text: str) -> float | None:
    """Return the beats a minute of the first tempo word in a text (`Andante con moto`), or None."""
    for word in text.lower().replace(",", " ").replace(".", " ").split():
        if word in WORDS:
            return float(WORDS[word])
    return None
