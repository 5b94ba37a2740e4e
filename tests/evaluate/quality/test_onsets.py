"""Vowel onsets in sounds whose onsets are known: noise and harmonics of a spectrum for each phone."""

from __future__ import annotations

import numpy as np
import pytest

from speechnar.evaluate.quality.onsets import FARTHEST, HOP, LEAST, RATE, align, class_of, features_of, sounds_of
from speechnar.score.timing import TimedPhone

SPECTRA = {"ɑ": (700, 1200, 0.3), "i": (300, 2300, 0.3), "n": (250, 1000, 0.05), "s": (5000, 6500, 0.05)}
RNG = np.random.default_rng(0)


def said(*phones: tuple[str, float]) -> tuple[np.ndarray, list[TimedPhone]]:
    """Sound of phones of some lengths, 0.2 s of silence around them."""
    wav, timed, end = [np.zeros(int(0.2 * RATE))], [], 0.2
    for phone, length in phones:
        low, high, amplitude = SPECTRA[phone]
        times = end + np.arange(int(length * RATE)) / RATE
        wav.append(amplitude * (np.sin(2 * np.pi * low * times) + 0.5 * np.sin(2 * np.pi * high * times)))
        timed.append(TimedPhone(phone, end, end + length, 0, 0))
        end += length
    whole = np.concatenate([*wav, np.zeros(int(0.2 * RATE))])
    return (whole + 1e-4 * RNG.standard_normal(len(whole))).astype(np.float32), timed


SONG = [(p, length) for v, w, c in (("ɑ", "i", 0.08), ("i", "ɑ", 0.12)) for k in (0.2, 0.5, 0.3)
        for p, length in (("n", c), (v, k), ("s", 0.1), (w, k))]  # fmt: skip
WAV, PHONES = said(*SONG)
FEATURES = features_of(WAV, RATE)


def found(asked: list[TimedPhone]) -> np.ndarray:
    (edges,) = align([song := sounds_of(asked, FEATURES, 0.0)])
    return edges[list(song.firsts)] * HOP / RATE


def moved(seconds: np.ndarray) -> list[TimedPhone]:
    onsets = np.array([p.onset for p in PHONES]) + seconds
    ends = [*onsets[1:], PHONES[-1].end + seconds[-1]]
    return [TimedPhone(p.phone, float(a), float(b), 0, 0) for p, a, b in zip(PHONES, onsets, ends)]


@pytest.mark.parametrize("late", [-0.05, 0.0, 0.07])
def test_onsets_are_found_wherever_the_score_asks_for_them(late: float) -> None:
    away = np.random.default_rng(1).uniform(-0.03, 0.03, len(PHONES)) + late
    assert found(moved(away)) == pytest.approx([p.onset for p in PHONES], abs=0.011)


def test_a_state_is_not_looked_for_far_from_its_place() -> None:
    song = sounds_of(moved(np.full(len(PHONES), 1.0)), FEATURES, 0.0)
    (edges,) = align([song])
    reach = round(FARTHEST * RATE / HOP)
    assert (edges[1:-1] >= song.edges[1:-1] - reach).all() and (edges[1:-1] <= song.edges[2:] + reach).all()


def test_states_cover_all_frames_even_where_there_are_too_few() -> None:
    crowded = [TimedPhone("t", 0.0, 0.001, 0, 0), TimedPhone("aɪ", 0.001, 0.002, 0, 0), TimedPhone("n", 5.0, 5.1, 0, 0)]
    for frames in (3, 30):
        song = sounds_of(crowded, FEATURES[:frames], -0.5)
        assert song.states[0] == ("", 0) and [song.states[n][0] for n in song.firsts] == ["t", "aɪ", "n"]
        assert song.edges[0] == 0 and song.edges[-1] == len(song.features) and (np.diff(song.edges) >= LEAST).all()
        assert (np.diff(align([song])[0]) >= LEAST).all()


def test_classes_of_phones() -> None:
    assert [class_of(p) for p in ("ɑ", "t͡ʃ", "ɡ", "h", "ð", "ŋ", "ɹ", "")] == [
        "vowel", "voiceless stop", "voiced stop", "voiceless fricative", "voiced fricative", "nasal", "approximant",
        "silence",
    ]  # fmt: skip
