from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from scipy import signal

from speechnar import audio, cli
from speechnar.evaluate.listen import loudness
from speechnar.evaluate.listen.make import make_test
from speechnar.evaluate.listen.plan import ANCHOR, REFERENCE, WRECK, ListenError

RATE = 16000


def test_a_sine_has_the_loudness_that_the_standard_gives_it() -> None:
    """BS.1770: a full-scale sine of 997 Hz in one channel has -3.01 LUFS."""
    sine = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000).astype(np.float32)
    level = loudness.level(sine, 48000)
    assert level.loudness == pytest.approx(-3.01, abs=0.05)
    assert level.peak == pytest.approx(0.0, abs=0.05)


def test_the_true_peak_lies_between_samples() -> None:
    """A sine at a quarter of the rate, sampled 45 degrees off its peaks, shows 3 dB less than it has."""
    steps = np.arange(48000)
    sine = (np.sin(2 * np.pi * steps / 4 + np.pi / 4) * np.hanning(48000)).astype(np.float32)
    assert 20 * np.log10(np.abs(sine).max()) == pytest.approx(-3.01, abs=0.01)
    assert loudness.level(sine, 48000).peak == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize(
    ("hertz", "low", "high"), [(1000, -0.1, 0.1), (3400, -0.1, 0.1), (4000, -200, -25), (4500, -200, -50)]
)
def test_the_anchor_is_what_the_standard_asks(hertz: int, low: float, high: float) -> None:
    """BS.1534-3: within 0.1 dB up to 3.5 kHz, 25 dB less at 4 kHz and 50 dB at 4.5 kHz."""
    sine = np.sin(2 * np.pi * hertz * np.arange(48000) / 48000).astype(np.float32)
    middle = slice(12000, 36000)
    gain = 10 * np.log10(np.mean(loudness.low_pass(sine, 48000)[middle] ** 2) / np.mean(sine[middle] ** 2))
    assert low <= gain <= high


def test_the_anchor_is_in_time_with_the_reference() -> None:
    click = np.zeros(4001, np.float32)
    click[2000] = 1.0
    assert np.argmax(loudness.low_pass(click, RATE)) == 2000


def test_a_wreck_has_more_noise_than_speech_and_only_where_there_is_speech() -> None:
    wav = np.concatenate([np.zeros(RATE), np.full(RATE, 0.1)]).astype(np.float32)
    noise = loudness.wreck(wav) - wav
    assert not noise[:RATE].any()
    assert 10 * np.log10(np.mean(noise[RATE:] ** 2) / 0.01) == pytest.approx(5.0, abs=0.2)


def test_files_have_opaque_names_and_one_loudness(tests, wavs: Path) -> None:
    folder, test = tests["mushra"]
    assert {path.name for path in folder.iterdir()} == {"test.json", "audio"}
    files = {stimulus.file: stimulus for stimulus in test.stimuli}
    assert {path.name for path in (folder / "audio").iterdir()} == set(files)
    assert all(re.fullmatch("[0-9a-f]{32}.wav", name) for name in files)
    assert {stimulus.system for stimulus in test.stimuli} == {"alpha", "beta", REFERENCE, ANCHOR, WRECK}
    for name, stimulus in files.items():
        wav, rate = soundfile.read(folder / "audio" / name)
        softer = 3.0 if stimulus.system == WRECK else 0.1
        assert -softer < pyloudnorm.Meter(rate).integrated_loudness(wav) - test.loudness < 0.1
        assert 20 * np.log10(np.abs(signal.resample_poly(wav, 4, 1)).max()) < -0.8
    for stimulus in test.stimuli:
        if stimulus.system in ("alpha", "beta"):  # in each file is what the test says
            wav, _ = soundfile.read(folder / "audio" / stimulus.file)
            original, _ = soundfile.read(wavs / stimulus.system / stimulus.item)
            assert np.corrcoef(wav, original)[0, 1] > 0.999


