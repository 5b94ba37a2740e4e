#!/usr/bin/env python3
"""Compares how speechnar and music21 read scores: the notes and syllables of the sung part of every file of a folder.

    pip install music21
    python benchmarks/score_reading.py FOLDER [--limit N] [--show N]

music21's notes are taken with ties merged, repeats expanded, of a chord the top note, and in seconds by its own
metronome marks. A note is equal if its onset and length differ by less than 10 ms and its pitch by less than a cent; a
syllable, if its letters and digits are the same. music21 gives grace notes no time: they and the notes that they take
their time from are compared by pitch, and by the end of the group.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechnar.score.musicxml import read_musicxml
from speechnar.score.notes import Score
from speechnar.score.safe_xml import read_bytes, unzip_score
from speechnar.score.tempo import DEFAULT_TEMPO

TOLERANCE = 0.010  # seconds


@dataclass(frozen=True)
class Told:
    """A note as either program tells it: seconds, seconds, MIDI, letters."""

    onset: float
    end: float
    pitch: float
    letters: str


def letters(text: str) -> str:
    """Return the letters and digits of a lyric, without a verse number, in lower case."""
    text = re.sub(r"^\s*\d{1,2}\s*[.):]\s*", "", unicodedata.normalize("NFC", text).replace("\xa0", " "))
    return "".join(c for c in text.lower() if c.isalnum())


def ours(score: Score, name: str) -> list[Told]:
    notes = score.part(name).sung
    return [Told(n.onset, n.end, n.pitch or 0.0, "".join(letters(s.text) for s in n.syllables)) for n in notes]


def source_of(path: Path) -> bytes:
    """Return the MusicXML text of a file."""
    data = read_bytes(path)
    return unzip_score(data, str(path)) if path.suffix == ".mxl" else data


def seconds_map(expanded: Any, default: float) -> Any:
    """Return a function from quarter notes to seconds, by music21's metronome marks of all parts.

    Args:
        expanded: the score.
        default: quarters a minute where there is no mark, or one whose number is empty: music21 then overlooks the
            `<sound tempo>` beside it.
    """
    marks = sorted(
        {
            (float(m.getOffsetInHierarchy(expanded)), float(m.getQuarterBPM() or default))
            for m in expanded.recurse().getElementsByClass("MetronomeMark")
        }
    )
    if not marks:
        return lambda quarters: quarters * 60 / default

    def seconds(quarters: float) -> float:
        total, place, bpm = 0.0, 0.0, marks[0][1]
        for offset, following in marks:
            if offset >= quarters:
                break
            total, place, bpm = total + (offset - place) * 60 / bpm, offset, following
        return total + (quarters - place) * 60 / bpm

    return seconds


def measure_starts(score: Any) -> list[float]:
    """Return the start of each measure in quarter notes: one after the other, each as long as what is in it.

    music21's own offsets differ between parts where a rest fills an irregular measure: it takes the rest for as long as
    the meter says.
    """
    starts = [0.0]
    for measures in zip(*(part.getElementsByClass("Measure") for part in score.parts)):
        ends: list[float] = []
        for measure in measures:
            for event in measure.recurse().notesAndRests:
                if getattr(event, "fullMeasure", False) is not True:
                    ends.append(float(event.getOffsetInHierarchy(measure) + event.quarterLength))
        nominal = max(float(m.duration.quarterLength) for m in measures)
        starts.append(starts[-1] + (max(ends) if ends and max(ends) > 0 else nominal))
    return starts


def theirs(path: Path, place: int, default: float) -> tuple[list[Told], set[int]]:
    """Return music21's notes of a part, and the places of those that grace notes stand before."""
    from music21 import converter

    score = converter.parse(path, forceSource=True)
    if any(list(part.recurse().getElementsByClass("RepeatMark")) for part in score.parts):
        score = score.expandRepeats()
    starts = measure_starts(score)
    part = score.parts[place].toSoundingPitch()
    seconds = seconds_map(score, default)
    passes: Counter[str] = Counter()
    found: list[list[Any]] = []
    graced: set[int] = set()
    for measure, start in zip(part.getElementsByClass("Measure"), starts):
        label = f"{measure.number}{(measure.numberSuffix or '').upper()}"[: len(str(measure.number)) + 1]
        label = label if (measure.numberSuffix or "").isupper() else str(measure.number)  # 25a is bar 25 again
        passes[label] += 1
        voices = [v for v in measure.voices if list(v.notes)]
        voices = sorted(
            (v for v in voices if str(v.id) == "1" or any(e.lyrics for e in v.notes)), key=lambda v: str(v.id)
        )
        source = voices[0] if voices else measure
        start += source.offset if voices else 0.0
        events = [(start + e.getOffsetBySite(source), e) for e in source.notes]
        numbers = {lyric.number for _, e in events for lyric in e.lyrics if lyric.rawText}
        wanted = max((n for n in numbers if n <= passes[label]), default=min(numbers, default=1))
        for offset, event in events:
            if "Unpitched" in event.classes or "ChordSymbol" in event.classes:
                continue
            top = max(event.notes, key=lambda n: n.pitch.ps) if event.isChord else event
            said = "".join(letters(ly.rawText or "") for ly in event.lyrics if ly.number == wanted)
            if event.duration.isGrace:
                found.append([float(offset), 0.0, top.pitch.ps, said, True])
                continue
            tie = top.tie
            last = found[-1] if found else None
            if (
                tie is not None and tie.type in ("stop", "continue") and last and not said
                and last[2] == top.pitch.ps and abs(last[0] + last[1] - float(offset)) < 1e-4
            ):  # fmt: skip
                last[1] += float(event.quarterLength)
                continue
            found.append([float(offset), float(event.quarterLength), top.pitch.ps, said, False])
    for n, note in enumerate(found):
        if note[4]:
            graced |= {n - 1, n, n + 1}
            main = next((k for k in range(n, len(found)) if not found[k][4]), n)
            if found[main][3] and not note[3] and not (n and found[n - 1][4]):
                note[3], found[main][3] = found[main][3], ""
    return [Told(seconds(o), seconds(o + q), p, t) for o, q, p, t, _ in found], graced


