"""UTAU projects (`.ust`, Shift-JIS or UTF-8) to notes.

    [#SETTING]   Tempo=120.00
    [#0000]      Length=480  Lyric=la  NoteNum=60      a quarter note on C4
    [#0001]      Length=480  Lyric=R   NoteNum=60      a rest

Source: the format as OpenUtau reads it (stakira/OpenUtau, MIT: `Classic/Ust.cs`, `Classic/UstNote.cs`); 480 ticks a
quarter note.
Differs: pitch bends, vibrato and flags are not read.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from speechnar.score.notes import Note, Score, ScoreError, ScoreWarning, make_part
from speechnar.score.safe_xml import read_bytes
from speechnar.score.tempo import TempoMap
from speechnar.score.ustx import TICKS, read_continued

RESTS = ("", "r", "rest", "sp", "ap", "pau", "sil", "br", "息", "吸")


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
    rows: list[tuple[int, int, float, str]] = []
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
            rows.append((start, end, _real(note.get("NoteNum"), math.nan), lyric))
    tempo = TempoMap(tempi)
    syllables, doubts = read_continued([row[3] for row in rows])
    notes = []
    for (start, stop, pitch, _), said in zip(rows, syllables):
        onset = tempo.seconds(start / TICKS)
        notes.append(Note(onset, tempo.seconds(stop / TICKS) - onset, pitch, said))
    title = settings.get("ProjectName") or Path(path).stem
    part, found = make_part(title, notes, (1,))
    warnings += [ScoreWarning(title, "", doubt) for doubt in doubts]
    return Score.of(title, [part], warnings + found)


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
