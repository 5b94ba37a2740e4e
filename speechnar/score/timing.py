"""Sung syllables to phones with times.

The vowel begins on the note. The consonants before it take their time from what comes before: a rest, or the vowel of
the note before. Consonants after it end the note.

    note        |   C4  "Twin-"      |   C4  "kle"        |   G4   "twin-"
    phones   t w|ɪ               ŋ  k|ə              l t w|ɪ
                 <---- a span: from vowel to vowel ------>

Each span, from the beginning of a vowel to that of the next or to the end of the phrase, is shared by the phones in it:
the lengths that are most probable under a normal distribution of each phone, d = mu + rho sigma^2 with the one rho that
fills the span. Sung vowels vary most, so that a long note is a long vowel; consonants keep their length.

Source: NNSVS (Yamamoto, Yoneyama and Toda, arXiv:2210.15987): durations fitted to the note.
Differs: no phone is shorter than `FLOOR` of its mean; where the formula makes one so, it is held there and rho found
for the others, and a span shorter than all floors is shared in proportion to the means. NNSVS shares in proportion as
soon as one would be negative, where the lengths jump: just above, a vowel has almost nothing; just below, its full
share. The time lag is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from speechnar.score.lyrics import SungSyllable, is_vowel
from speechnar.score.notes import Part
from speechnar.text.symbols import stress_of

FLOOR = 0.4  # of a phone's mean length: shorter, consonants are no longer understood
BREATH_SECONDS, BREATH_SHARE = 0.25, 0.25  # silence for a marked breath: so long, but at most this share of the note
HELD_VOWEL = (0.170, 0.50)  # mean and standard deviation in seconds of the vowel that is held
SHORT_VOWEL = (0.110, 0.03)  # of another vowel on the same note
MEANS = {
    "s": 0.147, "ʃ": 0.140, "f": 0.110, "θ": 0.100, "h": 0.075, "z": 0.100, "ʒ": 0.100, "v": 0.065, "ð": 0.050,
    "p": 0.100, "t": 0.082, "k": 0.127, "b": 0.065, "d": 0.054, "ɡ": 0.070, "t͡ʃ": 0.130, "d͡ʒ": 0.090,
    "m": 0.095, "n": 0.080, "ŋ": 0.090, "l": 0.069, "ɹ": 0.073, "w": 0.075, "j": 0.070,
}  # fmt: skip
"""Seconds. Medians of sung s, t, k, d, m, l and ɹ; the others in proportion to those of their class."""
CONSONANT_SPREAD = 0.25  # standard deviation of a consonant, as a share of its mean

Durations = Callable[[Sequence[str], int], tuple[Sequence[float], Sequence[float]]]


@dataclass(frozen=True)
class TimedPhone:
    """A phone of a song.

    Attributes:
        phone: with stress, as the voice knows it.
        onset, end: seconds from the start of the score; the consonants of a song's first note can begin before 0.
        note: place in the part's notes of the note that its syllable begins on.
        syllable: place of its syllable in the list that `time_phones` was given.
    """

    phone: str
    onset: float
    end: float
    note: int
    syllable: int


def sung_durations(phones: Sequence[str], held: int) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation in seconds of the length of each phone of a syllable.

    Args:
        phones: of the syllable.
        held: place of the vowel that is held.
    """
    moments = []
    for n, phone in enumerate(phones):
        mean = MEANS.get(stress_of(phone)[1], 0.08)
        moments.append(HELD_VOWEL if n == held else SHORT_VOWEL if is_vowel(phone) else (mean, CONSONANT_SPREAD * mean))
    return [m for m, _ in moments], [s for _, s in moments]


def fit_durations(means: Sequence[float], deviations: Sequence[float], length: float) -> np.ndarray:
    """Return the most probable lengths of phones that fill a span.

    Args:
        means: (N,) seconds, above 0.
        deviations: (N,) standard deviations in seconds, above 0.
        length: of the span in seconds, 0 or more.

    Returns:
        (N,) seconds, which sum to `length`; none is below `FLOOR` of its mean, unless all are in proportion.
    """
    mu, variance = np.asarray(means, float), np.asarray(deviations, float) ** 2
    floor = FLOOR * mu
    if length <= floor.sum():
        return mu * length / mu.sum()
    free = np.ones(len(mu), bool)
    fitted = mu.copy()
    while True:  # at most N times: a phone that is held at its floor stays there
        rho = (length - mu[free].sum() - floor[~free].sum()) / variance[free].sum()
        fitted = np.where(free, mu + rho * variance, floor)
        short = free & (fitted < floor)
        if not short.any():
            return fitted
        free &= ~short


def time_phones(
    part: Part, syllables: Sequence[SungSyllable], durations: Durations = sung_durations
) -> list[TimedPhone]:
    """Return the phones of a part with their times, in order and without overlaps; between them are silences.

    Args:
        part: whose notes the syllables stand on.
        syllables: of `sung_syllables`.
        durations: gives the mean and the standard deviation of each phone of a syllable from its phones and the place
            of its held vowel; by rule when not given.
    """
    timed: list[TimedPhone] = []
    moments = [durations(s.phones, s.held) for s in syllables]
    ends = [_end(part, s) for s in syllables]
    for n, syllable in enumerate(syllables):
        start = part.notes[syllable.first].onset
        before = list(range(syllable.vowel))
        rest = start - (ends[n - 1] if n else -np.inf)
        needed = sum(moments[n][0][k] for k in before)
        if n == 0 or rest >= needed:  # there is silence enough
            timed += _placed(syllable, n, before, moments[n], start - needed, needed)
        own = list(range(syllable.vowel, len(syllable.phones)))
        following = syllables[n + 1] if n + 1 < len(syllables) else None
        if following is None:
            timed += _placed(syllable, n, own, moments[n], start, ends[n] - start)
            continue
        begins = part.notes[following.first].onset
        onset_seconds = sum(moments[n + 1][0][: following.vowel])
        if begins - ends[n] >= onset_seconds and begins - ends[n] > 0:
            timed += _placed(syllable, n, own, moments[n], start, ends[n] - start)
            continue
        means = [moments[n][0][k] for k in own] + list(moments[n + 1][0][: following.vowel])
        spreads = [moments[n][1][k] for k in own] + list(moments[n + 1][1][: following.vowel])
        if means:
            lengths = fit_durations(means, spreads, begins - start)
            edges = start + np.concatenate([[0.0], np.cumsum(lengths)])
            owners = [(syllable, n, k) for k in own] + [(following, n + 1, k) for k in range(following.vowel)]
            timed += [
                TimedPhone(s.phones[k], float(a), float(b), s.first, place)
                for (s, place, k), a, b in zip(owners, edges, edges[1:])
            ]
    return timed


def _end(part: Part, syllable: SungSyllable) -> float:
    """Return where the sound of a syllable ends, which is before a marked breath."""
    last = part.notes[syllable.last]
    return last.end - (min(BREATH_SECONDS, BREATH_SHARE * last.length) if last.breath else 0.0)


def _placed(
    syllable: SungSyllable,
    place: int,
    which: Sequence[int],
    moments: tuple[Sequence[float], Sequence[float]],
    start: float,
    length: float,
) -> list[TimedPhone]:
    if not which:
        return []
    lengths = fit_durations([moments[0][k] for k in which], [moments[1][k] for k in which], length)
    edges = start + np.concatenate([[0.0], np.cumsum(lengths)])
    return [
        TimedPhone(syllable.phones[k], float(a), float(b), syllable.first, place)
        for k, a, b in zip(which, edges, edges[1:])
    ]
