"""DiffSinger scripts (`.ds`, JSON) to notes.

    [{"offset": 0.5, "text": "SP hel lo SP", "ph_seq": "SP hh ah l ow SP", "ph_num": "2 2 1 1",
      "note_seq": "rest C4 D4 rest", "note_dur": "0.3 0.5 0.5 0.2", "note_slur": "0 0 0 0"}]

Source: DiffSinger (openvpi/DiffSinger, Apache-2.0) and OpenUtau's export (`DiffSinger/DiffSingerScript.cs`, MIT).
Differs: of the curves F0 is read, phone durations are not. Phones count as pronunciation where all of a segment are
ARPAbet or IPA; in DiffSinger a word's `ph_num` begins at its vowel and ends with the consonants of the next word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from speechnar.score.arpabet import to_phones
from speechnar.score.bends import STEP, curve_of
from speechnar.score.notes import Curve, Note, Score, ScoreError, ScoreWarning, Syllable, make_part
from speechnar.score.safe_xml import read_bytes
from speechnar.text.symbols import CONSONANTS

SILENT = {"SP", "AP", "rest", "R", "pau", "sil", "br"}
LEAD = 0.2  # seconds before a note after a rest in which its F0 is that of the curve
_NAMES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def read_ds(path: str | Path, verse: int | None = None) -> Score:
    """Read a DiffSinger script; its segments are one part.

    Args:
        path: the file.
        verse: has no meaning here, as a script has one text; any but 1 is a warning.

    Raises:
        ScoreError: the file is no DiffSinger script, or its lists do not agree.
        OSError: it cannot be read.
    """
    try:
        segments = json.loads(read_bytes(path).decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ScoreError(f"{path} is not whole JSON: {error}") from None
    segments = segments if isinstance(segments, list) else [segments]
    if not segments or not all(isinstance(s, Mapping) and "note_seq" in s for s in segments):
        raise ScoreError(f"{path} is JSON but no DiffSinger script with notes: it lacks note_seq")
    notes: list[Note] = []
    warnings: list[ScoreWarning] = []
    if verse not in (None, 1):
        warnings.append(ScoreWarning("", "", f"a DiffSinger script has one verse; --verse {verse} has no effect"))
    for number, segment in enumerate(segments, 1):
        notes += _segment(segment, f"{path}, segment {number}", str(number), warnings)
    name = Path(path).stem
    part, found = make_part(name, notes, (1,))
    return Score.of(name, [part], warnings + found)


def _segment(segment: Mapping[str, Any], where: str, bar: str, warnings: list[ScoreWarning]) -> list[Note]:
    """Return the notes of a segment; its number stands for the bar."""
    pitches = _items(segment.get("note_seq"))
    lengths = [_real(x) for x in _items(segment.get("note_dur"))]
    if len(pitches) != len(lengths):
        raise ScoreError(f"{where} has {len(pitches)} notes in note_seq but {len(lengths)} lengths in note_dur")
    slurs = [x == "1" for x in _items(segment.get("note_slur"))] or [False] * len(pitches)
    slurs += [False] * (len(pitches) - len(slurs))
    onset = _real(segment.get("offset", 0.0))
    words = _words(segment)
    sung = [not slur and name not in SILENT for name, slur in zip(pitches, slurs)]
    spoken = [word for word in words if word.text not in SILENT]
    if len(spoken) != sum(sung):
        sentence = f"segment {bar} has {len(spoken)} words for {sum(sung)} notes that begin one"
        warnings.append(ScoreWarning("", "", f"{sentence}; they are sung in order"))
    curve, start = _f0(segment), onset
    notes: list[Note] = []
    more = 0  # syllables of the word that go on slurred notes
    for name, length, slur in zip(pitches, lengths, slurs):
        first = not notes or notes[-1].rest
        pitch = None if name in SILENT else parse_pitch(name)
        if pitch is None and name not in SILENT:
            raise ScoreError(f"{where}: {name!r} is no pitch; write C4, F#3, Bb4+20 or rest")
        if slur and more:
            more -= 1
            said: tuple[Syllable, ...] = (Syllable("", "middle" if more else "end"),)
        elif slur or pitch is None or not spoken:
            said = ()
        else:
            word = spoken.pop(0)
            more = max(sum(p not in CONSONANTS for p in word.phones) - 1, 0)
            said = (replace(word, syllabic="begin") if more else word,)
        bend = _bend(curve, first, onset - start, length, pitch) if pitch is not None else ()
        notes.append(Note(onset, length, pitch, said, slur=slur, bar=bar, bend=bend))
        onset += length
    return notes


def _f0(segment: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return times, (T,) seconds from the start of a segment, and F0, (T,) MIDI; empty where none is drawn."""
    f0 = np.array([_real(x) for x in _items(segment.get("f0_seq"))])
    times = _real(segment.get("f0_timestep")) * np.arange(len(f0))
    return times[f0 > 0], 69 + 12 * np.log2(f0[f0 > 0] / 440)


