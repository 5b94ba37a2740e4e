"""Compare singing with its score: F0, onsets of vowels, lengths of notes, voicing and vibrato.

F0 is that of a tracker (SwiftF0), which knows nothing of what was asked for. The onsets of vowels are found by forced
alignment of all songs together (`onsets.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speechnar import audio
from speechnar.audio import AudioConfig
from speechnar.evaluate.quality.onsets import HOP, RATE, features_of
from speechnar.runtime.singing import Melody
from speechnar.score.notes import Note, Part
from speechnar.score.pitch import hz

LONG_NOTE = 0.2  # seconds; the middle half of longer notes is compared with the note
CLOSE = 50.0  # cents
TRACKING = AudioConfig(RATE, 400, HOP, 400)
LOWEST_F0, HIGHEST_F0 = 60.0, 1200.0  # Hz
BEYOND = 7.0  # semitones below the lowest and above the highest note in which F0 is looked for
VIBRATO_NOTE = 1.0  # seconds; shorter notes have too few periods
VIBRATO_BAND = (3.0, 9.0)  # Hz


@dataclass(frozen=True, eq=False)
class Tracked:
    """F0 and features that were found in audio, every 5 ms.

    Attributes:
        f0: (T,) Hz, 0 where unvoiced.
        features: (T, n) of `onsets.features_of`.
        start: seconds from the start of the score to that of the audio.
    """

    f0: np.ndarray
    features: np.ndarray
    start: float

    @property
    def times(self) -> np.ndarray:
        """Return the middle of each frame, seconds from the start of the score."""
        return self.start + (np.arange(len(self.f0)) + 0.5) * HOP / RATE


@dataclass(frozen=True)
class Vibrato:
    """Vibrato of a note: Hz, and cents from the middle to the top."""

    rate: float
    depth: float


def f0_range(part: Part, transpose: float) -> tuple[float, float]:
    """Return the range in Hz in which F0 of a part is looked for, which keeps the tracker from overtones."""
    pitches = [(n.pitch or 0.0) + transpose for n in part.sung]
    low, high = float(hz(min(pitches) - BEYOND)), float(hz(max(pitches) + BEYOND))
    return max(low, LOWEST_F0), min(max(high, 2 * LOWEST_F0), HIGHEST_F0)


def heard(
    wav: np.ndarray, sample_rate: int, start: float, f0: tuple[float, float] = (LOWEST_F0, HIGHEST_F0)
) -> Tracked:
    """Track (T_wav,) float32 audio that begins `start` seconds after the score does, F0 in a range in Hz."""
    wav = audio.resample(wav, sample_rate, RATE)
    return Tracked(audio.track_f0(wav, TRACKING, *f0), features_of(wav, RATE), start)


def vibrato_of(f0: np.ndarray, hop: float) -> Vibrato | None:
    """Return the vibrato of a held note, or None where it cannot be told.

    Args:
        f0: (T,) Hz of the held part, 0 where unvoiced.
        hop: seconds from frame to frame.
    """
    voiced = np.flatnonzero(f0 > 0)
    if len(voiced) < max(0.9 * len(f0), 0.4 / hop):
        return None
    cents = 1200 * np.log2(np.interp(np.arange(len(f0)), voiced, f0[voiced]))
    t = hop * (np.arange(len(cents)) - (len(cents) - 1) / 2)
    cents = cents - np.polynomial.Polynomial.fit(t, cents, 2)(t)  # drift of the note
    rates = np.arange(*VIBRATO_BAND, 0.05)
    waves = np.exp(-2j * np.pi * rates[:, None] * t) * np.hanning(len(t))
    sizes = 2 * np.abs(waves @ cents) / np.hanning(len(t)).sum()
    best = int(sizes.argmax())
    return Vibrato(float(rates[best]), float(sizes[best]))


def held(note: Note) -> tuple[float, float]:
    """Return from when to when a note is held, in seconds: without its first 40 % and its last 0.1 s."""
    return note.onset + 0.4 * note.length, note.end - 0.1


def measure(melody: Melody, transpose: float, found: Tracked, asked: np.ndarray | None, hop: float) -> dict[str, float]:
    """Return the metrics of a song by name; nan where there is nothing to measure.

    Args:
        melody: that was sung.
        transpose: semitones.
        found: of `heard`.
        asked: (T,) Hz, the F0 that was asked for from the start of the audio on, 0 where unvoiced; None where only the
            notes are known, as of another program.
        hop: seconds from frame to frame of `asked`.
    """
    notes = melody.part.sung
    times, f0 = found.times, found.f0
    cents = []
    for note in (n for n in notes if n.length > LONG_NOTE):
        inside = (f0 > 0) & (np.abs(times - note.onset - note.length / 2) < note.length / 4)
        cents.append(_cents(f0[inside], hz((note.pitch or 0.0) + transpose)))
    off = np.concatenate([*cents, np.zeros(0)])
    metrics = {
        "F0 error against notes, median, cents": _median(np.abs(off)),
        "F0 error against notes, RMSE, cents": _rms(off),
        f"frames within {CLOSE:.0f} cents of notes, %": _percent(np.abs(off) < CLOSE),
    }
    if asked is not None:
        curve = np.interp(times - found.start, hop * (np.arange(len(asked)) + 0.5), asked)
        whole = np.interp(times - found.start, hop * (np.arange(len(asked)) + 0.5), (asked > 0).astype(float))
        own = _cents(f0, np.maximum(curve, 1.0))[(f0 > 0) & (whole == 1)]
        metrics |= {
            "F0 error against the curve, median, cents": _median(np.abs(own)),
            "F0 error against the curve, RMSE, cents": _rms(own),
            f"frames within {CLOSE:.0f} cents of the curve, %": _percent(np.abs(own) < CLOSE),
            "voicing errors, %": _percent((f0 > 0)[whole % 1 == 0] != (whole == 1)[whole % 1 == 0]),
        }
    return metrics | _vibrato_metrics(notes, found, asked, hop)


def onset_metrics(onsets: Sequence[tuple[Note, float]]) -> dict[str, float]:
    """Return the metrics of a song's vowel onsets (`onsets.vowel_onsets`) by name; nan where there is none."""
    late = 1000 * np.array([at - note.onset for note, at in onsets])
    return {
        "vowel onset, mean, ms": _mean(late),
        "vowel onset, SD, ms": float(late.std(ddof=1)) if late.size > 1 else np.nan,
        "vowel onset, 95th percentile of the absolute error, ms": _percentile(np.abs(late), 95),
        "note length, mean absolute error, ms": _mean(1000 * np.abs(length_errors(onsets))),
    }


