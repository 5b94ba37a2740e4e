"""MIDI files with lyrics, and karaoke files (`.kar`), to notes.

    track "Melody"   note_on 60 at 0    note_on 62 at 480   note_on 64 at 960
    lyrics           "Hal-" at 0        "le-" at 480        "lu" at 960

Source: Standard MIDI Files 1.0 (MIDI Association, RP-001), lyric meta events (RP-017, RP-026); Tune 1000's KAR format.
Differs: lyrics belong to the notes of the track they are in; where they have a track of their own, to the track most of
whose notes begin with them. A syllable goes to the note nearest to it within an eighth of a quarter note.
"""

from __future__ import annotations

import bisect
import io
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speechnar.extras import needing
from speechnar.score.dynamics import velocity_levels
from speechnar.score.notes import Note, Part, Score, ScoreError, ScoreWarning, make_part
from speechnar.score.safe_xml import read_bytes
from speechnar.score.syllables import CONTINUED, Typed, join_typed, read_lyric
from speechnar.score.tempo import DEFAULT_TEMPO, TempoMap

DRUMS = 9  # channel 10 in MIDI's own count
MOST_EVENTS = 1_000_000


@dataclass
class _Track:
    name: str
    notes: list[tuple[int, int, int, int]] = field(default_factory=list)  # start, end in ticks; MIDI pitch, velocity
    lyrics: dict[int, str] = field(default_factory=dict)  # by tick
    texts: dict[int, str] = field(default_factory=dict)
    drums: int = 0


def read_midi(path: str | Path, verse: int | None = None) -> Score:
    """Read a MIDI or `.kar` file; a track, or a channel of a file with one track, is a part.

    Args:
        path: the file.
        verse: has no meaning here, as MIDI has one text; any but 1 is a warning.

    Raises:
        ScoreError: the file is no MIDI, is broken, or is larger than any song; or `mido` is not installed.
        OSError: it cannot be read.
    """
    with needing("reading MIDI", "singing"):
        import mido

    data = read_bytes(path)
    if data[:4] == b"RIFF" and b"MThd" in data[:64]:
        data = data[data.index(b"MThd") :]
    if data[:4] != b"MThd":
        raise ScoreError(f"{path} is no MIDI file: it does not begin with MThd")
    try:
        midi = mido.MidiFile(file=io.BytesIO(data), clip=True)
    except Exception as error:  # mido raises what its parser meets: OSError, EOFError, ValueError, KeyError, IndexError
        raise ScoreError(f"{path} is a broken MIDI file: {str(error) or type(error).__name__}") from None
    if midi.ticks_per_beat <= 0:
        raise ScoreError(f"{path} has no ticks per beat; files in SMPTE time are not read")
    if sum(len(track) for track in midi.tracks) > MOST_EVENTS:
        raise ScoreError(f"{path} has more than {MOST_EVENTS} events, which no song needs")
    changes: list[tuple[float, float]] = []
    meters: dict[int, float] = {0: 4.0}
    tracks: list[_Track] = []
    for n, track in enumerate(midi.tracks, 1):
        tracks += _read_track(track, f"Track {n}", midi.type == 0, midi.ticks_per_beat, changes, meters)
    warnings = [] if changes else [ScoreWarning("", "", f"there is no tempo; it is sung at {DEFAULT_TEMPO:g} quarters")]
    if verse not in (None, 1):
        warnings.append(ScoreWarning("", "", f"a MIDI file has one verse; --verse {verse} has no effect"))
    tempo = TempoMap(changes)
    voiced = [t for t in tracks if t.notes]
    _assign_lyrics(voiced, tracks, midi.ticks_per_beat)
    last = max((note[1] for t in voiced for note in t.notes), default=0)
    bars = _bars(meters, last / midi.ticks_per_beat, midi.ticks_per_beat, tempo)
    parts: list[Part] = []
    for track in voiced:
        part, found = _finish(track, midi.ticks_per_beat, tempo, bars)
        parts.append(part)
        warnings += found
    drums = sum(t.drums for t in tracks)
    if drums:
        warnings.append(ScoreWarning("", "", f"{drums} notes are percussion (channel 10) and are not sung"))
    return Score.of(Path(path).stem, parts, warnings)


def _read_track(
    messages: Sequence[Any],
    name: str,
    by_channel: bool,
    ticks_per_beat: int,
    changes: list[tuple[float, float]],
    meters: dict[int, float],
) -> list[_Track]:
    """Return the parts of one track, and add its tempo and meter changes to those of the file."""
    found: dict[int, _Track] = defaultdict(lambda: _Track(name))
    words = _Track(name)
    sounding: dict[tuple[int, int], tuple[int, int]] = {}  # start and velocity
    tick = 0
    for message in messages:
        tick += message.time
        if message.type == "set_tempo" and message.tempo > 0:
            changes.append((tick / ticks_per_beat, 6e7 / message.tempo))
        elif message.type == "time_signature" and message.denominator:
            meters[tick] = 4 * message.numerator / message.denominator
        elif message.type == "track_name" and message.name.strip():
            name = words.name = _text(message.name).strip()
        elif message.type == "lyrics":
            words.lyrics[tick] = words.lyrics.get(tick, "") + _text(message.text)
        elif message.type == "text":
            words.texts[tick] = words.texts.get(tick, "") + _text(message.text)
        elif message.type in ("note_on", "note_off"):
            key = (message.channel, message.note)
            start = sounding.pop(key, None)
            if start is not None:
                track = found[message.channel if by_channel else 0]
                track.name = f"{name} {message.channel + 1}" if by_channel else name
                if message.channel == DRUMS:
                    track.drums += 1
                else:
                    track.notes.append((start[0], tick, message.note, start[1]))
            if message.type == "note_on" and message.velocity > 0:
                sounding[key] = tick, message.velocity
    for track in found.values():
        track.name = track.name if by_channel else name
        if not by_channel:
            track.lyrics, track.texts = words.lyrics, words.texts
    return list(found.values()) if found and not by_channel else [*found.values(), words]


