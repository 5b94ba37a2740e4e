from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch

from speechnar import audio, codecs
from speechnar.audio import AudioConfig, AudioError
from speechnar.files import FileError

RATE = 16000


def tone(seconds: float, hz: float = 440.0, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize(("name", "error"), [("a.wav", 4e-5), ("a.flac", 4e-5), ("a.OGG", 0.05), ("a.mp3", 0.05)])
def test_what_is_written_is_read_again(tmp_path: Path, name: str, error: float) -> None:
    wav = tone(1.0)
    audio.write(tmp_path / name, wav, RATE)
    read, rate = audio.read(tmp_path / name)
    assert rate == RATE and read.dtype == np.float32
    assert abs(len(read) - len(wav)) <= (2000 if name.endswith("mp3") else 0)
    inner = slice(4000, 12000)
    assert abs(np.sqrt(np.mean(read[inner] ** 2)) - np.sqrt(np.mean(wav[inner] ** 2))) < error
    if error < 1e-3:
        np.testing.assert_allclose(read, wav, atol=error)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_pieces_make_the_same_file_as_the_whole(tmp_path: Path, name: str) -> None:
    wav = tone(5.0)
    audio.write(tmp_path / name, wav, RATE)
    with audio.writer(tmp_path / ("pieces-" + name), RATE) as append:
        for start in range(0, len(wav), 777):
            append(wav[start : start + 777])
    whole, pieces = (audio.read(tmp_path / n)[0] for n in (name, "pieces-" + name))
    np.testing.assert_allclose(whole, pieces, atol=0.01 if name == "a.ogg" else 0)  # Vorbis looks ahead at its start


def test_a_long_ogg_is_written(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.ogg", np.zeros(RATE * 90, np.float32), RATE)  # at once it would crash libsndfile 1.2
    assert soundfile.info(tmp_path / "a.ogg").frames == RATE * 90


def test_samples_beyond_one_are_clipped(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", np.array([2.0, -2.0, 0.0], np.float32), RATE)
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0], [1, -1, 0], atol=1e-4)


def test_a_stream_is_written_as_a_container(tmp_path: Path) -> None:
    file = io.BytesIO()
    audio.write(file, tone(0.1), RATE, container="FLAC")
    assert file.getvalue().startswith(b"fLaC")


def test_a_pipe_gets_wav_of_unknown_length() -> None:
    file = io.BytesIO()
    append = audio.pipe_writer(file, RATE)
    append(np.array([0.5, -1.5], np.float32))
    append(np.array([0.0], np.float32))
    data = file.getvalue()
    assert data[:4] == b"RIFF" and len(data) == 44 + 6
    assert np.frombuffer(data[44:], "<i2").tolist() == [16384, -32767, 0]
    read, rate = soundfile.read(io.BytesIO(data))
    assert rate == RATE and len(read) == 3


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        with audio.writer(path, RATE) as append:
            append(tone(1.0))
            raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    audio.write(tmp_path / "a" / "b" / "c.wav", tone(0.1), RATE)
    assert (tmp_path / "a" / "b" / "c.wav").is_file()


@pytest.mark.parametrize("name", ["a.aiff", "a", ".wav"])
def test_an_unknown_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudioError, match="should end in one of .wav, .flac, .ogg, .mp3"):
        audio.write(tmp_path / name, tone(0.1), RATE)
    assert not list(tmp_path.iterdir())


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"cannot write .*file/a.wav: "):
        audio.write(tmp_path / "file" / "a.wav", tone(0.1), RATE)


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(FileError, match="cannot write .*a.wav: Is a directory"):
        audio.write(tmp_path / "a.wav", tone(0.1), RATE)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.skipif(os.name != "posix", reason="limits a process's file size")
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"old")
    script = f"""
import resource, numpy as np
from speechnar import audio, codecs
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    audio.write({str(tmp_path / name)!r}, np.random.default_rng(0).uniform(-1, 1, 600000).astype("f"), 16000)
except audio.AudioError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr
    assert "cannot write" in done.stdout and "Is the disk full?" in done.stdout
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [(name, b"old")]


def test_read_mixes_to_mono_and_resamples(tmp_path: Path) -> None:
    stereo = np.stack([tone(1.0), np.zeros(RATE, np.float32)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, RATE, subtype="FLOAT")
    wav, rate = audio.read(tmp_path / "a.wav", sample_rate=8000)
    assert rate == 8000 and wav.shape == (8000,)
    np.testing.assert_allclose(wav[500:-500], tone(1.0, rate=8000)[500:-500] / 2, atol=1e-3)


@pytest.mark.parametrize("rate", [8000, 11025, 48000])
def test_blocks_join_to_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int) -> None:
    monkeypatch.setattr(codecs, "READ", 3000)
    wav = np.random.default_rng(0).uniform(-0.9, 0.9, (12345, 3)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wav, rate, subtype="FLOAT")
    pieces = list(audio.blocks(tmp_path / "a.wav", RATE))
    assert len(pieces) >= 13 and {piece_rate for _, piece_rate in pieces} == {RATE}
    joined = np.concatenate([piece for piece, _ in pieces])
    np.testing.assert_allclose(joined, audio.resample(wav.mean(axis=1), rate, RATE), atol=1e-6)


FFMPEG = """#!/bin/sh
# ffmpeg -nostdin -v error -i file:INPUT ...
[ "$5" = "file:{folder}/good.mp4" ] || {{ echo "first" >&2; echo "moov atom not found" >&2; exit 1; }}
cat {folder}/samples
"""


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for ffmpeg is a shell script")
def test_what_libsndfile_does_not_know_is_left_to_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(FFMPEG.format(folder=tmp_path))
    program.chmod(0o755)
    for name in ("good.mp4", "bad.mkv"):
        (tmp_path / name).write_bytes(b"no audio")
    wav = tone(1.0, rate=48000)
    (tmp_path / "samples").write_bytes(wav.tobytes() + b"\0\0")  # and half a sample
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    read, rate = audio.read(tmp_path / "good.mp4")
    assert rate == 48000
    np.testing.assert_array_equal(read, wav)
    with pytest.raises(AudioError, match="bad.mkv cannot be read as audio: its end is missing"):
        audio.read(tmp_path / "bad.mkv")


def test_read_refuses_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no ffmpeg
    with pytest.raises(AudioError, match="there is no audio file at"):
        audio.read(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("no audio")
    with pytest.raises(AudioError, match="cannot be read as audio; convert it to WAV or FLAC, or install ffmpeg"):
        audio.read(tmp_path / "text.wav")
    with pytest.raises(AudioError, match=r"is a folder; give the files in it, such as .*/\*.wav"):
        audio.read(tmp_path)
    (tmp_path / "nothing.mp3").touch()
    with pytest.raises(AudioError, match="nothing.mp3 holds no audio"):
        audio.read(tmp_path / "nothing.mp3")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), RATE)
    with pytest.raises(AudioError, match="holds no audio"):
        audio.read(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan], np.float32), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        audio.read(tmp_path / "nan.wav")


@pytest.mark.parametrize(
    "config",
    [
        AudioConfig(),
        AudioConfig(24000, 1200, 300, 1200, 80, 0.0, 12000.0),
        AudioConfig(16000, 512, 128, 400, 40, 60, 7600),
    ],
)
def test_log_mel_equals_librosa(config: AudioConfig) -> None:
    wav = np.random.default_rng(0).normal(0, 0.1, 12345).astype(np.float32)
    pad = (config.n_fft - config.hop_length) // 2
    n_frames = len(wav) // config.hop_length
    padded = np.pad(wav, (pad, config.n_fft), mode="reflect")
    mel = librosa.feature.melspectrogram(
        y=padded,
        sr=config.sample_rate,
        n_fft=config.n_fft,
        hop_length=config.hop_length,
        win_length=config.win_length,
        window="hann",
        center=False,
        power=1.0,
        n_mels=config.n_mels,
        fmin=config.f_min,
        fmax=config.f_max,
    )
    expected = np.log(np.maximum(mel, 1e-5)).T[:n_frames]
    got = audio.log_mel(wav, config)
    assert got.shape == (n_frames, config.n_mels) and got.dtype == np.float32
    np.testing.assert_allclose(got[:-3], expected[:-3], atol=1e-3)


@pytest.mark.parametrize("config", [AudioConfig(), AudioConfig(16000, 512, 128, 400, 40, 60, 7600)])
def test_log_mel_is_that_of_hifigan_to_the_last_frame(config: AudioConfig) -> None:
    wav = torch.randn(1, 20 * config.hop_length + 77, generator=torch.Generator().manual_seed(0)) / 10
    pad = (config.n_fft - config.hop_length) // 2
    padded = torch.nn.functional.pad(wav[None], (pad, pad), mode="reflect")[0]
    window = torch.hann_window(config.win_length)
    spectrum = torch.stft(
        padded, config.n_fft, config.hop_length, config.win_length, window, center=False, return_complex=True
    )
    filters = librosa.filters.mel(
        sr=config.sample_rate, n_fft=config.n_fft, n_mels=config.n_mels, fmin=config.f_min, fmax=config.f_max
    )
    expected = torch.log(torch.clamp(torch.from_numpy(filters) @ spectrum[0].abs(), min=1e-5)).T
    got = audio.log_mel(wav[0].numpy(), config)
    assert got.shape == (20, config.n_mels)
    np.testing.assert_allclose(got, expected, atol=2e-4)


def harmonics(f0: np.ndarray, rate: int) -> np.ndarray:
    """A buzz that follows an F0 given for every sample."""
    phase = 2 * np.pi * np.cumsum(f0) / rate
    return (0.2 * sum(np.sin(k * phase) / k for k in range(1, 8))).astype(np.float32)


T = np.arange(2 * 22050) / 22050
F0_CURVES = {
    "low tone": np.full(len(T), 75.0),
    "high tone": np.full(len(T), 450.0),
    "rising": 100 * 4 ** (T / 2),
    "falling": 320 * 4 ** (-T / 2),
    "vibrato": 200 * 2 ** (0.5 / 12 * np.sin(2 * np.pi * 5.5 * T)),
}


@pytest.mark.parametrize("name", F0_CURVES)
@pytest.mark.parametrize("gain", [1.0, 0.003])
def test_f0_follows_tones_glides_and_vibrato(name: str, gain: float) -> None:
    config, f0 = AudioConfig(), F0_CURVES[name]
    tracked = audio.track_f0(gain * harmonics(f0, config.sample_rate), config)
    assert tracked.shape == (len(T) // 256,) and tracked.dtype == np.float32
    inner = slice(4, -4)
    centers = np.arange(len(tracked)) * 256 + 128
    cents = 1200 * np.abs(np.log2(np.maximum(tracked, 1) / f0[centers]))[inner]
    assert (tracked[inner] > 0).all()
    assert np.median(cents) < 5 and cents.max() < 40


def test_f0_is_zero_where_nothing_hums() -> None:
    config = AudioConfig()
    noise = np.random.default_rng(0).normal(0, 0.05, 22050).astype(np.float32)
    tone = harmonics(np.full(22050, 150.0), 22050)
    tracked = audio.track_f0(np.concatenate([noise, tone, noise]), config)
    voiced = tracked > 0
    seconds = (np.arange(len(tracked)) + 0.5) * 256 / 22050
    assert voiced[(seconds > 1.05) & (seconds < 1.95)].all()
    assert voiced[(seconds < 0.9) | (seconds > 2.1)].mean() < 0.03
    assert not audio.track_f0(np.zeros(22050, np.float32), config).any()
    assert audio.track_f0(tone[:300], config).shape == (1,)


def test_too_little_audio_for_a_frame_is_refused() -> None:
    with pytest.raises(AudioError, match="100 samples are too few for frames of 1024 samples"):
        audio.log_mel(np.zeros(100, np.float32), AudioConfig())


def test_configs_tell_their_differences() -> None:
    assert AudioConfig().differences(AudioConfig()) == []
    assert AudioConfig().differences(AudioConfig(sample_rate=24000, f_max=8000.0)) == ["sample_rate: 22050 / 24000"]
