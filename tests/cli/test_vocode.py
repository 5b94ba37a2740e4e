"""`speechnar vocode`: recordings of any rate through vocoders of every kind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from speechnar import audio, cli
from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.models.folder import ModelConfig, save_model
from speechnar.models.vocoder.hifigan import HiFiGAN, HiFiGANConfig

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, hop_length=16, win_length=64, n_mels=8, f_min=0.0, f_max=4000.0)
CONFIG = HiFiGANConfig(2, (4, 4), (8, 8), 8, (3,), ((1, 2),))


@pytest.fixture(scope="module")
def vocoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the original layout whose output is loud."""
    folder = tmp_path_factory.mktemp("vocoder")
    torch.manual_seed(0)
    model = HiFiGAN(CONFIG, AUDIO)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    state = {name: value for name, value in model.state_dict().items() if not name.startswith("mel_")}
    torch.save({"generator": state}, folder / "generator.pth")
    config = {
        "resblock": "2", "upsample_rates": [4, 4], "upsample_kernel_sizes": [8, 8], "upsample_initial_channel": 8,
        "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 2]], "num_mels": 8, "n_fft": 64, "hop_size": 16,
        "win_size": 64, "sampling_rate": 8000, "fmin": 0, "fmax": 4000,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    save_model(folder / "ours", ModelConfig(AUDIO, Choice("hifigan", CONFIG)), model)
    return folder


@pytest.fixture
def wavs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the test runs, with recordings of a second and a little."""
    for name, rate, channels in (("a.wav", 8000, 1), ("b.flac", 44100, 2), ("c.wav", 96000, 1)):
        noise = np.random.default_rng(0).normal(0, 0.1, (round(1.01 * rate), channels))
        soundfile.write(tmp_path / name, noise, rate)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def vocode(*args: object) -> int:
    return cli.main(["vocode", *map(str, args)])


def test_recordings_of_any_rate_come_out_at_the_vocoder_s_as_long(vocoder: Path, wavs: Path, capsys) -> None:
    assert vocode("a.wav", "b.flac", "c.wav", "-o", "out", "--vocoder", vocoder) == 0
    assert capsys.readouterr() == ("", "")
    for name in "abc":
        wav, rate = audio.read(wavs / "out" / f"{name}.wav")
        assert rate == 8000 and abs(len(wav) - 8080) <= 2 and wav.std() > 1e-3


def test_a_folder_trained_here_says_the_same_as_the_published_one(vocoder: Path, wavs: Path) -> None:
    assert vocode("a.wav", "-o", "x/published.wav", "--vocoder", vocoder, "--threads", 1) == 0
    assert vocode("a.wav", "-o", "x/ours.wav", "--vocoder", vocoder / "ours", "--offline") == 0
    assert Path("x/published.wav").read_bytes() == Path("x/ours.wav").read_bytes()


def test_the_vocoder_of_a_voice(stub_voice: Path, wavs: Path) -> None:
    assert vocode("b.flac", "-o", "out.flac", "--vocoder", stub_voice) == 0
    wav, rate = audio.read("out.flac")
    assert rate == 16000 and abs(len(wav) - 16160) <= 2 and wav.any()


def test_one_bad_file_of_several_is_named_and_the_others_go_through(vocoder: Path, wavs: Path, capsys) -> None:
    (wavs / "bad.wav").write_text("no audio")
    soundfile.write(wavs / "short.wav", np.zeros(20), 8000)
    assert vocode("bad.wav", "short.wav", "a.wav", "-o", "out/", "--vocoder", vocoder) == 1
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith("speechnar: bad.wav cannot be read as audio")
    assert err[1] == "speechnar: short.wav: 20 samples are too few for frames of 64 samples"
    assert err[-1] == "speechnar: 2 of 3 files could not be vocoded"
    assert [path.name for path in (wavs / "out").iterdir()] == ["a.wav"]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("none.wav", "-o", "o.wav"), "there is no audio file at none.wav"),
        (("a.wav", "-o", "o.aiff"), "o.aiff should end in one of .wav, .flac, .ogg, .mp3"),
        (("a.wav", "b.flac", "-o", "o.wav"), "with several files, -o should be a folder but is o.wav"),
        (("a.wav", "a.flac", "-o", "o"), "a.wav and a.flac would both become o/a.wav: give them one at a time"),
    ],
)
def test_errors_are_one_sentence(vocoder: Path, wavs: Path, capsys, args: tuple[object, ...], sentence: str) -> None:
    assert vocode(*args, "--vocoder", vocoder) == 1
    assert capsys.readouterr().err == f"speechnar: {sentence}\n"


def test_a_vocoder_that_is_none_is_said_in_a_sentence(wavs: Path, capsys) -> None:
    for name, sentence in (("nobody", "there is no folder nobody; a model on the hub"), (".", ". holds no vocoder")):
        assert vocode("a.wav", "-o", "o.wav", "--vocoder", name) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"speechnar: {sentence}") and err.count("\n") == 1
    assert not Path("o.wav").exists()