def test_a_loud_peak_lowers_all_alike(settings, wavs: Path, tmp_path: Path) -> None:
    for item in range(6):
        wav = np.full(RATE // 2, 1e-3, np.float32)
        wav[4000:4100] = np.hanning(100)
        wav += 0.001 * np.random.default_rng(item).standard_normal(RATE // 2).astype(np.float32)
        audio.write(tmp_path / "peaky" / f"item{item}.wav", wav, RATE)
    systems = {"alpha": wavs / "alpha", "peaky": tmp_path / "peaky"}
    test = make_test(settings("mos", systems=systems, loudness=-5.0), tmp_path / "test")
    assert test.loudness < -6
    for stimulus in test.stimuli:
        wav, rate = soundfile.read(tmp_path / "test" / "audio" / stimulus.file)
        loud = pyloudnorm.Meter(rate).integrated_loudness(wav)
        assert stimulus.system == WRECK or loud == pytest.approx(test.loudness, abs=0.1)
        assert np.abs(signal.resample_poly(wav, 4, 1)).max() < 10 ** (-0.8 / 20)


def write(folder: Path, names: list[str], rate: int = RATE, samples: int = RATE // 2, scale: float = 0.1) -> Path:
    for name in names:
        noise = np.random.default_rng(0).standard_normal(samples).astype(np.float32)
        audio.write(folder / name, scale * noise, rate)
    return folder


NAMES = [f"item{n}.wav" for n in range(6)]


def refused(settings, out: Path, says: str, **given: object) -> None:
    before = sorted(out.parent.iterdir()) if out.parent.exists() else []
    with pytest.raises(ValueError, match=says) as error:
        make_test(settings("mos", **given), out)
    assert "\n" not in str(error.value)
    assert (sorted(out.parent.iterdir()) if out.parent.exists() else []) == before


def with_system(wavs: Path, folder: Path) -> dict[str, Path]:
    return {"alpha": wavs / "alpha", "new": folder}


def test_wavs_that_make_no_test_are_refused(settings, wavs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "test"

    def folder(name: str, *, odd: str = "item3.wav", **given: object) -> dict[str, Path]:
        write(tmp_path / name, [n for n in NAMES if n != odd])
        if given:
            write(tmp_path / name, [odd], **given)  # type: ignore[arg-type]
        return with_system(wavs, tmp_path / name)

    refused(settings, out, "16000 Hz but .*item3.wav has 22050 Hz; --sample-rate", systems=folder("r", rate=22050))
    refused(settings, out, r"item3.wav holds no audio \(0 samples\)", systems=folder("empty", samples=0))
    refused(settings, out, "new: item3.wav lasts 0.10 s", systems=folder("short", samples=1600))
    refused(settings, out, "new: item3.wav is silent", systems=folder("silent", scale=0.0))
    refused(settings, out, r"\(new\) lacks item3.wav, which", systems=folder("lacks"))
    refused(settings, out, "there is no folder", systems=with_system(wavs, tmp_path / "nowhere"))
    refused(settings, out, r"\(alpha\) lacks other.wav", systems=folder("more", odd="other.wav", scale=0.1))
    (tmp_path / "text").mkdir()
    for name in NAMES:
        (tmp_path / "text" / name).write_text("no audio", encoding="utf-8")
    refused(settings, out, "item0.wav cannot be read as audio", systems=with_system(wavs, tmp_path / "text"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"items": ("../natural/item0.wav",)}, "'../natural/item0.wav' is a path"),
        ({"items": ("..",)}, "'..' is a path"),
        ({"items": ("..\\natural\\item0.wav",)}, "is a path"),
        ({"items": ("item0.wav", "item0.wav")}, "'item0.wav' is given twice"),
        ({"items": ("item9.wav",)}, "lacks item9.wav"),
        ({"items": ("item0.wav", "item1.wav")}, "2 items are too few for 2 practice and 2 catch trials"),
        ({"method": "mosh"}, "should be one of mos, cmos, abx, mushra"),
        ({"method": "abx", "n_systems": 1}, "abx needs 2 systems or more"),
        ({"method": "mushra", "reference": None}, "a reference belongs to mushra"),
        ({"method": "mos", "reference": Path("natural")}, "a reference belongs to mushra"),
        ({"rounds": 3}, "1 to 2 ways"),
        ({"catch": -1}, "catch is -1"),
        ({"loudness": 3.0}, "loudness is 3 LUFS"),
        ({"systems": {"wreck": Path("x")}}, "no system can be named 'wreck'"),
    ],
)
def test_settings_that_make_no_test_are_refused(settings, tmp_path: Path, given: dict, says: str) -> None:
    with pytest.raises(ListenError, match=says):
        make_test(settings(**{"method": "mos", **given}), tmp_path / "test")
    assert not list(tmp_path.iterdir())


def test_mixed_rates_come_to_the_one_that_is_asked_for(settings, wavs: Path, tmp_path: Path) -> None:
    systems = with_system(wavs, write(tmp_path / "new", NAMES, 22050, 22050 // 2))
    test = make_test(settings("mos", systems=systems, sample_rate=24000), tmp_path / "test")
    assert test.sample_rate == 24000
    for path in (tmp_path / "test" / "audio").iterdir():
        info = soundfile.info(path)
        assert info.samplerate == 24000 and abs(info.frames - 12000) <= 1


def test_a_test_that_is_there_is_kept(settings, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    refused(settings, tmp_path / "test", "is there already")


def test_the_command_makes_a_test_of_flags_and_of_a_file(wavs: Path, tmp_path: Path, capsys) -> None:
    flags = ["--method", "cmos", "--system", f"alpha={wavs / 'alpha'}", "--system", f"beta={wavs / 'beta'}"]
    make = ["evaluate", "listen", "make"]
    assert cli.main([*make, str(tmp_path / "flags"), *flags, "--training", "0", "--catch", "1"]) == 0
    assert "7 trials a rater, all at -23 LUFS" in capsys.readouterr().out
    file = tmp_path / "test.yaml"
    file.write_text(
        f"method: mos\nsystems:\n  alpha: {wavs / 'alpha'}\n  beta: {wavs / 'beta'}\nrounds: null\n", encoding="utf-8"
    )
    assert cli.main([*make, str(tmp_path / "file"), "--config", str(file), "--catch", "0"]) == 0
    assert "10 trials a rater" in capsys.readouterr().out  # 2 for practice, 4 items in both systems
    assert cli.main([*make, str(tmp_path / "none"), "--method", "mos"]) == 1
    assert capsys.readouterr().err == "speechnar: a test needs --method and --system, or a --config that has them\n"
    assert cli.main([*make, str(tmp_path / "none"), "--method", "mos", "--system", "alpha"]) == 1
    assert "--system is 'alpha' but should be NAME=DIR" in capsys.readouterr().err
