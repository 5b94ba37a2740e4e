"""UTAU projects (`.ust`, Shift-JIS or UTF-8) to notes.

    [#SETTING]   Tempo=120.00
    [#0000]      Length=480  Lyric=la  NoteNum=60      a quarter note on C4
    [#0001]      Length=480  Lyric=R   NoteNum=60      a rest

Source: the format as OpenUtau reads it (stakira/OpenUtau, MIT: `Classic/Ust.cs`, `Classic/UstNote.cs`); 480 ticks a
quarter note.
Differs: flags, envelopes and the pitch bends of `Mode2=False` are not read. F0 is drawn, vibrato included, where any
note has more than the usual slide from the note before; else it is left to the singer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speechnar.score.bends import DrawnVibrato, PitchPoint, bend_of, snapped
from speechnar.score.dynamics import percent_level
from speechnar.score.notes import Curve, Note, Score, ScoreError, ScoreWarning, make_part
from speechnar.score.safe_xml import read_bytes
from speechnar.score.tempo import TempoMap
from speechnar.score.ustx import TICKS, read_continued

RESTS = ("", "r", "rest", "sp", "ap", "pau", "sil", "br", "息", "吸")
SHAPES = {"s": "l", "j": "i", "r": "o"}  # of `PBM`


def read_ust(path: str | Path, verse: int | None = None) -> Score:
    """Read a UTAU project; it has one part.

    Args:
        path: the file.
        verse: has no meaning here, as UTAU has one text; any but 1 is a warning.

    Raises:
        ScoreError: the file is no UTAU project.
        OSError: it cannot be read.
    """
    text = _decoded(read_bytes(path), path)
    blocks = [(m[1], m[2]) for m in re.finditer(r"^\[#(\w+)\]([^\[]*(?:\[(?!#)[^\[]*)*)", text, re.MULTILINE)]
    if not blocks:
        raise ScoreError(f"{path} is no UTAU project: it has no block such as [#SETTING] or [#0000]")
    settings = dict(_pairs("".join(body for name, body in blocks if name == "SETTING")))
    tempi = [(0.0, _real(settings.get("Tempo"), 120.0))]
    warnings: list[ScoreWarning] = []
    if verse not in (None, 1):
        warnings.append(ScoreWarning("", "", f"a UTAU project has one verse; --verse {verse} has no effect"))
    rows: list[_Row] = []
    tick = end = 0
    for name, body in blocks:
        if not name.isdecimal():
            continue
        note = dict(_pairs(body))
        start = tick + int(_real(note["Delta"], 0.0)) if "Delta" in note else end
        tick, end = start, start + max(int(_real(note.get("Length"), 0.0)), 0)
        end = start + int(_real(note["Duration"], 0.0)) if "Duration" in note else end
        if "Tempo" in note:
            tempi.append((start / TICKS, _real(note["Tempo"], 0.0)))
        lyric = note.get("Lyric", "").strip()
        if lyric.lower() not in RESTS:
            lyric = f"[{lyric[1:]}]" if lyric.startswith("!") else lyric
            rows.append(_Row(start, end, _real(note.get("NoteNum"), math.nan), lyric, note))
    tempo = TempoMap(tempi)
    syllables, doubts = read_continued([row.lyric for row in rows])
    notes = []
    for row, bend, said in zip(rows, _bends(rows, tempo), syllables):
        onset = tempo.seconds(row.start / TICKS)
        level = percent_level(_real(row.written.get("Intensity"), 100.0))
        notes.append(Note(onset, tempo.seconds(row.end / TICKS) - onset, row.pitch, said, level=level, bend=bend))
    title = settings.get("ProjectName") or Path(path).stem
    part, found = make_part(title, notes, (1,))
    warnings += [ScoreWarning(title, "", doubt) for doubt in doubts]
    return Score.of(title, [part], warnings + found)


@dataclass(frozen=True)
class _Row:
    """A note: ticks, MIDI pitch, lyric, and the fields as written."""

    start: int
    end: int
    pitch: float
    lyric: str
    written: dict[str, str]


def _bends(rows: Sequence[_Row], tempo: TempoMap) -> list[Curve]:
    """Return the curve of each note; all are empty where nothing is drawn but slides between notes."""
    bends, drawn = [], False
    for n, row in enumerate(rows):
        before = rows[n - 1] if n and rows[n - 1].end == row.start else None
        points = _points(row.written)
        drawn |= any(p.y for p in points)
        if ";" not in row.written.get("PBS", ""):
            points = snapped(points, 100 * (before.pitch - row.pitch) if before else None)
        length, period, depth, *others = [*_numbers(row.written.get("VBR", "")), *[0.0] * 7][:7]
        vibrato = DrawnVibrato(min(length / 100, 1.0), period / 1000, depth, *(value / 100 for value in others))
        drawn |= length > 0 and depth != 0
        seconds = tempo.seconds(row.end / TICKS) - tempo.seconds(row.start / TICKS)
        bends.append(bend_of(points, vibrato, max(seconds, 0.0)))
    return bends if drawn else [()] * len(rows)


def _points(note: dict[str, str]) -> list[PitchPoint]:
    """Return the pitch points of a note: `PBS=start;cents/10`, widths `PBW`, `PBY` and shapes `PBM` of the others."""
    start = [*_numbers(note.get("PBS", "").replace(";", ",")), 0.0, 0.0]
    widths, heights = _numbers(note.get("PBW", "")), _numbers(note.get("PBY", ""))
    shapes = [SHAPES.get(shape.strip(), "io") for shape in note.get("PBM", "").split(",")]
    xs = np.cumsum([start[0], *widths])
    ys = [start[1], *heights, *[0.0] * len(widths)]
    shapes += ["io"] * len(xs)
    return [PitchPoint(x / 1000, 10 * y, shape) for x, y, shape in zip(xs.tolist(), ys, shapes)]


def _numbers(text: str) -> list[float]:
    return [_real(value, 0.0) for value in text.split(",")] if text.strip() else []


def _decoded(data: bytes, path: str | Path) -> str:
    named = re.search(rb"^Charset=\s*([\w-]+)", data, re.MULTILINE)
    for encoding in (named[1].decode("ascii") if named else "utf-8-sig", "utf-8-sig", "shift_jis", "cp932"):
        try:
            return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        except (UnicodeDecodeError, LookupError):
            continue
    raise ScoreError(f"{path} is neither UTF-8 nor Shift-JIS text")


def _pairs(body: str) -> list[tuple[str, str]]:
    return [(key.strip(), value) for key, sign, value in (line.partition("=") for line in body.split("\n")) if sign]


def _real(text: str | None, default: float) -> float:
    try:
        number = float(text or "")
    except ValueError:
        return default
    return number if math.isfinite(number) and abs(number) < 1e9 else default