def length_errors(onsets: Sequence[tuple[Note, float]]) -> np.ndarray:
    """Return the errors in seconds of the lengths of notes between two onsets, where one note follows the other."""
    return np.array(
        [
            (b - a) - first.length
            for (first, a), (then, b) in zip(onsets, onsets[1:])
            if abs(then.onset - first.end) < 0.01
        ]
    )


def beginning(part: Part, seconds: float) -> Part:
    """Return the notes of a part that end within some seconds of the first note's onset, which becomes 0."""
    start = part.sung[0].onset
    moved = (dataclasses.replace(n, onset=n.onset - start) for n in part.notes if n.onset >= start)
    return dataclasses.replace(part, notes=tuple(n for n in moved if n.end <= seconds))


def _vibrato_metrics(notes: Sequence[Note], found: Tracked, asked: np.ndarray | None, hop: float) -> dict[str, float]:
    measured, wanted = [], []
    for note in (n for n in notes if n.length >= VIBRATO_NOTE):
        begin, end = held(note)
        its = vibrato_of(found.f0[(found.times >= begin) & (found.times < end)], HOP / RATE)
        if asked is not None:
            first, last = (max(round((t - found.start) / hop), 0) for t in (begin, end))
            wish = vibrato_of(asked[first:last], hop)
            if its and wish:
                measured.append(its)
                wanted.append(wish)
        elif its:
            measured.append(its)
    metrics = {
        "vibrato rate, Hz": _mean(np.array([v.rate for v in measured])),
        "vibrato depth, cents": _mean(np.array([v.depth for v in measured])),
    }
    if asked is not None:
        rates = np.array([abs(v.rate - w.rate) for v, w in zip(measured, wanted)])
        depths = np.array([abs(v.depth - w.depth) for v, w in zip(measured, wanted)])
        metrics |= {"vibrato rate, error, Hz": _mean(rates), "vibrato depth, error, cents": _mean(depths)}
    return metrics


def _cents(f0: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return 1200 * np.log2(np.maximum(f0, 1.0) / reference)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if values.size else np.nan


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else np.nan


def _percent(values: np.ndarray) -> float:
    return 100 * _mean(values.astype(float))


def _percentile(values: np.ndarray, share: float) -> float:
    return float(np.percentile(values, share)) if values.size else np.nan