def _text(raw: str) -> str:
    """Return text that mido read as Latin-1, as UTF-8 or Shift-JIS where it is that."""
    data = raw.encode("latin-1", "ignore")
    for encoding in ("utf-8", "shift_jis"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw


def _assign_lyrics(voiced: Sequence[_Track], tracks: Sequence[_Track], ticks_per_beat: int) -> None:
    """Give lyrics that stand apart (KAR's `Words` track) to the track most of whose notes begin with them."""
    if any(t.lyrics for t in voiced):
        return
    apart = [t.lyrics or t.texts for t in tracks if len(t.lyrics or t.texts) > 0]
    words = max(apart, key=lambda w: sum(not text.startswith("@") for text in w.values()), default={})
    words = {tick: text for tick, text in words.items() if not text.startswith("@")}
    near = ticks_per_beat // 8
    best, most = None, 0.0
    for track in voiced:
        starts = sorted({note[0] for note in track.notes})
        hits = sum(_nearest(starts, tick, near) is not None for tick in words)
        score = hits - 0.25 * abs(len(starts) - len(words))  # a bass line that moves with the words has fewer notes
        if hits and (best is None or score > most):
            best, most = track, score
    if best is not None:
        best.lyrics = words


def _nearest(starts: Sequence[int], tick: int, near: int) -> int | None:
    place = bisect.bisect_left(starts, tick)
    close = [s for s in starts[max(place - 1, 0) : place + 1] if abs(s - tick) <= near]
    return min(close, key=lambda s: abs(s - tick), default=None)


def _finish(
    track: _Track, ticks_per_beat: int, tempo: TempoMap, bars: Sequence[tuple[float, str]]
) -> tuple[Part, list[ScoreWarning]]:
    tops: dict[int, tuple[int, int, int]] = {}
    for start, *rest in track.notes:
        if rest[1] > tops.get(start, (0, -1))[1]:
            tops[start] = rest[0], rest[1], rest[2]
    starts = sorted(tops)
    said: dict[int, str] = {}
    lost = Counter[str]()
    for tick, text in sorted(track.lyrics.items()):
        place = _nearest(starts, tick, ticks_per_beat // 8)
        if place is None:
            lost[text.strip()] += bool(re.search(r"\w", text))
        else:
            said[place] = said.get(place, "") + text
    typed = typed_with_spaces([said.get(start, "") for start in starts])
    notes = []
    levels = velocity_levels([tops[start][2] for start in starts])
    for start, lyric, syllables, level in zip(starts, typed, join_typed(typed), levels):
        onset = tempo.seconds(start / ticks_per_beat)
        length = tempo.seconds(tops[start][0] / ticks_per_beat) - onset
        own = ((0.0, level),) if level else ()
        notes.append(Note(onset, length, float(tops[start][1]), syllables, slur=not lyric.syllables, level=own))
    part, warnings = make_part(track.name, notes, (1,) if track.lyrics else (), bars)
    if +lost:
        words = ", ".join(repr(w) for w in list(+lost)[:3])
        warnings.append(ScoreWarning(track.name, "", f"{(+lost).total()} lyrics ({words} ...) stand at no note"))
    return part, warnings


def typed_with_spaces(texts: Sequence[str]) -> list[Typed]:
    r"""Return lyrics whose words are marked by spaces (`Hal` `le` `lu ` or `\Hal` `le` ` praise`) or by hyphens.

    Spaces mark words if any lyric begins or ends with one: then what has none between is one word. Otherwise a hyphen
    at the end joins, and what has none is a word of its own.
    """
    marked = [text.replace("\r", " ").replace("\n", " ") for text in texts]
    marked = [" " + text[1:] if text[:1] in ("\\", "/") else text for text in marked]
    sung = [text for text in marked if text.strip()]
    spaced = sum(text != text.strip() for text in sung) > 0.2 * len(sung) and not any(
        text.rstrip().endswith("-") for text in sung
    )
    typed: list[Typed] = []
    ended = True
    for text in marked:
        bare = text.strip()
        if not bare or bare in CONTINUED:
            typed.append(Typed(()))
            ended = ended or (bool(text) and text != text.rstrip())
            continue
        begins = not spaced or ended or text != text.lstrip()
        typed.append(read_lyric(bare, ["single" if begins else "end"]))
        if not begins:
            typed[-1] = Typed(typed[-1].syllables, 1.0, typed[-1].joins_after, typed[-1].doubt)
        ended = text != text.rstrip()
    return typed


def _bars(meters: dict[int, float], quarters: float, ticks_per_beat: int, tempo: TempoMap) -> list[tuple[float, str]]:
    """Return onset in seconds and number of every bar; a bar is at least a sixteenth note long."""
    changes = sorted((tick / ticks_per_beat, max(length, 0.25)) for tick, length in meters.items())
    bars: list[tuple[float, str]] = []
    place = 0.0
    length = 4.0
    while place <= quarters and len(bars) < 20_000:
        length = next((m for at, m in reversed(changes) if at <= place + 1e-6), length)
        bars.append((tempo.seconds(place), str(len(bars) + 1)))
        following = next((at for at, _ in changes if place + 1e-6 < at < place + length), None)
        place = following if following is not None else place + length
    return bars
