"""Loudness of singing: marks and wedges of a score to levels in dB, and levels to mels.

    marks     p              <                  f         none
    level    -9 dB ________________________....0 dB______
                           wedge: linear in dB

A forte is the level of a part without marks, and a mark away from it is 3 dB. A louder voice is a brighter one: what
the level gains, bands above 2 kHz gain 1.4 times (in dB).

Source: Sundberg, The Science of the Singing Voice, 1987, chapter 4: partials near 3 kHz grow by 15 dB or so where the
level grows by 10; MIDI's recommended practice RP-003 for velocities, 40 log10.
Differs: 3 dB from mark to mark and 1.4 times, less than singers have, so that soft words are understood.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from speechnar.audio import AudioConfig
from speechnar.score.notes import Curve, Note

MARKS = {
    "pppp": -18.0, "ppp": -15.0, "pp": -12.0, "p": -9.0, "mp": -6.0, "mf": -3.0, "f": 0.0, "ff": 3.0, "fff": 4.5,
    "ffff": 6.0,
}  # fmt: skip
ACCENTS = {"sf": 3.0, "sfz": 3.0, "fz": 3.0, "sffz": 4.5, "rf": 3.0, "rfz": 3.0}
FALLING = {"fp": ("f", "p"), "sfp": ("f", "p"), "sfpp": ("f", "pp"), "pf": ("p", "f")}
LOUDER, SOFTER, WEDGE_END = "<", ">", "stop"
WEDGE = 3.0  # dB of a wedge after which no mark says how loud it became
SOON = 1.0  # seconds after a wedge in which a mark is its goal
STEP_SECONDS, ACCENT_SECONDS = 0.05, 0.4  # in which a mark comes to hold; in which an accent dies away
LOWEST, HIGHEST = -18.0, 6.0  # dB
FORTE_VELOCITY = 96  # of MIDI
BRIGHT = 1.4  # times the level, above `BRIGHT_FROM` Hz
PLAIN_BELOW, BRIGHT_FROM = 500.0, 2000.0  # Hz


def level_points(marks: Iterable[tuple[float, str]]) -> list[tuple[float, float]]:
    """Return the levels that marks ask for.

    Args:
        marks: (seconds, mark): a dynamic (`p`, `sfz`), `<` or `>` where a wedge begins, `stop` where it ends.

    Returns:
        (seconds, dB) in order, linear between; empty where nothing is marked.
    """
    ordered = sorted(marks, key=lambda mark: mark[0])
    points: list[tuple[float, float]] = []
    level, sign = 0.0, 0

    def move(time: float, to: float, seconds: float) -> None:
        if to != level:
            points.extend([(time - seconds, level), (time, to)])

    for n, (time, mark) in enumerate(ordered):
        if mark in MARKS:
            if sign:
                points.append((time, MARKS[mark]))
            else:
                move(time, MARKS[mark], STEP_SECONDS)
            level, sign = MARKS[mark], 0
        elif mark in FALLING:
            first, then = (MARKS[m] for m in FALLING[mark])
            move(time, first, STEP_SECONDS)
            points += [(time, first), (time + ACCENT_SECONDS, then)]
            level, sign = then, 0
        elif mark in ACCENTS:
            points += [(time - STEP_SECONDS, level), (time, level + ACCENTS[mark]), (time + ACCENT_SECONDS, level)]
        elif mark in (LOUDER, SOFTER):
            points.append((time, level))
            sign = 1 if mark == LOUDER else -1
        elif mark == WEDGE_END and sign:
            goals = [MARKS[m] for at, m in ordered[n:] if m in MARKS and at <= time + SOON]
            fitting = [goal for goal in goals[:1] if (goal - level) * sign > 0]
            level, sign = fitting[0] if fitting else level + WEDGE * sign, 0
            points.append((time, level))
    return [(time, min(max(value, LOWEST), HIGHEST)) for time, value in sorted(points, key=lambda point: point[0])]


def with_levels(notes: Sequence[Note], points: Sequence[tuple[float, float]]) -> list[Note]:
    """Return notes with the part of a curve of levels that lies on each.

    Args:
        points: (seconds from the start of the score, dB), as of `level_points`.
    """
    if not points:
        return list(notes)
    times, values = (np.array(column) for column in zip(*points))

    def level(note: Note) -> Curve:
        inside = times[(times > note.onset) & (times < note.end)]
        at = np.concatenate([[note.onset], inside, [note.end]])
        curve = [
            (round(float(t), 6), round(float(v), 3)) for t, v in zip(at - note.onset, np.interp(at, times, values))
        ]
        return tuple(curve) if len({v for _, v in curve}) > 1 else tuple(curve[:1]) if curve[0][1] else ()

    return [replace(note, level=level(note)) for note in notes]


def percent_level(percent: float) -> Curve:
    """Return the level of a note whose amplitude is a percentage of the usual one."""
    level = 20 * math.log10(percent / 100) if percent > 0 else LOWEST
    return ((0.0, round(min(max(level, LOWEST), HIGHEST), 2)),) if level else ()


def velocity_levels(velocities: Sequence[int]) -> list[float]:
    """Return the level in dB of each of a part's MIDI velocities, 1 to 127; all 0 where they are one and the same."""
    if len(set(velocities)) < 2:
        return [0.0] * len(velocities)
    return [min(max(round(40 * math.log10(max(v, 1) / FORTE_VELOCITY), 2), LOWEST), HIGHEST) for v in velocities]


