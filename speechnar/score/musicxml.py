"""MusicXML (`.musicxml`, `.xml`) and compressed MusicXML (`.mxl`) to written notes, and to notes as played.

The bars of each part are read as written, in quarter notes; `playing` then puts them in the order in which they are
played.

Source: MusicXML 4.0 (W3C Community Group Final Report, 2021).
Differs: of a chord the top note is kept, with the words of all. Of articulations only breath marks and caesuras are
read.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from speechnar.score.dynamics import LOUDER, SOFTER, WEDGE_END
from speechnar.score.notes import Score, ScoreError, ScoreWarning
from speechnar.score.playing import Shared, WrittenBar, WrittenNote, WrittenPart, played_score
from speechnar.score.repeats import BarMarks
from speechnar.score.safe_xml import parse_xml, read_bytes, unzip_score
from speechnar.score.syllables import ELISION, Typed, read_lyric
from speechnar.score.tempo import tempo_of_words

MOST_PARTS = 100
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_UNITS = {"breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25, "32nd": 0.125}


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
    shared = Shared()
    written = [_read_part(part_name, measures, shared) for part_name, measures in _parts_of(root)]
    if verse is not None and verse < 1:
        raise ScoreError(f"--verse is {verse} but should be 1 or more")
    return played_score(" ".join(title.split()), written, shared, verse)


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

    def __init__(self, name: str, shared: Shared) -> None:
        self.part = WrittenPart(name)
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
        self.written = WrittenBar(measure.get("number") or str(index + 1))
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
        for kind in element.findall("direction-type"):
            self.dynamics(kind, place)
            for wedge in kind.findall("wedge"):
                way = {"crescendo": LOUDER, "diminuendo": SOFTER, "stop": WEDGE_END}.get(wedge.get("type", ""))
                self.written.dynamics += [(place, way)] if way else []
        sound = element.find("sound")
        if sound is not None:
            self.sound(sound, place)

    def dynamics(self, element: ET.Element, place: Fraction) -> None:
        for marks in element.findall("dynamics"):
            self.written.dynamics += [(place, mark.tag) for mark in marks]

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
        breath = any(element.find(f"notations/articulations/{mark}") is not None for mark in ("breath-mark", "caesura"))
        for notations in element.findall("notations"):
            self.dynamics(notations, start)
        note = WrittenNote(start, length, midi, "stop" in ties, grace, breath, self.lyrics(element))
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


def _read_part(name: str, measures: Sequence[ET.Element], shared: Shared) -> WrittenPart:
    reader = _PartReader(name, shared)
    for measure in measures:
        reader.bar(measure)
    return reader.part