def differences(mine: list[Told], other: list[Told], graced: set[int]) -> list[tuple[int, str]]:
    """Return (place, what differs) of every pair of notes that is not equal; missing notes count as notes."""
    found = []
    for n in range(max(len(mine), len(other))):
        if n >= len(mine) or n >= len(other):
            found.append((n, "note"))
            continue
        a, b = mine[n], other[n]
        close = n in graced or (abs(a.onset - b.onset) < TOLERANCE and abs(a.end - b.end) < TOLERANCE)
        if not close or abs(a.pitch - b.pitch) > 0.01:
            found.append((n, "note"))
        if a.letters != b.letters:
            found.append((n, "syllable"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="files at most")
    parser.add_argument("--show", type=int, default=3, metavar="N", help="differences to show of each file (3)")
    args = parser.parse_args()
    files = sorted(p for p in args.folder.rglob("*") if p.suffix in (".mxl", ".musicxml", ".xml"))
    files = files[: args.limit or None]
    wrong: Counter[str] = Counter()
    notes = syllables = read = same = 0
    times: dict[str, list[float]] = {"speechnar": [], "music21": []}
    for path in files:
        started = time.perf_counter()
        try:
            score = read_musicxml(path)
            part = score.part()
        except ValueError as error:
            print(f"{path.name}: {error}")
            continue
        times["speechnar"].append(time.perf_counter() - started)
        read += 1
        started = time.perf_counter()
        said = re.search(rb'<sound[^>]* tempo="([\d.]+)"', source_of(path))
        other, graced = theirs(path, score.parts.index(part), float(said[1]) if said else DEFAULT_TEMPO)
        times["music21"].append(time.perf_counter() - started)
        mine = ours(score, part.name)
        found = differences(mine, other, graced)
        notes += max(len(mine), len(other))
        syllables += sum(bool(n.letters) for n in other)
        wrong.update(kind for _, kind in found)
        same += not found
        if found:
            print(f"{path.parent.name}/{path.name}: {len(mine)} notes, music21 {len(other)}, {len(found)} differences")
            for n, kind in found[: args.show]:
                print(f"    {kind} {n}: {mine[n : n + 1]} | {other[n : n + 1]}")
        sys.stdout.flush()
    print(f"{read} of {len(files)} scores read, {same} the same in every note and syllable")
    print(f"notes equal: {notes - wrong['note']} of {notes} ({100 * (1 - wrong['note'] / max(notes, 1)):.2f} %)")
    equal = syllables - wrong["syllable"]
    print(f"syllables equal: {equal} of {syllables} ({100 * equal / max(syllables, 1):.2f} %)")
    for program, seconds in times.items():
        print(f"{program}: median {1000 * statistics.median(seconds or [0]):.0f} ms a score")


if __name__ == "__main__":
    main()
