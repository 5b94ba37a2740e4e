"""Written notes to notes as played: repeats, the verse of each pass, one voice, ties, grace notes, seconds.

    bar 1 (2 quarters)         bar 2            |: repeated :|
    voice 1   C4 "Hal-"  D4 "le"   E4 "lu"  ...      pass 1 sings lyric 1, pass 2 lyric 2
    voice 2   A3         B3                          not sung: one singer has one note

Grace notes take their time from the note that follows (MusicXML leaves this open): a tenth of a second each, all
together at most a third of that note; where no note follows, from the note before. A grace note takes over the syllable
of its note. Of several voices the one with the most lyrics is sung, the higher of two; bars where it rests or lacks the
words of this verse are taken from another voice that has words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from speechnar.score.dynamics import level_points, with_levels
from speechnar.score.notes import Note, Part, Score, ScoreWarning, make_part
from speechnar.score.repeats import BarMarks, PlayedBar, unroll
from speechnar.score.syllables import Typed, join_typed
from speechnar.score.tempo import DEFAULT_TEMPO, TempoMap

GRACE_SECONDS, GRACE_SHARE = 0.1, 1 / 3


@dataclass
class WrittenNote:
    """A note of one voice as written.

    Attributes:
        start: quarter notes from the start of its bar.
        length: quarter notes; 0 for a grace note.
        pitch: sounding MIDI pitch.
        tied: a tie from the note before ends here.
        grace: a grace note.
        breath: a breath is marked after it.
        lyrics: by number of the verse.
    """

    start: Fraction
    length: Fraction
    pitch: float
    tied: bool
    grace: bool
    breath: bool
    lyrics: dict[int, Typed]


@dataclass
class WrittenBar:
    """A bar of one part as written.

    Attributes:
        number: as printed.
        length: in quarter notes.
        meter: length by the meter, in quarter notes.
        voices: notes by voice.
        dynamics: (quarter notes from the start of the bar, mark of `level_points`).
    """

    number: str
    length: Fraction = Fraction(0)
    meter: Fraction = Fraction(4)
    voices: dict[str, list[WrittenNote]] = field(default_factory=dict)
    dynamics: list[tuple[Fraction, str]] = field(default_factory=list)


@dataclass
class WrittenPart:
    """A part as written, with the number of its percussion notes and the numbers of its verses."""

    name: str
    bars: list[WrittenBar] = field(default_factory=list)
    unpitched: int = 0
    verses: set[int] = field(default_factory=set)


@dataclass
class Shared:
    """The marks and tempi of all parts, and the doubts about them.

    Attributes:
        marks: of each bar.
        tempi: quarters a minute of each bar, by place in the bar in quarter notes.
        words: tempo of the first tempo word; None where there is none.
        warnings: grows as parts are read.
    """

    marks: list[BarMarks] = field(default_factory=list)
    tempi: list[dict[Fraction, float]] = field(default_factory=list)
    words: float | None = None
    warnings: list[ScoreWarning] = field(default_factory=list)


def played_score(title: str, parts: Sequence[WrittenPart], shared: Shared, verse: int | None) -> Score:
    """Return the score as played: bars in order, timed.

    Args:
        title: of the score.
        parts: as written; a part may have fewer bars than another.
        shared: marks, tempi and doubts.
        verse: sing this verse alone, each repeated section once; None sings every repeat, with a verse each.
    """
    order = unroll(shared.marks, verse)
    lengths = [
        max((p.bars[n].length for p in parts if n < len(p.bars)), default=Fraction(0))
        or next((p.bars[n].meter for p in parts if n < len(p.bars)), Fraction(4))
        for n in range(len(shared.marks))
    ]
    starts = [Fraction(0)]
    for bar in order:
        starts.append(starts[-1] + lengths[bar.index])
    tempo = _tempo_map(order, starts, shared)
    done, warnings = [], shared.warnings
    for part in parts:
        if part.unpitched:
            kept = "the rest of it is sung" if any(bar.voices for bar in part.bars) else "it is not sung"
            warnings.append(ScoreWarning(part.name, "", f"{part.unpitched} notes are percussion; {kept}"))
        finished, found = _finish(part, order, starts, tempo, verse)
        done.append(finished)
        warnings += found
    return Score.of(title, done, warnings)


def _tempo_map(order: Sequence[PlayedBar], starts: Sequence[Fraction], shared: Shared) -> TempoMap:
    if not any(shared.tempi):
        bpm = shared.words or DEFAULT_TEMPO
        said = "its tempo word is read as" if shared.words else "it is sung at"
        shared.warnings.append(
            ScoreWarning("", "", f"the score has no tempo in numbers; {said} {bpm:g} quarters a minute")
        )
        return TempoMap([(0.0, bpm)])
    in_force: list[float] = []  # at the start of each written bar
    current = next(tempi[min(tempi)] for tempi in shared.tempi if tempi)
    for tempi in shared.tempi:
        in_force.append(current)
        current = tempi[max(tempi)] if tempi else current
    changes = []
    for bar, start in zip(order, starts):
        changes.append((float(start), in_force[bar.index]))
        changes += [(float(start + place), bpm) for place, bpm in sorted(shared.tempi[bar.index].items())]
    return TempoMap(changes)


def _voice_of(part: WrittenPart) -> list[str]:
    """Return the voices of a part, the one to sing first: by lyrics, then by height."""
    words: Counter[str] = Counter()
    heights: dict[str, list[float]] = {}
    for bar in part.bars:
        for voice, notes in bar.voices.items():
            words[voice] += sum(bool(n.lyrics) for n in notes)
            heights.setdefault(voice, []).extend(n.pitch for n in notes)
    most = max(words.values(), default=0)
    high = {voice: sum(pitches) / len(pitches) for voice, pitches in heights.items() if pitches}
    return sorted(high, key=lambda v: (words[v] < 0.5 * most, not words[v], -high[v], v))


def _sung_bar(bar: WrittenBar, voices: Sequence[str], verse: int) -> list[WrittenNote]:
    """Return the notes to sing in a bar: those of the main voice, else of a voice that has the words of this verse."""
    if not voices:
        return []
    main = bar.voices.get(voices[0], [])
    if any(verse in n.lyrics for n in main) or (main and not any(n.lyrics for n in main)):
        return main
    for voice in voices[1:]:
        other = bar.voices.get(voice, [])
        if any(verse in n.lyrics for n in other) or (not main and any(n.lyrics for n in other)):
            return other
    return main


def _verses_of_bars(bars: Sequence[list[WrittenNote]], wanted: Sequence[int]) -> list[int]:
    """Return the verse to sing in each played bar: the wanted one, else (a refrain) the nearest below that is there.

    A bar without the wanted words between bars that have them is a melisma of this verse and keeps it.
    """
    there = [{v for n in bar for v in n.lyrics} for bar in bars]
    with_words = [n for n, verses in enumerate(there) if verses]
    chosen = list(wanted)
    for place, n in enumerate(with_words):
        if wanted[n] in there[n]:
            continue
        around = [with_words[k] for k in (place - 1, place + 1) if 0 <= k < len(with_words)]
        if len(around) == 2 and all(wanted[n] in there[k] for k in around):
            continue
        below = [v for v in there[n] if v <= wanted[n]]
        chosen[n] = max(below) if below else min(there[n])
    return chosen


def _finish(
    part: WrittenPart, order: Sequence[PlayedBar], starts: Sequence[Fraction], tempo: TempoMap, verse: int | None
) -> tuple[Part, list[ScoreWarning]]:
    warnings = []
    verses = sorted(part.verses)
    if verse is not None and verses and verse not in verses:
        kept = ", ".join(map(str, verses))
        warnings.append(ScoreWarning(part.name, "", f"there is no verse {verse}; of {kept} the nearest below is sung"))
    voices = _voice_of(part)
    here = [(bar, start) for bar, start in zip(order, starts) if bar.index < len(part.bars)]
    order, starts = [bar for bar, _ in here], [start for _, start in here]
    wanted = [verse or bar.number for bar in order]
    bars = [_sung_bar(part.bars[bar.index], voices, v) for bar, v in zip(order, wanted)]
    chosen = _verses_of_bars(bars, wanted)
    unsung = [v for v in verses if v not in chosen]
    if verse is None and unsung:
        named = f"verse{'s' * (len(unsung) > 1)} {', '.join(map(str, unsung))}"
        sentence = f"no repeat is written for {named}: not sung; choose one with --verse"
        warnings.append(ScoreWarning(part.name, "", sentence))
    flat = [(n, starts[k] + n.start, v) for k, (bar, v) in enumerate(zip(bars, chosen)) for n in bar]
    lyrics = [n.lyrics[v] if v in n.lyrics else Typed(()) for n, _, v in flat]
    syllables = join_typed(lyrics)
    numbers = [(tempo.seconds(float(starts[k])), part.bars[bar.index].number) for k, bar in enumerate(order)]
    notes: list[Note] = []
    graces: list[Note] = []
    for (written, start, v), said in zip(flat, syllables):
        onset = tempo.seconds(float(start))
        length = tempo.seconds(float(start + written.length)) - onset
        note = Note(onset, length, written.pitch, said, verse=v, breath=written.breath)
        if written.grace:
            graces.append(note)
            continue
        if graces and note.onset - graces[0].onset > 1e-6:  # a rest follows the grace notes: they end the note before
            notes[-1:] = _after_graces(notes[-1], graces) if notes else []
            graces = []
        last = notes[-1] if notes else None
        if (
            written.tied
            and last
            and not said
            and not graces
            and last.pitch == note.pitch
            and note.onset - last.end < 0.01
        ):
            notes[-1] = replace(last, length=note.end - last.onset, breath=note.breath)
            continue
        notes += _with_graces(graces, note)
        graces = []
    if graces and notes:
        notes[-1:] = _after_graces(notes[-1], graces)
    finished, found = make_part(part.name, notes, verses, numbers)
    marks = [
        (tempo.seconds(float(starts[k] + place)), mark)
        for k, bar in enumerate(order)
        for place, mark in part.bars[bar.index].dynamics
    ]
    finished = replace(finished, notes=tuple(with_levels(finished.notes, level_points(marks))))
    return finished, warnings + found


def _with_graces(graces: Sequence[Note], note: Note) -> list[Note]:
    """Return grace notes and their note, which gives them its time and its syllable."""
    if not graces:
        return [note]
    each = min(GRACE_SECONDS, GRACE_SHARE * note.length / len(graces))
    timed = [replace(g, onset=note.onset + n * each, length=each) for n, g in enumerate(graces)]
    if note.syllables and not any(g.syllables for g in graces):
        timed[0], note = replace(timed[0], syllables=note.syllables), replace(note, syllables=())
    taken = each * len(graces)
    return [*timed, replace(note, onset=note.onset + taken, length=note.length - taken)]


def _after_graces(note: Note, graces: Sequence[Note]) -> list[Note]:
    """Return a note that ends in grace notes; they are dropped where they do not begin at its end."""
    if graces[0].onset - note.end > 1e-6:
        return [note]
    each = min(GRACE_SECONDS, GRACE_SHARE * note.length / len(graces))
    shorter = replace(note, length=note.length - each * len(graces))
    return [shorter, *(replace(g, onset=shorter.end + n * each, length=each) for n, g in enumerate(graces))]