def level_curve(notes: Sequence[Note], n_frames: int, hop: float, start: float = 0.0) -> np.ndarray:
    """Return the level of each frame, (n_frames,) dB; between notes it goes from that of one to that of the next.

    Args:
        notes: of a part.
        n_frames: number of frames.
        hop: seconds from frame to frame.
        start: seconds from the start of the score to that of the first frame.
    """
    times, values = [], []
    for note in notes:
        if note.pitch is None:
            continue
        for at, level in note.level or ((0.0, 0.0),):
            times.append(note.onset + min(max(at, 0.0), note.length))
            values.append(level)
        times.append(max(note.end - STEP_SECONDS, times[-1]))
        values.append(values[-1])
    if not any(values):
        return np.zeros(n_frames)
    return np.interp(start + hop * (np.arange(n_frames) + 0.5), times, values)


def brightness(config: AudioConfig) -> np.ndarray:
    """Return how much of a level each band of a mel gains, (n_mels,): 1 below 500 Hz, `BRIGHT` above 2 kHz."""
    edges = _slaney_mel(np.array([config.f_min, config.f_max]))
    centers = _slaney_hz(np.linspace(edges[0], edges[1], config.n_mels + 2)[1:-1])
    octaves = np.log2(np.maximum(centers, 1.0) / PLAIN_BELOW) / math.log2(BRIGHT_FROM / PLAIN_BELOW)
    return 1 + (BRIGHT - 1) * np.clip(octaves, 0, 1)


def louder(mel: np.ndarray, levels: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Return a mel at other levels.

    Args:
        mel: (T, n_mels) natural log magnitude.
        levels: (T,) dB.
        config: of the mel.
    """
    gains = np.outer(levels, brightness(config)) * (math.log(10) / 20)
    return (mel + gains).astype(mel.dtype)


def _slaney_mel(frequencies: np.ndarray) -> np.ndarray:
    """Return mels of Hz on Slaney's scale: linear below 1 kHz, logarithmic above."""
    above = 15 + 27 * np.log(np.maximum(frequencies, 1000.0) / 1000.0) / math.log(6.4)
    return np.where(frequencies < 1000.0, frequencies * 3 / 200, above)


def _slaney_hz(mels: np.ndarray) -> np.ndarray:
    """Return the Hz of mels on Slaney's scale."""
    return np.where(mels < 15, mels * 200 / 3, 1000.0 * np.exp(np.maximum(mels - 15, 0) * math.log(6.4) / 27))
