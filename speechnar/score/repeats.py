"""The order in which the bars of a score are played: repeats, endings, da capo, dal segno, fine and coda."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_PASSES = 32  # a file that asks for more is wrong
MOST_BARS = 20_000


@dataclass
class BarMarks:
    """The marks of one written bar, collected over all parts.

    Attributes:
        forward: a repeat begins here.
        times: how often the section that ends here is played; 0 where no repeat ends.
        endings: numbers of the passes that this bar is in (first, second ending); empty where it is in all.
        jump: `capo` or `segno` after this bar.
        segno, coda, fine, to_coda: whether the bar has this mark.
    """

    forward: bool = False
    times: int = 0
    endings: set[int] = field(default_factory=set)
    jump: str = ""
    segno: bool = False
    coda: bool = False
    fine: bool = False
    to_coda: bool = False


@dataclass(frozen=True)
class PlayedBar:
    """A bar as played: place of the written bar, pass of its section (from 1), and passes that the section has."""

    index: int
    number: int
    passes: int


def unroll(bars: Sequence[BarMarks], verse: int | None = None) -> list[PlayedBar]:
    """Return the bars in the order in which they are played.

    Args:
        bars: the written bars.
        verse: keep of every repeated section only this pass, or its last where it has fewer.
    """
    played = _with_repeats(bars, 0)
    last = {bar.index: n for n, bar in enumerate(played)}
    jump = next((n for n in sorted(last.values()) if bars[played[n].index].jump), None)
    if jump is not None:
        played = played[: jump + 1] + _after_jump(bars, bars[played[jump].index].jump)
    if verse is not None:
        played = [bar for bar in played if bar.number == min(verse, bar.passes)]
    return played[:MOST_BARS]


def _with_repeats(bars: Sequence[BarMarks], first: int) -> list[PlayedBar]:
    played: list[PlayedBar] = []
    start, number, index = first, 1, first
    while index < len(bars) and len(played) < MOST_BARS:
        bar = bars[index]
        if bar.forward and index != start:
            start, number = index, 1
        passes = _passes(bars, start)
        if not bar.endings or number in bar.endings:
            played.append(PlayedBar(index, number, passes))
            if bar.times and number < passes:
                index, number = start, number + 1
                continue
        group_ends = bool(bar.endings) and (index + 1 == len(bars) or not bars[index + 1].endings)
        if (bar.times and not bar.endings) or group_ends:
            start, number = index + 1, 1
        index += 1
    return played


def _passes(bars: Sequence[BarMarks], start: int) -> int:
    """Return how often the section that begins at `start` is played."""
    for index in range(start, len(bars)):
        bar = bars[index]
        if index > start and bar.forward:
            return 1
        if bar.endings or bar.times:
            numbers: set[int] = set()
            while index < len(bars) and bars[index].endings:
                numbers |= bars[index].endings
                index += 1
            return min(max(max(numbers, default=0), bar.times if not numbers else 1), MOST_PASSES)
    return 1


def _after_jump(bars: Sequence[BarMarks], jump: str) -> list[PlayedBar]:
    """Return the bars after `D.C.` or `D.S.`: each once, with the last ending, to the fine or over to the coda."""
    start = next((n for n, bar in enumerate(bars) if bar.segno), 0) if jump == "segno" else 0
    coda = next((n for n, bar in enumerate(bars) if bar.coda), None)
    played: list[PlayedBar] = []
    section = start
    for index in range(start, len(bars)):
        bar = bars[index]
        section = index if bar.forward else section
        if not bar.endings or max(bar.endings) == _passes(bars, section):
            played.append(PlayedBar(index, 1, 1))
        if bar.to_coda and coda is not None and coda > index:
            return played + _with_repeats(bars, coda)
        if bar.fine or bar.jump:
            break
    return played
