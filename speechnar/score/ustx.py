"""OpenUtau projects (`.ustx`, YAML) to notes.

    hello[hh ah l]   a word, and after it the phones of this note
    +                the word's next syllable; the vowel goes on where the word has no more
    +~  +*  -        the vowel before goes on

Source: OpenUtau (stakira/OpenUtau, MIT): `Format/USTx.cs`, `Ustx/UNote.cs`, `Ustx/UProject.cs`; 480 ticks a quarter
note.
Differs: pitch bends, vibrato and expressions are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from speechnar.extras import needing
from speechnar.score.notes import Note, Part, Score, ScoreError, ScoreWarning, Syllable, make_part
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
    by_track: dict[int, list[tuple[int, int, float, str]]] = {}
    for piece in _maps(project.get("voice_parts")):
        start = _whole(piece, "position")
        for note in _maps(piece.get("notes")):
            pitch = _real(note, "tone", float("nan")) + _real(note, "tuning", 0.0) / 100
            place = start + _whole(note, "position")
            row = (place, place + _whole(note, "duration"), pitch, str(note.get("lyric") or ""))
            by_track.setdefault(_whole(piece, "track_no"), []).append(row)
    bars = _bars(project, max((row[1] for rows in by_track.values() for row in rows), default=0), tempo)
    parts: list[Part] = []
    for number, rows in sorted(by_track.items()):
        name = names[number] if 0 <= number < len(names) and names[number] else f"Track {number + 1}"
        rows.sort(key=lambda row: row[0])
        syllables, doubts = read_continued([row[3] for row in rows])
        notes = []
        for (start, end, pitch, _), said in zip(rows, syllables):
            onset = tempo.seconds(start / TICKS)
            notes.append(Note(onset, tempo.seconds(end / TICKS) - onset, pitch, said))
        part, found = make_part(name, notes, (1,), bars)
        parts.append(part)
        warnings += [*(ScoreWarning(name, "", d) for d in doubts), *found]
    title = str(project.get("name") or Path(path).stem)
    return Score.of(title, parts, warnings)


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
    try:
        return float(values.get(key, default))
    except (TypeError, ValueError):
        return default


def _whole(values: Mapping[str, Any], key: str) -> int:
    number = _real(values, key, 0.0)
    return int(number) if abs(number) < 1e12 else 0
