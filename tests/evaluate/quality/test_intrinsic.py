"""Distances from a recording, on signals whose distance is known beforehand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from speechnar import audio
from speechnar.cli import main
from speechnar.evaluate.quality import intrinsic
from speechnar.evaluate.quality.intrinsic import AUDIO, PERCEPTUAL_RATE, Frames

RATE = AUDIO.sample_rate


def buzz(f0: np.ndarray) -> np.ndarray:
    """A voice-like tone of ten harmonics: (T_wav,) Hz to (T_wav,) float32; silent where F0 is 0."""
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    wav = sum(np.cos(n * phase) / n for n in range(1, 11))
    return (0.1 * wav * (f0 > 0)).astype(np.float32)


def hum(seconds: float, hertz: float) -> np.ndarray:
    return buzz(np.full(round(seconds * RATE), hertz))


@pytest.fixture(scope="module")
def hum_then_silence() -> np.ndarray:
    return np.concatenate([hum(0.6, 150), 1e-4 * np.random.default_rng(0).standard_normal(RATE // 2)]).astype("f4")


def frames(mel: np.ndarray, f0: float = 100.0) -> Frames:
    return Frames(mel, np.full(len(mel), f0))


def test_mcd_of_a_ripple_is_its_root_mean_square() -> None:
    """A ripple cos(pi d (m + 0.5) / M) of `a` dB across the bands has the root mean square a / sqrt(2)."""
    rng = np.random.default_rng(0)
    mel = rng.standard_normal((7, 80))
    decibels, order = 3.0, 5
    ripple = decibels * np.log(10) / 20 * np.cos(np.pi * order * (np.arange(80) + 0.5) / 80)  # of natural log magnitude
    measured = intrinsic.distances(frames(mel), frames(mel + ripple))
    assert measured["MCD, dB"] == pytest.approx(decibels / np.sqrt(2))
    assert measured["log-mel distance"] == pytest.approx(np.abs(ripple).mean())


def test_mcd_hears_no_level_and_log_mel_distance_does() -> None:
    mel = np.random.default_rng(0).standard_normal((7, 80))
    measured = intrinsic.distances(frames(mel), frames(mel + 0.7))
    assert measured["MCD, dB"] == pytest.approx(0, abs=1e-9)
    assert measured["log-mel distance"] == pytest.approx(0.7)


def test_figures_of_pitch_worked_by_hand() -> None:
    mel = np.zeros((4, 80))
    reference = Frames(mel, np.array([100.0, 100.0, 0.0, 100.0]))
    other = Frames(mel, np.array([200.0, 100.0, 90.0, 0.0]))
    measured = intrinsic.distances(reference, other)
    assert measured["F0 RMSE, cents"] == pytest.approx(1200 / np.sqrt(2))  # an octave in one of two frames
    assert measured["voicing error, %"] == pytest.approx(50)
    unvoiced = intrinsic.distances(reference, Frames(mel, np.zeros(4)))
    assert np.isnan(unvoiced["F0 RMSE, cents"])


def test_warping_undoes_a_change_of_tempo() -> None:
    """Each frame three times over is the same after warping, and the path is as long as the longer one."""
    mel = np.random.default_rng(0).standard_normal((12, 80))
    f0 = np.arange(1.0, 13.0)
    slow = Frames(np.repeat(mel, 3, axis=0), np.repeat(f0, 3))
    left, right = intrinsic.warp(Frames(mel, f0), slow)
    assert len(left.f0) == len(right.f0) == 36
    np.testing.assert_array_equal(left.f0, right.f0)
    np.testing.assert_array_equal(left.mel, right.mel)


def test_a_recording_is_nowhere_from_itself(hum_then_silence: np.ndarray) -> None:
    for copy in (False, True):
        measured = intrinsic.compare_wavs(hum_then_silence, hum_then_silence, copy)
        for name in ("MCD, dB", "log-mel distance", "F0 RMSE, cents", "voicing error, %", "duration error, %"):
            assert measured[name] == pytest.approx(0, abs=1e-6), name
    assert measured["STOI"] == pytest.approx(1, abs=1e-6)


def test_a_semitone_is_100_cents_and_a_slower_copy_is_longer() -> None:
    measured = intrinsic.compare_wavs(hum(0.6, 150), hum(0.75, 150 * 2 ** (1 / 12)))
    assert measured["F0 RMSE, cents"] == pytest.approx(100, abs=5)
    assert measured["duration error, %"] == pytest.approx(25, abs=0.01)  # to a sample


def test_silence_in_place_of_a_tone_is_a_voicing_error(hum_then_silence: np.ndarray) -> None:
    silent = np.concatenate([hum_then_silence[len(hum_then_silence) - RATE // 2 :]] * 3)[: len(hum_then_silence)]
    measured = intrinsic.compare_wavs(hum_then_silence, silent, copy=True)
    share = 100 * 0.6 / 1.1
    assert measured["voicing error, %"] == pytest.approx(share, abs=4)  # at its ends a tone fades in and out


def noisy(wav: np.ndarray, decibels: float) -> np.ndarray:
    """White noise added at a ratio of signal to noise."""
    noise = np.random.default_rng(0).standard_normal(len(wav))
    noise *= np.sqrt((wav**2).mean() / (noise**2).mean()) * 10 ** (-decibels / 20)
    return (wav + noise).astype(np.float32)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """A sentence of the example's corpus, (T_wav,) at PERCEPTUAL_RATE."""
    recording = Path(__file__).parents[3] / "egs" / "mini_tts" / "clips" / "arctic_a0012.opus"
    return audio.read(recording, PERCEPTUAL_RATE)[0]


