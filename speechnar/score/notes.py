"""A score as notes in seconds with the syllables to sing on them.

    Score -> Part -> Note -> Syllable

Every reader (MusicXML, MIDI, USTX, UST, DS) collects the sung notes of a part in any order and calls `make_part`, which
sorts them, mends what cannot be sung, puts rests between them and says so.

    time      0.0        0.5        1.0        1.5        2.0
    note      |E4 "Hal"  |G4 "le"   |F4 (slur) |rest      |
    syllabic   begin      end        the vowel of "le" goes on
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

LOWEST, HIGHEST = 24.0, 96.0  # MIDI: C1 to C7, wider than any singer, so that what is outside is a mistake in the file
SHORTEST = 0.01  # seconds; a shorter note is shorter than one frame and cannot be heard
LONGEST_SCORE = 4 * 3600.0  # seconds
HUMMED = "la"  # the syllable of notes that have no lyrics
Curve = tuple[tuple[float, float], ...]  # (seconds from the onset of a note, value), linear between
_GAP = 1e-4  # seconds; a shorter gap between notes is rounding of the file's ticks and no rest


class ScoreError(ValueError):
    """Report a file of music that cannot be read; the message says which file and why."""


@dataclass(frozen=True)
class ScoreWarning:
    """Something doubtful in a score that was sung nevertheless.

    Attributes:
        part: name of the part; empty where the whole score is meant.
        bar: number of the bar as printed; empty where no single bar is meant.
        message: one sentence.
    """

    part: str
    bar: str
    message: str

    def __str__(self) -> str:
        place = ", ".join(p for p in (self.part, f"bar {self.bar}" if self.bar else "") if p)
        return f"{place}: {self.message}" if place else self.message


@dataclass(frozen=True)
class Syllable:
    """A written syllable.

    Attributes:
        text: letters and punctuation, without hyphens, quotes and verse numbers.
        syllabic: place in its word, as MusicXML names it: `single`, `begin`, `middle` or `end`.
        phones: pronunciation given in the file (a phonetic hint); empty where there is none.
    """

    text: str
    syllabic: str = "single"
    phones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """A note or a rest. Tied notes are one note.

    Attributes:
        onset: seconds from the start of the score.
        length: seconds, above 0.
        pitch: sounding MIDI pitch (69 is A4, 440 Hz; fractions are cents); None is a rest.
        syllables: those that begin on this note, more than one where they are elided ("many_a"); empty on a rest and
            on a note that continues the syllable before it.
        slur: the note continues the syllable of the note before it (melisma).
        verse: number of the verse that the syllables are from.
        breath: a breath is marked after this note.
        level: dB from that of a part without marks; before the first point and after the last, the level is theirs.
            Empty is 0 dB.
        bend: cents from the pitch, where the file draws its F0: the singer then follows it without rules of their own.
            It may begin before the onset. Empty where the file draws none.
        bar: number of the bar as printed.
    """

    onset: float
    length: float
    pitch: float | None
    syllables: tuple[Syllable, ...] = ()
    slur: bool = False
    verse: int = 1
    breath: bool = False
    bar: str = ""
    level: Curve = ()
    bend: Curve = ()

    @property
    def rest(self) -> bool:
        """Return True where nothing is sung."""
        return self.pitch is None

    @property
    def end(self) -> float:
        """Return the end in seconds from the start of the score."""
        return self.onset + self.length

    def at_tempo(self, factor: float) -> Note:
        """Return the note in a song that is `factor` times as fast."""
        level, bend = (tuple((at / factor, value) for at, value in curve) for curve in (self.level, self.bend))
        return replace(self, onset=self.onset / factor, length=self.length / factor, level=level, bend=bend)

    @property
    def text(self) -> str:
        """Return the syllables, with `_` where they are elided."""
        return "_".join(s.text for s in self.syllables)


@dataclass(frozen=True)
class Part:
    """A melody for one singer, without overlaps: each note or rest begins where the one before it ends.

    Attributes:
        name: as printed.
        notes: in order; a part of the score without notes has none.
        verses: numbers of the verses that the file has.
        hummed: the file has no lyrics for this part, and every note is sung on "la".
    """

    name: str
    notes: tuple[Note, ...]
    verses: tuple[int, ...] = ()
    hummed: bool = False

    @property
    def sung(self) -> tuple[Note, ...]:
        """Return the notes without the rests."""
        return tuple(n for n in self.notes if not n.rest)

    @property
    def syllable_count(self) -> int:
        """Return the number of written syllables, elided ones counted apart."""
        return 0 if self.hummed else sum(len(n.syllables) for n in self.notes)


@dataclass(frozen=True)
class Score:
    """The parts of a file, and every doubt about them."""

    title: str
    parts: tuple[Part, ...]
    warnings: tuple[ScoreWarning, ...] = ()

    @classmethod
    def of(cls, title: str, parts: Sequence[Part], warnings: Iterable[ScoreWarning]) -> Score:
        """Return a score without repeated warnings, and without those about parts that accompany a part with words."""
        sung_by = {p.name for p in parts if p.syllable_count}
        kept = [w for w in warnings if not sung_by or not w.part or w.part in sung_by]
        if not any(p.sung for p in parts):
            kept.append(ScoreWarning("", "", "there is no note that can be sung"))
        return cls(title, tuple(parts), tuple(dict.fromkeys(kept)))

    def part(self, name: str | None = None) -> Part:
        """Return the part of this name, or the one to sing: the one with the most syllables, the first of equals.

        Names are compared without regard to case; a beginning is enough where only one part has it, and a number counts
        the parts from 1.

        Raises:
            ScoreError: there is no part with notes, or none of this name; the message lists those that there are.
        """
        singable = [p for p in self.parts if p.sung]
        if not singable:
            raise ScoreError("the score has no notes that can be sung")
        if name is None:
            return max(singable, key=lambda p: p.syllable_count)
        wanted = name.strip().lower()
        exact = [p for p in self.parts if p.name.lower() == wanted]
        near = [p for p in self.parts if p.name.lower().startswith(wanted)] if wanted else []
        if not exact and len(near) != 1 and wanted.isdecimal() and 1 <= int(wanted) <= len(self.parts):
            return self.parts[int(wanted) - 1]
        if exact or len(near) == 1:
            return (exact or near)[0]
        names = ", ".join(repr(p.name) for p in self.parts[:8]) + (", ..." if len(self.parts) > 8 else "")
        raise ScoreError(f"the score has {len(near) or 'no'} part{'s' * (len(near) > 1)} {name!r}; it has {names}")


_Warn = Callable[["Note", str], None]


def make_part(
    name: str,
    notes: Iterable[Note],
    verses: Sequence[int] = (),
    bars: Sequence[tuple[float, str]] = (),
) -> tuple[Part, list[ScoreWarning]]:
    """Return a part without overlaps from notes in any order, with rests between them, and what had to be mended.

    A note that is too short, or whose pitch is no number, is left out and its syllable with it; a note that sounds when
    the next one begins ends there; a pitch that no one can sing is moved by octaves. A part none of whose notes has a
    syllable is hummed on "la", and so is a note before the first syllable.

    Args:
        name: of the part.
        notes: sung notes; rests among them are dropped, since they are made anew.
        verses: numbers of the verses that the file has.
        bars: (onset in seconds, number as printed) of every bar in order, from which notes get their `bar`; where it
            is empty, notes keep theirs.
    """
    warnings: list[ScoreWarning] = []
    starts = [onset for onset, _ in bars]

    def bar_of(onset: float, own: str) -> str:
        return bars[max(bisect.bisect_right(starts, onset + 1e-6) - 1, 0)][1] if bars else own

    def warn(note: Note, message: str) -> None:
        warnings.append(ScoreWarning(name, note.bar, message))

    placed = [replace(n, bar=bar_of(n.onset, n.bar)) for n in notes if not n.rest and _possible(n)]
    placed.sort(key=lambda n: (n.onset, -(n.pitch or 0)))
    sung: list[Note] = []
    for note in placed:
        if note.length < SHORTEST:
            warn(note, f"{_shown(note)} lasts {1000 * note.length:.0f} ms and is left out")
            continue
        if sung and note.onset < sung[-1].end - SHORTEST and note.onset < sung[-1].onset + SHORTEST:
            warn(note, f"a second note at the same time as {_shown(sung[-1])} is left out: one voice sings one note")
            continue
        if sung and note.onset < sung[-1].end:
            if note.onset < sung[-1].end - SHORTEST:
                warn(sung[-1], f"{_shown(sung[-1])} is cut where the next note begins")
            sung[-1] = replace(sung[-1], length=note.onset - sung[-1].onset)
        sung.append(_in_range(note, warn))
    if sum(n.length for n in sung) > LONGEST_SCORE or (sung and sung[-1].end > LONGEST_SCORE):
        raise ScoreError(
            f"the part {name!r} lasts {sung[-1].end / 3600:.1f} hours; {LONGEST_SCORE / 3600:.0f} is the most"
        )
    hummed = not any(n.syllables for n in sung)
    return Part(name, tuple(_with_rests(_with_syllables(sung, warn), bar_of)), tuple(verses), hummed), warnings


def _possible(note: Note) -> bool:
    return all(map(math.isfinite, (note.onset, note.length, note.pitch or 0.0))) and note.onset >= 0


def _shown(note: Note) -> str:
    return f"the note {pitch_name(note.pitch or 0)}" + (f' "{note.text}"' if note.syllables else "")


def _in_range(note: Note, warn: _Warn) -> Note:
    pitch = note.pitch or 0.0
    octaves = math.ceil((LOWEST - pitch) / 12) if pitch < LOWEST else -math.ceil((pitch - HIGHEST) / 12)
    if LOWEST <= pitch <= HIGHEST:
        return note
    warn(
        note,
        f"{_shown(note)} is outside any voice; it is sung {abs(octaves)} octave(s) {'up' if octaves > 0 else 'down'}",
    )
    return replace(note, pitch=pitch + 12 * octaves)


def _with_syllables(notes: Sequence[Note], warn: _Warn) -> list[Note]:
    """Return the notes, every one of which begins a syllable or continues one."""
    filled: list[Note] = []
    has_lyrics = any(n.syllables for n in notes)
    if notes and not has_lyrics:
        warn(replace(notes[0], bar=""), f'there are no lyrics; every note is sung on "{HUMMED}"')
    for note in notes:
        if note.syllables:
            filled.append(replace(note, slur=False))
        elif filled and has_lyrics:
            if note.onset > filled[-1].end + 0.05:
                warn(note, f"{_shown(note)} follows a rest and has no lyric; the vowel before it goes on")
            filled.append(replace(note, slur=True))
        else:
            if has_lyrics:
                warn(note, f'{_shown(note)} comes before the first lyric and is sung on "{HUMMED}"')
            filled.append(replace(note, syllables=(Syllable(HUMMED),), slur=False))
    return filled


def _with_rests(notes: Sequence[Note], bar_of: Callable[[float, str], str]) -> list[Note]:
    filled: list[Note] = []
    end = 0.0
    for note in notes:
        gap = note.onset - end
        if gap > _GAP:
            filled.append(
                Note(end, gap, None, verse=note.verse, bar=bar_of(end, filled[-1].bar if filled else note.bar))
            )
        elif gap > 0 and filled:  # rounding of ticks
            filled[-1] = replace(filled[-1], length=note.onset - filled[-1].onset)
        filled.append(note)
        end = note.end
    return filled


def pitch_name(pitch: float) -> str:
    """Return the name of the nearest semitone and the cents above it: `C4`, `F#5`, `A4+30`."""
    nearest = math.floor(pitch + 0.5)
    cents = round(100 * (pitch - nearest))
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    return f"{names[nearest % 12]}{nearest // 12 - 1}" + (f"{cents:+d}" if cents else "")
