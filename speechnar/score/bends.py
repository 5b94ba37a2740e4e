"""F0 that a project draws: pitch points and vibrato of UTAU and OpenUtau, as cents from the pitch of a note.

    pitch points   o                            x in ms from the onset, y in 10 cents; the curve between two
                    `.___________o----o         has the shape of the first
    vibrato                        ~~~~~~~~     the last `length` percent of the note

Source: OpenUtau (stakira/OpenUtau, MIT): `Render/RenderPhrase.cs`, `Ustx/UNote.cs`, `Util/MusicMath.cs`,
`Classic/UstNote.cs`.
Differs: OpenUtau's spline between points is the sine that it takes where a spline has too few points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speechnar.score.notes import Curve

STEP = 0.01  # seconds between the points of a curve
MOST_BEND = 4800.0  # cents; what is beyond is a mistake in the file
LONGEST_BEFORE = 2.0  # seconds before the onset


@dataclass(frozen=True)
class PitchPoint:
    """A point of a drawn curve.

    Attributes:
        x: seconds from the onset.
        y: cents from the pitch of the note.
        shape: of the curve to the next point: `l` is a line, `i` and `o` are a quarter of a sine that begins or ends
            flat, all others half a sine.
    """

    x: float
    y: float
    shape: str = "io"


@dataclass(frozen=True)
class DrawnVibrato:
    """Vibrato of a note.

    Attributes:
        length: share of the note, its last part.
        period: seconds.
        depth: cents.
        fade_in, fade_out: shares of `length`.
        shift: of the phase, in periods.
        drift: of its middle, as a share of the depth.
    """

    length: float
    period: float
    depth: float
    fade_in: float = 0.1
    fade_out: float = 0.1
    shift: float = 0.0
    drift: float = 0.0

    def at(self, times: np.ndarray, note_length: float) -> np.ndarray:
        """Return cents at times in seconds from the onset of a note of `note_length` seconds."""
        start = (1 - self.length) * note_length
        lasts = max(self.length * note_length, 1e-6)
        wave = self.depth * (np.sin(2 * np.pi * ((times - start) / self.period + self.shift)) + self.drift)
        into = (times - start) / max(self.fade_in * lasts, 1e-6)
        left = (note_length - times) / max(self.fade_out * lasts, 1e-6)
        return wave * np.clip(np.minimum(into, left), 0, 1)


def bend_of(points: Sequence[PitchPoint], vibrato: DrawnVibrato | None, length: float) -> Curve:
    """Return the curve of a note of `length` seconds: before its first point there is none, the last one holds."""
    drawn = sorted(points, key=lambda p: p.x) or [PitchPoint(0.0, 0.0)]
    if drawn[0].x > 0:
        drawn.insert(0, PitchPoint(0.0, drawn[0].y))
    first = max(drawn[0].x, -LONGEST_BEFORE)
    times = np.append(np.arange(first, length, STEP), length)
    cents = np.full(len(times), drawn[-1].y)
    for a, b in zip(drawn, drawn[1:]):
        inside = (times >= a.x) & (times < b.x)
        share = (times[inside] - a.x) / max(b.x - a.x, 1e-6)
        cents[inside] = a.y + (b.y - a.y) * _eased(share, a.shape)
    if vibrato and vibrato.length > 0 and vibrato.period > 0:
        cents += np.where(times >= 0, vibrato.at(times, length), 0.0)
    return curve_of(times, cents)


def curve_of(times: np.ndarray, cents: np.ndarray) -> Curve:
    """Return a curve of finite values that a voice can sing."""
    cents = np.clip(np.nan_to_num(cents), -MOST_BEND, MOST_BEND)
    return tuple((round(float(t), 4), round(float(c), 1)) for t, c in zip(times, cents))


def snapped(points: Sequence[PitchPoint], before: float | None) -> list[PitchPoint]:
    """Return points whose first begins at the pitch of the note before; a lone point, from which nothing leads back to
    the note's own pitch, stays.

    Args:
        before: cents from this note to that one; None where a rest is before.
    """
    first, *others = points
    if not others:
        return [first]
    return [PitchPoint(first.x, before or 0.0, first.shape), *others]


def _eased(share: np.ndarray, shape: str) -> np.ndarray:
    if shape == "l":
        return share
    if shape == "i":
        return 1 - np.cos(share * (math.pi / 2))
    if shape == "o":
        return np.sin(share * (math.pi / 2))
    return (1 - np.cos(share * math.pi)) / 2
