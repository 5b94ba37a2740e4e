"""The frames of a sentence: where phones end, how audio ends, what is too loud."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from speechnar.runtime.frames import audible_durations, fade_out, limited, trimmed, white_noise
from speechnar.runtime.speech import SpeechWarning

LOUD, SOFT, SILENT = 0.0, -4.0, -5.0  # natural log; 40 dB are 4.6


def mel_of(*levels: float) -> np.ndarray:
    """(T_mel, 2): both bands of a frame at one level."""
    return np.repeat(np.array(levels, np.float32)[:, None], 2, axis=1)


def test_silence_before_a_pause_mark_or_the_end_belongs_to_it() -> None:
    levels = [
        *[SILENT],  # <s>
        *[LOUD, LOUD],  # b
        *[SOFT, LOUD, SILENT, SILENT, SILENT],  # ə
        *[SILENT],  # the comma
        *[LOUD, SILENT],  # k
        *[LOUD, SILENT, SILENT],  # ɪ
        *[SILENT],  # </s>
    ]
    durations = np.array([1, 2, 5, 1, 2, 3, 1])
    moved = audible_durations(durations, ("b", "ə", ",", "k", "ɪ"), mel_of(*levels))
    assert moved.tolist() == [1, 2, 2, 4, 2, 1, 3]  # k keeps its silent second frame: it is no pause's
    assert durations.tolist() == [1, 2, 5, 1, 2, 3, 1]


def test_a_phone_that_is_not_heard_keeps_one_frame_and_a_pause_mark_all_of_its() -> None:
    levels = [SILENT, LOUD, SILENT, SILENT, SILENT, SILENT, SILENT]
    assert audible_durations(np.array([1, 1, 3, 1, 1]), ("ə", "t", "."), mel_of(*levels)).tolist() == [1, 1, 1, 3, 1]
    assert audible_durations(np.array([1, 1, 0, 4, 1]), ("ə", "t", "."), mel_of(*levels)).tolist() == [1, 1, 0, 4, 1]


def test_the_silences_around_a_sentence_are_cut_to_the_longest() -> None:
    mel, f0 = mel_of(*range(9)), np.arange(9.0, dtype=np.float32)
    mel, f0, durations = trimmed(mel, f0, np.array([3, 2, 4]), longest=2)
    assert durations.tolist() == [2, 2, 2]
    assert f0.tolist() == mel[:, 0].tolist() == [1, 2, 3, 4, 5, 6]


def test_noise_is_standard_normal_and_its_seeds() -> None:
    noise = white_noise((3, 1), (1, 400, 500), 1.0)
    assert noise.dtype == np.float32 and noise.shape == (1, 400, 500)
    shares = [np.mean(np.abs(noise) < limit) for limit in (1, 2, 3)]
    np.testing.assert_allclose(shares, [0.6827, 0.9545, 0.9973], atol=0.006)
    flat = noise.ravel()
    assert abs(flat.mean()) < 0.01 and abs(np.mean(flat[1:] * flat[:-1])) < 0.01
    np.testing.assert_array_equal(noise, white_noise((3, 1), (1, 400, 500), 1.0))
    np.testing.assert_allclose(0.5 * noise, white_noise((3, 1), (1, 400, 500), 0.5))
    assert np.mean(noise == white_noise((3, 2), (1, 400, 500), 1.0)) < 0.01


@pytest.mark.parametrize("cut", [1, 5, 30, 39, 50])
def test_a_fade_is_the_same_in_chunks_and_ends_at_zero(cut: int) -> None:
    wav = np.ones(60, np.float32)
    whole = fade_out(wav, 0, sample_rate=2000)  # 20 ms are 40 samples
    first, second = fade_out(wav[:cut], 60 - cut, 2000), fade_out(wav[cut:], 0, 2000)
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)
    assert whole.dtype == np.float32 and whole[-1] == 0 and (whole[:20] == 1).all()
    assert whole[39] == pytest.approx(0.5)  # in the middle of the fade
    assert (np.diff(whole[19:]) < 0).all()


def test_the_limiter_leaves_the_usual_alone_and_bends_the_rest() -> None:
    usual = np.array([0.0, -0.95, 0.5], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert limited(usual) is usual
        assert limited(np.empty(0, np.float32)).size == 0
        near = limited(np.array([0.96, -0.98, 0.2], np.float32))
    assert 0.95 < near[0] < 0.96 and -0.98 < near[1] < -0.95 and near[2] == np.float32(0.2)
    with pytest.warns(SpeechWarning, match="lower the energy"):
        loud = limited(np.array([0.5, 1.05, -9.0], np.float32))
    assert loud[0] == 0.5 and 0.96 < loud[1] < 1 and loud[2] == -1 and loud.dtype == np.float32
