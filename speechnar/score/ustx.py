"""OpenUtau projects (`.ustx`, YAML) to notes.

    hello[hh ah l]   a word, and after it the phones of this note
    +                the word's next syllable; the vowel goes on where the word has no more
    +~  +*  -        the vowel before goes on

Source: OpenUtau (stakira/OpenUtau, MIT): `Format/USTx.cs`, `Ustx/UNote.cs`, `Ustx/UProject.cs`; 480 ticks a quarter
note.
Differs: of the expressions `dyn`, `pitd` and `vol` are read. F0 is drawn, vibrato included, where any note of a track
has more than the usual slide from the note before; else it is left to the singer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from speechnar.extras import needing
from speechnar.score.bends import DrawnVibrato, PitchPoint, bend_of, curve_of, snapped
from speechnar.score.dynamics import percent_level, with_levels
from speechnar.score.notes import Curve, Note, Part, Score, ScoreError, ScoreWarning, Syllable, make_part
from speechnar.score.safe_xml import read_bytes
from speechnar.score.syllables import CONTINUED, NEXT_SYLLABLE, Typed, read_lyric
from speechnar.score.tempo import TempoMap

TICKS = 480


def read_ustx(path: str | Path, verse: int | None = None) -> Score:
    """Read an OpenUtau project; every track with notes is a part.

    Args:
        path: the file.
        verse: has no meaning here, as OpenUtau has one text; any but 1 is a warning.

    Raises:
        ScoreError: the file is no OpenUtau project, or is broken.
        OSError: it cannot be read.
    """
    with needing("reading USTX", "singing"):
        import yaml
    data = read_bytes(path)
    if b"&" in data and b"*" in data and any(isinstance(t, yaml.AliasToken) for t in _tokens(data, path)):
        raise ScoreError(f"{path} has YAML aliases, which no project needs and which can be an attack")
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        project = yaml.load(data, Loader=loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ScoreError(f"{path} is not whole YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(project, Mapping) or not ({"voice_parts", "tracks"} & set(project)):
        raise ScoreError(f"{path} is YAML but no OpenUtau project: it has neither voice_parts nor tracks")
    tempi = [(_whole(t, "position") / TICKS, _real(t, "bpm", 120.0)) for t in _maps(project.get("tempos"))]
    tempo = TempoMap(tempi or [(0.0, _real(project, "bpm", 120.0))])
    warnings: list[ScoreWarning] = []
    if verse not in (None, 1):
        warnings.append(ScoreWarning("", "", f"an OpenUtau project has one verse; --verse {verse} has no effect"))
    names = [str(t.get("track_name") or "") for t in _maps(project.get("tracks"))]
    by_track: dict[int, list[_Row]] = {}
    dynamics: dict[int, list[tuple[float, float]]] = {}
    deviations: dict[int, list[tuple[float, float]]] = {}
    for piece in _maps(project.get("voice_parts")):
        start = _whole(piece, "position")
        for note in _maps(piece.get("notes")):
            pitch = _real(note, "tone", float("nan")) + _real(note, "tuning", 0.0) / 100
            place = start + _whole(note, "position")
            row = _Row(place, place + _whole(note, "duration"), pitch, str(note.get("lyric") or ""), note)
            by_track.setdefault(_whole(piece, "track_no"), []).append(row)
        levels = [(at, tenths / 10) for at, tenths in _drawn(piece, "dyn", tempo)]
        dynamics.setdefault(_whole(piece, "track_no"), []).extend(levels)
        deviations.setdefault(_whole(piece, "track_no"), []).extend(_drawn(piece, "pitd", tempo))
    bars = _bars(project, max((row.end for rows in by_track.values() for row in rows), default=0), tempo)
    parts: list[Part] = []
    for number, rows in sorted(by_track.items()):
        name = names[number] if 0 <= number < len(names) and names[number] else f"Track {number + 1}"
        rows.sort(key=lambda row: row.start)
        syllables, doubts = read_continued([row.lyric for row in rows])
        notes = []
        for row, bend, said in zip(rows, _bends(rows, sorted(deviations[number]), tempo), syllables):
            onset = tempo.seconds(row.start / TICKS)
            level = percent_level(_expression(row.written, "vol", 100.0))
            notes.append(Note(onset, tempo.seconds(row.end / TICKS) - onset, row.pitch, said, level=level, bend=bend))
        part, found = make_part(name, notes, (1,), bars)
        parts.append(replace(part, notes=tuple(with_levels(part.notes, sorted(dynamics[number])))))
        warnings += [*(ScoreWarning(name, "", d) for d in doubts), *found]
    title = str(project.get("name") or Path(path).stem)
    return Score.of(title, parts, warnings)


@dataclass(frozen=True)
class _Row:
    """A note: ticks, MIDI pitch, lyric, and the note as written."""

    start: int
    end: int
    pitch: float
    lyric: str
    written: Mapping[str, Any]


def _drawn(piece: Mapping[str, Any], name: str, tempo: TempoMap) -> list[tuple[float, float]]:
    """Return (seconds, value) of a curve of a part, which is 0 outside; empty where it is 0 everywhere."""
    for curve in _maps(piece.get("curves")):
        xs, ys = curve.get("xs"), curve.get("ys")
        pairs = (
            [(_number(x), _number(y)) for x, y in zip(xs, ys)] if isinstance(xs, list) and isinstance(ys, list) else []
        )
        if curve.get("abbr") == name and any(y for _, y in pairs):
            start = _whole(piece, "position")
            inside = [(pairs[0][0] - 1, 0.0), *pairs, (pairs[-1][0] + 1, 0.0)]
            return [(tempo.seconds((start + x) / TICKS), y) for x, y in inside]
    return []


def _expression(note: Mapping[str, Any], name: str, default: float) -> float:
    """Return the value of an expression of a note's first phone."""
    found = [e for e in _maps(note.get("phoneme_expressions")) if e.get("abbr") == name and not _whole(e, "index")]
    return _real(found[0], "value", default) if found else default


