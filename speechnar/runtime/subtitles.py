"""Cut words with times into subtitles that can be read.

    words    |it was night|, |and nobody had seen the old man| ...pause... |he| |was| |gone|
    cue 1    it was night,                                          ends where the text ends a phrase
             and nobody had seen the old man                        lines of at most 42 characters, two a cue
    cue 2                                                           he was gone       stays on the screen for 5/6 s

All cues of a recording are chosen together, by dynamic programming over the words that a cue may end with. A cue begins
with its first word and ends with its last, or later, up to the next one, where it would be too short to be read.

Source: the limits are those of Netflix's "Timed Text Style Guide: General Requirements" and "English (USA)": 42
    characters a line, two lines, 20 characters a second, at least 5/6 of a second, at most 7 seconds; lines and cues
    end behind marks and before conjunctions and prepositions, and never between an article and its noun.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from speechnar.runtime.speech import SpeechError, Timing, Timings
from speechnar.runtime.transcript import Transcript
from speechnar.text.abbreviations import TITLES
from speechnar.text.match_context import ends_sentence

Said: TypeAlias = Timings | Transcript

ROUNDING = 0.002  # seconds that a cue may lose where files have whole milliseconds
LONG_PAUSE = 2.0  # seconds, over which no cue lasts
PAUSE = 0.3  # seconds, at which a phrase may end
TOO_LONG = 1e6  # the cost of a cue that breaks a limit of length; such a cue is made of a single word alone
CUE = 3.0  # the cost of a cue; that of an end at an unfit place is up to 8
UNREADABLE = 300.0  # the cost of a second that a cue lacks for its text
BEGIN_PHRASES = frozenset(
    "and but or nor so because that which who whom whose where when while if although though unless until since as "
    "than in on at of for from with without to into onto by about after before between through during over "
    "under".split()
)
END_NOTHING = frozenset(
    "a an the my your his her its our their this these those some any every no and but or of in on at for from with to "
    "by into is are was were be been am will would can could shall should may might must have has had do does did not "
    "i you he she it we they mr mrs ms dr very".split()
)
SHORTENED = frozenset(title.lower() for title in TITLES) | set("st vs vol pp fig nos e.g i.e".split())
"""Words, and all single letters, whose full stop ends no phrase unless a word that begins sentences follows."""


@dataclass(frozen=True)
class CueLimits:
    """Limits of subtitles.

    Attributes:
        max_line_length: characters.
        max_lines: of a cue.
        max_rate: characters a second, the spaces between words included.
        shortest, longest: seconds that a cue lasts. A cue may be shorter where the recording ends, or in speech so fast
            that it cannot be read.
    """

    max_line_length: int = 42
    max_lines: int = 2
    max_rate: float = 20.0
    shortest: float = 5 / 6
    longest: float = 7.0

    def __post_init__(self) -> None:
        if self.max_line_length < 1 or self.max_lines < 1:
            raise SpeechError(
                f"subtitles need lines of 1 character or more, and 1 line or more, but were given max_line_length "
                f"{self.max_line_length} and max_lines {self.max_lines}"
            )

    def needed(self, length: int) -> float:
        """Return the seconds that a text of so many characters needs."""
        return max(self.shortest, length / self.max_rate) + ROUNDING


def cues(said: Said, limits: CueLimits | None = None) -> list[Timing]:
    """Return the subtitles of a recording; the text of a cue has a line feed between its lines.

    A line is longer than `limits` only where a single word is. Cues follow each other in time and none ends after the
    audio; words without a time share that of their neighbors.

    Args:
        limits: by default those of `CueLimits`.
    """
    limits = limits or CueLimits()
    words = list(_words(said))
    if not words:
        return []
    ends = _cue_ends(words, limits, said.duration)
    found: list[Timing] = []
    for begin, end in zip([0, *ends], ends):
        until = words[end].start if end < len(words) else max(said.duration, words[-1].end)
        free = found[-1].end if found else 0.0
        text = "\n".join(_lines([word.text for word in words[begin:end]], limits))
        start, stop = _shown(words[begin].start, words[end - 1].end, free, until, limits.needed(len(text)))
        found.append(Timing(text, start, stop))
    return found


def _shown(start: float, end: float, free: float, until: float, needed: float) -> tuple[float, float]:
    """Return when a cue is on the screen: as long as its words, or longer where that is too short.

    Args:
        free: seconds from which on the screen is free.
        until: seconds at which the next cue begins, or the audio ends.
    """
    start = max(start, free)
    end = min(max(end, start + needed), max(until, start))
    return (start if end - start > needed - 1e-6 else max(free, end - needed)), end


def _words(said: Said) -> Iterator[Timing]:
    """Yield all words as they are written, between spaces, with their times.

    A word of the text that is not spoken as it is written, such as a number, has the time from the spoken word before
    it to the one after it.
    """
    if isinstance(said, Transcript):
        yield from (Timing(word.text, word.start, word.end) for word in said.words)
        return
    spoken, place = said.words, 0
    for line in said.lines:
        edges, at = [(0, line.start)], 0
        while place < len(spoken) and spoken[place].end <= line.end:
            word = spoken[place]
            place += 1
            if written := re.compile(rf"(?<!\w){re.escape(word.text)}(?!\w)").search(line.text, at, at + 84):
                edges.append((written.start(), word.start))
                at = written.end()
        edges.append((len(line.text), line.end))
        for found in re.finditer(r"\S+", line.text):
            begin, end = (_at(edges, offset) for offset in found.span())
            yield Timing(found[0], begin, end)


def _at(edges: Sequence[tuple[int, float]], offset: int) -> float:
    """Return the time of an offset in a text, in a straight line between the edges beside it."""
    after = next(n for n, edge in enumerate(edges) if edge[0] >= offset)
    (left, start), (right, end) = edges[max(0, after - 1)], edges[after]
    return end if right == left else start + (end - start) * (offset - left) / (right - left)


def _cue_ends(words: Sequence[Timing], limits: CueLimits, duration: float) -> list[int]:
    """Return the places of words before which each cue ends."""
    best = [0.0] + [float("inf")] * len(words)
    before = [0] * (len(words) + 1)
    shown = [0.0] * (len(words) + 1)  # when the screen is free behind the best cues up to each word
    most = limits.max_lines * (limits.max_line_length + 1)
    for begin in range(len(words)):
        length = -1
        for end in range(begin + 1, len(words) + 1):
            length += len(words[end - 1].text) + 1
            single = end == begin + 1
            if not single and (length >= most or words[end - 1].start - words[end - 2].end >= LONG_PAUSE):
                break
            until = words[end].start if end < len(words) else duration
            needed = limits.needed(length)
            start, stop = _shown(words[begin].start, words[end - 1].end, shown[begin], until, needed)
            needed = limits.needed(length + 1)  # with the space behind: a cue is no better for being cut in two
            cost = best[begin] + _cost(words, begin, end, stop - start, needed, limits)
            if cost < best[end]:
                best[end], before[end], shown[end] = cost, begin, stop
    ends = [len(words)]
    while before[ends[-1]]:
        ends.append(before[ends[-1]])
    return ends[::-1]


def _cost(words: Sequence[Timing], begin: int, end: int, seconds: float, needed: float, limits: CueLimits) -> float:
    cost = CUE + UNREADABLE * max(0.0, needed - seconds) + 4.0 * max(0.0, seconds - limits.longest)
    if end < len(words):
        cost += _break_cost(words[end - 1].text, words[end].text, words[end].start - words[end - 1].end)
    pauses = sum(b.start - a.end >= 2 * PAUSE for a, b in zip(words[begin:end], words[begin + 1 : end]))
    texts = [word.text for word in words[begin:end]]
    fits = len(_lines(texts, limits)) <= limits.max_lines
    return cost + 5.0 * pauses + (0.0 if fits or end == begin + 1 else TOO_LONG)


def _break_cost(word: str, following: str, pause: float) -> float:
    """Return how little a line or a cue should end between two words."""
    plain, after = word.strip("\"'“‘(”’)").lower(), following.strip("\"'“‘(").lower()
    shortened = plain.endswith(".") and (plain[:-1] in SHORTENED or len(plain) == 2) and not ends_sentence(following)
    if plain.endswith((".", "?", "!")) and not shortened or pause >= 2 * PAUSE:
        return 0.0
    if plain.endswith((",", ";", ":", "—")) or pause >= PAUSE:
        return 1.0
    if shortened or plain in END_NOTHING:
        return 8.0
    return 2.0 if after in BEGIN_PHRASES else 4.0


def _lines(texts: Sequence[str], limits: CueLimits) -> list[str]:
    """Break words into as few lines as they need, at phrases, and of lengths that differ little.

    Longer words than a line have a line of their own.
    """
    whole = " ".join(texts)
    if len(whole) <= limits.max_line_length or len(texts) == 1:
        return [whole]
    # best[n]: the lines of the first n words: their number, what their ends cost, and where the last one begins
    best: list[tuple[int, float, int]] = [(0, 0.0, 0)]
    for end in range(1, len(texts) + 1):
        choices = []
        length = -1
        for begin in range(end - 1, -1, -1):
            length += len(texts[begin]) + 1
            if length > limits.max_line_length and begin < end - 1:
                break
            lines, cost, _ = best[begin]
            spread = (length / limits.max_line_length) ** 2 * 8
            ends = _break_cost(texts[end - 1], texts[end], 0.0) if end < len(texts) else 0.0
            choices.append((lines + 1, cost + spread + ends, begin))
        best.append(min(choices))
    ends_at = [len(texts)]
    while ends_at[-1]:
        ends_at.append(best[ends_at[-1]][2])
    ends_at.reverse()
    return [" ".join(texts[a:b]) for a, b in zip(ends_at, ends_at[1:])]
