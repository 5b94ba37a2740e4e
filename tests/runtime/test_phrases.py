from __future__ import annotations

import numpy as np
import pytest

from speechnar.runtime.phrases import Slot, blend_weight, frames_at, phrases_of, places_of, speeds_for, voiced_frames
from speechnar.score.lyrics import SungSyllable
from speechnar.score.timing import TimedPhone


def test_phrases_end_at_rests_and_after_many_phones() -> None:
    word = SungSyllable(0, 0, ("ə",), 0, 0, "a", True)
    phones = [TimedPhone("ə", 0.1 * n + 0.5 * (n >= 3), 0.1 * n + 0.5 * (n >= 3) + 0.1, n, n) for n in range(200)]
    assert [len(p) for p in phrases_of(phones, [word] * 200)] == [3, 160, 37]
    inside = SungSyllable(0, 0, ("ə",), 0, 0, "a", False)
    assert [len(p) for p in phrases_of(phones, [inside] * 200)] == [3, 197]


def test_speeds_give_the_frames_and_word_breaks_are_not_stretched() -> None:
    natural = np.array([8.0, 4.0])
    for frames in (3, 12, 40):
        made = natural / speeds_for(natural, frames)
        assert made.sum() == pytest.approx(frames) and made[1] == pytest.approx(min(4, frames / 3))
    assert (np.array([0.0]) / speeds_for(np.array([0.0]), 0)).sum() == 0


def test_stretched_phones_keep_their_ends_and_shortened_ones_are_read_evenly() -> None:
    slots = [Slot(("m",), 5, None), Slot(("ˈɑ",), 60, None)]
    places = places_of(slots, np.array([2, 12, 32]), 40, edge=4, tail=3)
    assert places[:5] == pytest.approx([2.5, 4.5, 6.5, 8.5, 10.5])
    assert places[5:9] == pytest.approx([12, 13, 14, 15]) and places[61:] == pytest.approx([28, 29, 30, 31, 32, 33, 34])
    assert (np.diff(places) > 0).all() and np.diff(places)[15:50] == pytest.approx(12 / 52)


def test_frames_between_frames_are_weighted() -> None:
    mel = np.array([[0.0, 10.0], [1.0, 20.0], [4.0, 0.0]], np.float32)
    assert frames_at(mel, np.array([0.0, 0.25, 1.5, 2.0])).tolist() == [[0, 10], [0.25, 12.5], [2.5, 10], [4, 0]]


def test_weights_of_all_passes_sum_to_one() -> None:
    of_frame = np.array([0] * 10 + [1] * 10)
    first, second = (blend_weight(of_frame == n, 23) for n in (0, 1))
    assert first + second == pytest.approx(1) and first[:8] == pytest.approx(1) and second[12:] == pytest.approx(1)
    assert first[8:12] == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_vowels_are_voiced_without_a_gap_and_an_s_is_not() -> None:
    slots = [Slot((phone,), 4, TimedPhone(phone, 0, 0, 0, 0)) for phone in ("s", "ˈɑ", "z")]
    heard = np.array([0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1], bool)
    assert voiced_frames(slots, heard).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1]