def _bends(rows: Sequence[_Row], deviations: Sequence[tuple[float, float]], tempo: TempoMap) -> list[Curve]:
    """Return the curve of each note of a track; all are empty where nothing is drawn but slides between notes.

    Args:
        rows: notes in order.
        deviations: (seconds, cents) of the track's `pitd` curves, in order.
    """
    bends, drawn = [], bool(deviations)
    for n, row in enumerate(rows):
        before = rows[n - 1] if n and rows[n - 1].end == row.start else None
        onset = tempo.seconds(row.start / TICKS)
        length = max(tempo.seconds(row.end / TICKS) - onset, 0.0)
        pitch = row.written.get("pitch")
        pitch = pitch if isinstance(pitch, Mapping) else {}
        points = [
            PitchPoint(_real(p, "x", 0.0) / 1000, 10 * _real(p, "y", 0.0), str(p.get("shape", "io")))
            for p in _maps(pitch.get("data"))
        ] or [PitchPoint(0.0, 0.0)]
        if pitch.get("snap_first", True):
            points = snapped(points, 100 * (before.pitch - row.pitch) if before else None)
            drawn |= any(p.y for p in points[1:])
        else:
            drawn |= any(p.y for p in points)
        vibrato = _vibrato(row.written.get("vibrato"))
        drawn |= vibrato is not None
        bend = np.array(bend_of(points, vibrato, length))
        if deviations:
            times, cents = np.array(deviations).T
            bend[:, 1] += np.interp(onset + bend[:, 0], times, cents) * (bend[:, 0] >= 0)
        bends.append(curve_of(bend[:, 0], bend[:, 1]))
    return bends if drawn else [()] * len(rows)