def test_stoi_falls_with_noise_and_needs_speech(speech: np.ndarray) -> None:
    ladder = [intrinsic.stoi(speech, noisy(speech, decibels)) for decibels in (60, 10, 0, -20)]
    assert ladder[0] == pytest.approx(1, abs=0.01)
    assert ladder == sorted(ladder, reverse=True) and ladder[-1] < 0.5
    assert np.isnan(intrinsic.stoi(speech[:1000], speech[:1000]))


@pytest.mark.filterwarnings("ignore:invalid value")  # it divides silence by its peak
def test_pesq_of_a_copy_is_the_top_of_its_scale(speech: np.ndarray) -> None:
    pytest.importorskip("pesq")  # of no extra: see the module
    assert intrinsic.pesq(speech, speech) == pytest.approx(4.644, abs=1e-3)  # P.862.2's mapping of a raw score of 4.5
    assert intrinsic.pesq(speech, noisy(speech, 0)) < 1.5
    assert np.isnan(intrinsic.pesq(np.zeros(16000, np.float32), np.zeros(16000, np.float32)))


def write(folder: Path, **wavs: np.ndarray) -> str:
    for name, wav in wavs.items():
        audio.write(folder / f"{name}.wav", wav, RATE)
    return str(folder)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = write(tmp_path / "ref", a=hum(0.6, 150), b=hum(0.5, 200))
    first = write(tmp_path / "A", a=hum(0.6, 150), b=hum(0.5, 200))
    second = write(tmp_path / "B", a=hum(0.6, 300), b=np.zeros(0, np.float32))
    assert main(["evaluate", "intrinsic", first, second, "--ref", reference]) == 1
    told = capsys.readouterr()
    assert ["MCD,", "dB", "A", "0.00"] in [line.split()[:4] for line in told.out.splitlines()]
    assert "1 of 4 utterances could not be measured; the first is B: b: " in told.err
    assert "A and B are not compared, for only one of them has b" in told.err


@pytest.mark.parametrize(
    ("names", "options", "sentence"),
    [
        (["a"], [], "only one of A and .*ref has b; compare the same recordings"),
        (["a", "b", "c"], [], "only one of A and .*ref has c; compare the same recordings"),
        (["a", "b"], ["--copy"], "it lasts 0.90 s but the reference 0.60 s: no copy; compare it without --copy"),
    ],
)
def test_command_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: list[str], options: list[str], sentence: str
) -> None:
    reference = write(tmp_path / "ref", a=hum(0.6, 150), b=hum(0.6, 150))
    given = write(tmp_path / "A", **{name: hum(0.9, 150) for name in names})
    assert main(["evaluate", "intrinsic", given, "--ref", reference, *options]) == 1
    assert re.search(sentence, capsys.readouterr().err)