def _bend(curve: tuple[np.ndarray, np.ndarray], first: bool, onset: float, length: float, pitch: float) -> Curve:
    """Return the drawn F0 of a note that begins `onset` seconds after its segment, from before it where it is the first
    after a rest."""
    times, midi = curve
    if not len(times) or times[-1] <= 0:
        return ()
    at = np.append(np.arange(-LEAD if first else 0.0, length, STEP), length)
    return curve_of(at, 100 * (np.interp(onset + at, times, midi) - pitch))


def _words(segment: Mapping[str, Any]) -> list[Syllable]:
    """Return the words of a segment in order, silences among them, with their phones where those are known ones."""
    texts = _items(segment.get("text"))
    phones = _items(segment.get("ph_seq"))
    counts = [max(int(_real(x)), 0) for x in _items(segment.get("ph_num"))]
    if not phones or sum(counts) != len(phones):
        return [Syllable(text) for text in texts]
    groups: list[list[str]] = []
    place = 0
    for count in counts:  # each group begins with its vowel or a silence
        groups.append(phones[place : place + count])
        place += count
    known = [to_phones(g if g[:1] and g[0] not in SILENT else g[1:]) for g in groups]
    if any(k is None for k, g in zip(known, groups) if set(g) - SILENT):
        return [Syllable(text) for text in texts]
    words: list[Syllable] = []
    before: tuple[str, ...] = ()
    for n, (group, sounds) in enumerate(zip(groups, known)):
        known_sounds = sounds or ()
        silent = group[:1] and group[0] in SILENT
        last = max((k for k, p in enumerate(known_sounds) if p not in CONSONANTS), default=-1) + 1
        follows = n + 1 < len(groups) and groups[n + 1][:1] and groups[n + 1][0] not in SILENT
        own, following = (known_sounds[:last], known_sounds[last:]) if silent or follows else (known_sounds, ())
        text = texts[n] if len(texts) == len(groups) else ("SP" if silent else "")
        words.append(Syllable(text if not silent else "SP", "single", before + own if not silent else ()))
        before = following
    return words


def parse_pitch(name: str) -> float | None:
    """Return the MIDI pitch of a name such as `C4`, `F#3`, `Bb4+20` (cents) or of a number; None if it is neither."""
    match = re.fullmatch(r"([A-Ga-g])([#♯b♭]*)(-?\d)([+-]\d{1,3})?", name)
    if match:
        sharps = sum(1 if c in "#♯" else -1 for c in match[2])
        return 12.0 * (int(match[3]) + 1) + _NAMES[match[1].upper()] + sharps + int(match[4] or 0) / 100
    try:
        return float(name)
    except ValueError:
        return None


def _items(value: Any) -> list[str]:
    return value.split() if isinstance(value, str) else [str(v) for v in value] if isinstance(value, list) else []


def _real(value: Any) -> float:
    """Return a number of a file; 0 where it is none or absurd."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if abs(number) < 1e6 else 0.0
