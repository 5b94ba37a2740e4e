"""MusicXML (`.musicxml`, `.xml`) and compressed MusicXML (`.mxl`) to notes.

The bars of each part are read as written, in quarter notes; then put in the order in which they are played, with the
lyrics of the verse that each pass sings; then timed by the tempo marks of all parts.

    bar 1 (2 quarters)         bar 2            |: repeated :|
    voice 1   C4 "Hal-"  D4 "le"   E4 "lu"  ...      pass 1 sings lyric 1, pass 2 lyric 2
    voice 2   A3         B3                          not sung: one singer has one note

Source: MusicXML 4.0 (W3C Community Group Final Report, 2021).
Differs: grace notes take their time from the note that follows (MusicXML leaves this open): a tenth of a second each,
all together at most a third of that note; where no note follows, from the note before. A grace note takes over the
syllable of its note. Of a chord the top note is sung, and of several voices the one with the most lyrics, the higher of
two; bars where it rests or lacks the words of this verse are taken from another voice that has words.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from speechnar.score.notes import Note, Part, Score, ScoreError, ScoreWarning, make_part
from speechnar.score.repeats import BarMarks, PlayedBar, unroll
from speechnar.score.safe_xml import parse_xml, read_bytes, unzip_score
from speechnar.score.syllables import ELISION, Typed, join_typed, read_lyric
from speechnar.score.tempo import DEFAULT_TEMPO, TempoMap, tempo_of_words

GRACE_SECONDS, GRACE_SHARE = 0.1, 1 / 3
MOST_PARTS = 100
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_UNITS = {"breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25, "32nd": 0.125}


@dataclass
class _Written:
    """A note of one voice as written; times in quarter notes, from the start of its bar."""

    start: Fraction
    length: Fraction
    pitch: float
    tied: bool
    grace: bool
    breath: bool
    lyrics: dict[int, Typed]


@dataclass
class _Bar:
    number: str
    length: Fraction = Fraction(0)
    meter: Fraction = Fraction(4)
    voices: dict[str, list[_Written]] = field(default_factory=dict)


@dataclass
class _WrittenPart:
    name: str
    bars: list[_Bar] = field(default_factory=list)
    unpitched: int = 0
    verses: set[int] = field(default_factory=set)


@dataclass
class _Shared:
    """What holds for all parts: marks and tempi by bar, and doubts."""

    marks: list[BarMarks] = field(default_factory=list)
    tempi: list[dict[Fraction, float]] = field(default_factory=list)
    words: float | None = None
    warnings: list[ScoreWarning] = field(default_factory=list)


def read_musicxml(path: str | Path, verse: int | None = None) -> Score:
    """Read a MusicXML file, compressed or not.

    Args:
        path: the file.
        verse: sing this verse alone, each repeated section once; None sings every repeat, with a verse each.

    Raises:
        ScoreError: the file is no MusicXML, is broken, or is larger than any score.
        OSError: it cannot be read.
    """
    data = read_bytes(path)
    name = str(path)
    if data[:4] == b"PK\x03\x04" or str(path).lower().endswith(".mxl"):
        data = unzip_score(data, name)
    root = parse_xml(data, name)
    if root.tag not in ("score-partwise", "score-timewise"):
        raise ScoreError(f"{path} is XML but no score: its root is <{root.tag}>, not <score-partwise>")
    title = root.findtext("work/work-title") or root.findtext("movement-title") or Path(path).stem
    shared = _Shared()
    written = [_read_part(part_name, measures, shared) for part_name, measures in _parts_of(root)]
    if verse is not None and verse < 1:
        raise ScoreError(f"--verse is {verse} but should be 1 or more")
    return _played(" ".join(title.split()), written, shared, verse)


def _parts_of(root: ET.Element) -> list[tuple[str, list[ET.Element]]]:
    """Return the name and the measures of each part, for both arrangements of MusicXML."""
    names = {p.get("id", ""): " ".join((p.findtext("part-name") or "").split()) for p in root.iter("score-part")}
    parts: dict[str, list[ET.Element]] = {}
    if root.tag == "score-partwise":
        for n, part in enumerate(root.findall("part")):
            parts[part.get("id") or f"#{n}"] = part.findall("measure")
    else:
        for measure in root.findall("measure"):
            for part in measure.findall("part"):
                part.attrib.update({k: v for k, v in measure.attrib.items() if k != "id"})
                parts.setdefault(part.get("id", ""), []).append(part)
    if len(parts) > MOST_PARTS:
        raise ScoreError(f"the score has {len(parts)} parts; {MOST_PARTS} is the most")
    used: Counter[str] = Counter()
    named = []
    for n, (key, measures) in enumerate(parts.items(), 1):
        part_name = names.get(key) or f"Part {n}"
        used[part_name] += 1
        named.append((part_name if used[part_name] == 1 else f"{part_name} {used[part_name]}", measures))
    return named


def _number(text: str | None, default: float = 0.0) -> Fraction:
    """Return a number of a file as a fraction; `default` where it is none or absurd."""
    try:
        value = float((text or "").strip())
    except ValueError:
        value = default
    value = value if math.isfinite(value) and abs(value) < 1e6 else default
    return Fraction(int(value)) if value == int(value) else Fraction(value).limit_denominator(100_000)


class _PartReader:
    """Reads one part bar by bar; what it keeps between bars is what MusicXML says holds until changed."""

    def __init__(self, name: str, shared: _Shared) -> None:
        self.part = _WrittenPart(name)
        self.shared = shared
        self.divisions = Fraction(1)
        self.meter = Fraction(4)
        self.transpose = Fraction(0)
        self.endings: set[int] = set()
        self.verse_numbers: dict[str, int] = {}

    def bar(self, measure: ET.Element) -> None:
        index = len(self.part.bars)
        if index == len(self.shared.marks):
            self.shared.marks.append(BarMarks())
            self.shared.tempi.append({})
        self.marks, self.tempi = self.shared.marks[index], self.shared.tempi[index]
        self.marks.endings |= self.endings
        self.now, self.chord_start = Fraction(0), Fraction(0)
        self.written = _Bar(measure.get("number") or str(index + 1))
        for element in measure:
            {
                "note": self.note, "backup": self.backup, "forward": self.forward, "attributes": self.attributes,
                "direction": self.direction, "sound": self.sound, "barline": self.barline,
            }.get(element.tag, lambda _: None)(element)  # fmt: skip
            self.written.length = max(self.written.length, self.now)
        self.written.meter = self.meter
        self.part.bars.append(self.written)

    def length(self, element: ET.Element) -> Fraction:
        return max(_number(element.findtext("duration")), Fraction(0)) / self.divisions

    def backup(self, element: ET.Element) -> None:
        self.now = max(self.now - self.length(element), Fraction(0))

    def forward(self, element: ET.Element) -> None:
        self.now += self.length(element)

    def attributes(self, element: ET.Element) -> None:
        divisions = _number(element.findtext("divisions"))
        self.divisions = divisions if divisions > 0 else self.divisions
        time = element.find("time")
        if time is not None and time.find("beats") is not None:
            units = [max(_number(t.text, 4), Fraction(1)) for t in time.findall("beat-type")]
            beats = [sum(_number(b) for b in (t.text or "").split("+")) for t in time.findall("beats")]
            meter = sum((b * 4 / u for b, u in zip(beats, units)), Fraction(0))
            self.meter = meter if meter > 0 else self.meter
        transpose = element.find("transpose")
        if transpose is not None:
            self.transpose = _number(transpose.findtext("chromatic")) + 12 * _number(
                transpose.findtext("octave-change")
            )

    def direction(self, element: ET.Element) -> None:
        place = self.now + _number(element.findtext("offset")) / self.divisions
        for metronome in element.iter("metronome"):
            unit = _UNITS.get(metronome.findtext("beat-unit") or "", 0.0)
            dots = len(metronome.findall("beat-unit-dot"))
            number = re.search(r"\d+(\.\d+)?", metronome.findtext("per-minute") or "")
            if unit and number:
                self.tempi.setdefault(place, float(number[0]) * unit * (2 - 0.5**dots))
        for words in element.iter("words"):
            if self.shared.words is None and words.text:
                self.shared.words = tempo_of_words(words.text)
        for name, mark in (("segno", "segno"), ("coda", "coda")):
            if element.find(f"direction-type/{name}") is not None and element.find("sound") is None:
                setattr(self.marks, mark, True)
        sound = element.find("sound")
        if sound is not None:
            self.sound(sound, place)

    def sound(self, element: ET.Element, place: Fraction | None = None) -> None:
        if element.get("tempo"):
            tempo = _number(element.get("tempo"))
            if tempo > 0:
                self.tempi[max(self.now if place is None else place, Fraction(0))] = float(tempo)
        if element.get("dacapo") == "yes" or element.get("dalsegno"):
            self.marks.jump = "segno" if element.get("dalsegno") else "capo"
        self.marks.segno |= bool(element.get("segno"))
        self.marks.coda |= bool(element.get("coda"))
        self.marks.to_coda |= bool(element.get("tocoda"))
        self.marks.fine |= bool(element.get("fine"))

    def barline(self, element: ET.Element) -> None:
        repeat, ending = element.find("repeat"), element.find("ending")
        if repeat is not None and repeat.get("direction") == "forward":
            self.marks.forward = True
        elif repeat is not None:
            self.marks.times = max(int(_number(repeat.get("times"), 2)), 2)
        if ending is not None:
            if ending.get("type") == "start":
                self.endings = {int(n) for n in re.findall(r"\d{1,2}", ending.get("number", ""))}
                self.marks.endings |= self.endings
            else:
                self.endings = set()

    def note(self, element: ET.Element) -> None:
        grace, chord = element.find("grace") is not None, element.find("chord") is not None
        length = Fraction(0) if grace else self.length(element)
        start = self.chord_start if chord else self.now
        if not chord:
            self.chord_start = self.now
            self.now += length
        if element.find("rest") is not None:
            return
        pitch = element.find("pitch")
        if pitch is None:
            self.part.unpitched += 1
            return
        step = _STEPS.get((pitch.findtext("step") or "").strip().upper())
        if step is None:
            self.warn(f"a note of the step {pitch.findtext('step')!r} is left out")
            return
        octave, alter = _number(pitch.findtext("octave"), 4), _number(pitch.findtext("alter"))
        midi = float(12 * (octave + 1) + step + alter + self.transpose)
        ties = {t.get("type") for t in (*element.findall("tie"), *element.findall("notations/tied"))}
        breath = element.find("notations/articulations/breath-mark") is not None
        note = _Written(start, length, midi, "stop" in ties, grace, breath, self.lyrics(element))
        voice = self.written.voices.setdefault((element.findtext("voice") or "1").strip(), [])
        below = next((n for n in reversed(voice) if n.start == start and n.grace == grace), None) if chord else None
        if below:  # the top note of a chord, with the words of all
            below.lyrics = below.lyrics | note.lyrics
            if note.pitch > below.pitch:
                below.pitch, below.tied = note.pitch, note.tied
        else:
            voice.append(note)

    def lyrics(self, element: ET.Element) -> dict[int, Typed]:
        lyrics: dict[int, Typed] = {}
        for lyric in element.findall("lyric"):
            text, elided = "", True
            syllabics: list[str] = []
            for child in lyric:
                if child.tag == "syllabic" and (elided or not syllabics):
                    syllabics.append((child.text or "").strip())
                elif child.tag == "elision":
                    text, elided = text + ELISION, True
                elif child.tag == "text":
                    text, elided = text + (child.text or ""), False
            typed = read_lyric(text, syllabics or ["single"])
            if typed.doubt:
                self.warn(typed.doubt)
            verse = self.verse(lyric.get("number") or lyric.get("name") or "1")
            if typed.syllables:
                self.part.verses.add(verse)
                lyrics.setdefault(verse, typed)
        return lyrics

    def verse(self, label: str) -> int:
        digits = re.search(r"\d{1,2}$", label)
        return int(digits[0]) if digits else self.verse_numbers.setdefault(label, len(self.verse_numbers) + 1)

    def warn(self, message: str) -> None:
        self.shared.warnings.append(ScoreWarning(self.part.name, self.written.number, message))


def _read_part(name: str, measures: Sequence[ET.Element], shared: _Shared) -> _WrittenPart:
    reader = _PartReader(name, shared)
    for measure in measures:
        reader.bar(measure)
    return reader.part


def _played(title: str, parts: Sequence[_WrittenPart], shared: _Shared, verse: int | None) -> Score:
    """Return the score as played: bars in order, timed."""
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


def _tempo_map(order: Sequence[PlayedBar], starts: Sequence[Fraction], shared: _Shared) -> TempoMap:
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


def _voice_of(part: _WrittenPart) -> list[str]:
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


def _sung_bar(bar: _Bar, voices: Sequence[str], verse: int) -> list[_Written]:
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


def _verses_of_bars(bars: Sequence[list[_Written]], wanted: Sequence[int]) -> list[int]:
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
    part: _WrittenPart, order: Sequence[PlayedBar], starts: Sequence[Fraction], tempo: TempoMap, verse: int | None
) -> tuple[Part, list[ScoreWarning]]:
    warnings = []
    verses = sorted(part.verses)
    if verse is not None and verses and verse not in verses:
        kept = ", ".join(map(str, verses))
        warnings.append(ScoreWarning(part.name, "", f"there is no verse {verse}; of {kept} the nearest below is sung"))
    voices = _voice_of(part)
    order = [bar for bar in order if bar.index < len(part.bars)]
    wanted = [verse or bar.number for bar in order]
    bars = [_sung_bar(part.bars[bar.index], voices, v) for bar, v in zip(order, wanted)]
    chosen = _verses_of_bars(bars, wanted)
    unsung = [v for v in verses if v not in chosen]
    if verse is None and unsung:
        sentence = (
            f"verse {', '.join(map(str, unsung))} is not sung, as no repeat is written for it; choose it with --verse"
        )
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
    return finished, warnings + found


def _with_graces(graces: Sequence[Note], note: Note) -> list[Note]:
    """Return grace notes and their note, which gives them its time and its syllable."""
    if not graces or note.onset - graces[0].onset > 1e-6:  # they ended the bar before: no note to lean on
        return [replace(g, length=0.0) for g in graces] + [note]
    each = min(GRACE_SECONDS, GRACE_SHARE * note.length / len(graces))
    timed = [replace(g, onset=note.onset + n * each, length=each) for n, g in enumerate(graces)]
    if note.syllables and not any(g.syllables for g in graces):
        timed[0], note = replace(timed[0], syllables=note.syllables), replace(note, syllables=())
    taken = each * len(graces)
    return [*timed, replace(note, onset=note.onset + taken, length=note.length - taken)]


def _after_graces(note: Note, graces: Sequence[Note]) -> list[Note]:
    each = min(GRACE_SECONDS, GRACE_SHARE * note.length / len(graces))
    shorter = replace(note, length=note.length - each * len(graces))
    return [shorter, *(replace(g, onset=shorter.end + n * each, length=each) for n, g in enumerate(graces))]