def _vibrato(written: Any) -> DrawnVibrato | None:
    """Return the vibrato of a note, or None where it has none."""
    if not isinstance(written, Mapping) or _real(written, "length", 0.0) <= 0:
        return None
    shares = [_real(written, name, default) / 100 for name, default in _VIBRATO.items()]
    return DrawnVibrato(min(shares[0], 1.0), _real(written, "period", 175.0) / 1000, 100 * shares[1], *shares[2:])


_VIBRATO = {"length": 0.0, "depth": 25.0, "in": 10.0, "out": 10.0, "shift": 0.0, "drift": 0.0}


def _tokens(data: bytes, path: str | Path) -> Iterable[Any]:
    import yaml

    try:
        yield from yaml.scan(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ScoreError(f"{path} is not whole YAML: {' '.join(str(error).split())[:200]}") from None


def read_continued(lyrics: Sequence[str]) -> tuple[list[tuple[Syllable, ...]], list[str]]:
    """Return the syllables of lyrics in OpenUtau's and UTAU's writing, and doubts about them.

    A word stands whole on its first note, and the notes of its further syllables have `+`. Its first syllable then has
    the whole word as its text and is `begin`, and those of `+` have no text and are `middle` or `end`: the word's
    vowels are dealt to its notes when it is pronounced.

    Returns:
        the syllables of each note, empty where the vowel before goes on; and one sentence for each doubt.
    """
    typed = [_read_one(text) for text in lyrics]
    syllables: list[tuple[Syllable, ...]] = []
    doubts = []
    for n, (text, lyric) in enumerate(zip(lyrics, typed)):
        doubts += [lyric.doubt] if lyric.doubt else []
        if _is_next(text):
            follows = n + 1 < len(lyrics) and _next_after(lyrics[n + 1 :])
            syllables.append((Syllable("", "middle" if follows else "end"),))
        elif lyric.syllables and _next_after(lyrics[n + 1 :]):
            last = replace(lyric.syllables[-1], syllabic="begin")
            syllables.append((*lyric.syllables[:-1], last))
        else:
            syllables.append(lyric.syllables)
    return syllables, doubts


def _read_one(text: str) -> Typed:
    return Typed(()) if text.strip() in CONTINUED or _is_next(text) else read_lyric(text)


def _is_next(text: str) -> bool:
    stripped = text.strip()
    return (
        stripped.startswith(NEXT_SYLLABLE)
        and stripped not in CONTINUED
        and stripped[1:].strip().isdecimal() | (stripped == NEXT_SYLLABLE)
    )


def _next_after(following: Sequence[str]) -> bool:
    """Return whether `+` is the first of the following lyrics that is no continued vowel."""
    return next((_is_next(text) for text in following if text.strip() not in CONTINUED), False)


def _bars(project: Mapping[str, Any], last: int, tempo: TempoMap) -> list[tuple[float, str]]:
    meters = {
        _whole(m, "bar_position"): max(4 * _real(m, "beat_per_bar", 4) / max(_real(m, "beat_unit", 4), 1), 0.25)
        for m in _maps(project.get("time_signatures"))
    } or {0: max(4 * _real(project, "beat_per_bar", 4) / max(_real(project, "beat_unit", 4), 1), 0.25)}
    bars: list[tuple[float, str]] = []
    place, length = 0.0, 4.0
    while place * TICKS <= last and len(bars) < 20_000:
        length = meters.get(len(bars), length)
        bars.append((tempo.seconds(place), str(len(bars) + 1)))
        place += length
    return bars


def _maps(values: Any) -> list[Mapping[str, Any]]:
    return [v for v in values if isinstance(v, Mapping)] if isinstance(values, list) else []


def _real(values: Mapping[str, Any], key: str, default: float) -> float:
    return _number(values.get(key, default), default)


def _number(value: Any, default: float = 0.0) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return default
    return number if abs(number) < 1e12 else default


def _whole(values: Mapping[str, Any], key: str) -> int:
    return int(_real(values, key, 0.0))
