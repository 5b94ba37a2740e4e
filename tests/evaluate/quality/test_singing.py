"""Singing against its score, on audio whose F0, onsets and vibrato are known because it was made from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from speechnar.evaluate.quality import singing
from speechnar.evaluate.quality.onsets import vowel_onsets
from speechnar.runtime.singing import Melody
from speechnar.score.notes import Note, Part, Syllable, make_part
from speechnar.score.pitch import hz

RATE = 16000
MAMA = {"ta": ("t", "ˈɑ")}


def tune(*rows: tuple[float, float, float]) -> Part:
    return make_part("Alto", [Note(o, d, p, (Syllable("ta"),)) for o, d, p in rows])[0]


def harmonic(f0: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    """Harmonics below 4 kHz of a curve of F0, a value a sample."""
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    wav = sum(np.sin(k * phase) / k * (k * f0 < 4000) for k in range(1, 20))
    return (0.2 * amplitude * wav).astype(np.float32)


def song_of(part: Part, shift: float = 0.0, cents: float = 0.0) -> np.ndarray:
    """A vowel on each note, `shift` seconds late and `cents` sharp, with 60 ms of silence before it."""
    times = np.arange(int((part.notes[-1].end + 0.5) * RATE)) / RATE
    f0, amplitude = np.full(len(times), 200.0), np.zeros(len(times))
    for note in part.sung:
        inside = (times >= note.onset + shift) & (times < note.end + shift - 0.06)
        f0[inside], amplitude[inside] = hz((note.pitch or 0) + cents / 100), 1.0
    return harmonic(f0, amplitude)


TUNE = tune((0.3, 0.6, 57), (0.9, 0.6, 60), (1.5, 0.9, 64), (2.4, 0.6, 55), (3.0, 1.0, 59), (4.0, 0.6, 62))
MELODY = Melody.of(TUNE, lexicon=MAMA)


def measured(wav: np.ndarray, transpose: float = 0.0) -> dict[str, float]:
    found = singing.heard(wav, RATE, 0.0)
    (onsets,) = vowel_onsets([(MELODY, found.features, 0.0)])
    return singing.measure(MELODY, transpose, found, None, 0.005) | singing.onset_metrics(onsets)


def test_what_is_sung_as_written_has_no_error() -> None:
    found = measured(song_of(TUNE))
    assert found["F0 error against notes, median, cents"] < 6
    assert found["frames within 50 cents of notes, %"] > 99
    assert abs(found["vowel onset, mean, ms"]) < 8
    assert found["vowel onset, 95th percentile of the absolute error, ms"] < 15
    assert found["note length, mean absolute error, ms"] < 8


@pytest.mark.parametrize("shift", [-0.06, 0.04])
def test_late_and_early_vowels_are_measured(shift: float) -> None:
    found = measured(song_of(TUNE, shift=shift))
    assert found["vowel onset, mean, ms"] == pytest.approx(1000 * shift, abs=10)
    assert found["vowel onset, SD, ms"] < 10


@pytest.mark.parametrize("cents", [-40.0, 70.0])
def test_a_mistuned_singer_is_measured(cents: float) -> None:
    found = measured(song_of(TUNE, cents=cents))
    assert found["F0 error against notes, median, cents"] == pytest.approx(abs(cents), abs=6)
    assert (found["frames within 50 cents of notes, %"] > 95) == (abs(cents) < 50)


def test_the_transposition_is_part_of_the_score() -> None:
    assert measured(song_of(TUNE, cents=300), 3.0)["F0 error against notes, median, cents"] < 6


def test_high_notes_are_tracked() -> None:
    high = dataclasses.replace(TUNE, notes=tuple(dataclasses.replace(n, pitch=84.0) for n in TUNE.sung))
    found = singing.heard(song_of(high), RATE, 0.0)
    f0 = found.f0[found.f0 > 0]
    assert np.median(f0) == pytest.approx(hz(84), rel=0.01)


def test_a_burst_of_noise_before_the_vowel_is_no_onset() -> None:
    wav = song_of(TUNE)
    rng = np.random.default_rng(0)
    for note in TUNE.sung:
        begin = int((note.onset - 0.05) * RATE)
        wav[begin : begin + int(0.04 * RATE)] += 0.05 * rng.standard_normal(int(0.04 * RATE)).astype(np.float32)
    assert abs(measured(wav)["vowel onset, mean, ms"]) < 12


@pytest.mark.parametrize(("rate", "depth"), [(5.0, 50.0), (6.3, 25.0), (7.0, 100.0)])
def test_vibrato_is_measured(rate: float, depth: float) -> None:
    hop = 0.005
    times = hop * np.arange(220)
    f0 = 300 * 2 ** ((depth * np.sin(2 * np.pi * rate * times + 0.3) + 20 * times) / 1200)
    found = singing.vibrato_of(f0, hop)
    assert found is not None
    assert found.rate == pytest.approx(rate, abs=0.1) and found.depth == pytest.approx(depth, rel=0.06)


def test_a_straight_note_has_no_vibrato_and_a_short_or_unvoiced_one_cannot_be_told() -> None:
    straight = singing.vibrato_of(np.full(200, 300.0), 0.005)
    assert straight is not None and straight.depth < 0.1
    assert singing.vibrato_of(np.full(40, 300.0), 0.005) is None
    assert singing.vibrato_of(np.where(np.arange(200) % 2, 300.0, 0.0), 0.005) is None


def test_the_curve_that_was_asked_for_is_compared_with() -> None:
    wav = song_of(TUNE)
    found = singing.heard(wav, RATE, 0.0)
    asked = np.zeros(len(found.f0))
    for note in TUNE.sung:
        inside = (found.times >= note.onset) & (found.times < note.end - 0.06)
        asked[inside] = hz((note.pitch or 0) - 1)  # a semitone lower than what is sung
    metrics = singing.measure(MELODY, 0.0, found, asked, 0.005)
    assert metrics["F0 error against the curve, median, cents"] == pytest.approx(100, abs=6)
    assert metrics["voicing errors, %"] < 8


def test_the_beginning_starts_with_the_first_note() -> None:
    part = make_part("Alto", [Note(3.0, 1.0, 60), Note(4.0, 1.0, 62), Note(9.0, 1.0, 64)])[0]
    assert [(n.onset, n.pitch) for n in singing.beginning(part, 5.0).sung] == [(0.0, 60), (1.0, 62)]
