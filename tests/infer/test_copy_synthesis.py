"""Copy-synthesis: the mel of a recording against librosa's, and the vocoder's output for it, in pieces and whole."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from speechnar import audio
from speechnar.audio import AudioConfig, AudioError
from speechnar.config import Choice
from speechnar.hub.published import LoadedVocoder
from speechnar.infer import copy_synthesis
from speechnar.models.folder import ModelConfig
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocos, HarmonicVocosConfig
from speechnar.models.vocoder.hifigan import HiFiGAN, HiFiGANConfig

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, hop_length=16, win_length=64, n_mels=8, f_min=0.0, f_max=4000.0)
CONFIG = HiFiGANConfig(1, (4, 4), (8, 8), 8, (3, 5), ((1, 3), (1, 3)))


WAV = np.random.default_rng(0).normal(0, 0.1, 16 * 100).astype(np.float32)


@pytest.mark.parametrize("chunk", [7, 400])
def test_the_mel_is_hifigan_s_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(copy_synthesis, "CHUNK", chunk)
    got = copy_synthesis.log_mel(WAV, AUDIO, 1e-5, centered=False)
    np.testing.assert_allclose(got, audio.log_mel(WAV, AUDIO), atol=1e-4)
    assert len(copy_synthesis.log_mel(WAV[:-15], AUDIO, 1e-5, centered=False)) == 100


@pytest.mark.parametrize("chunk", [7, 400])
def test_a_centered_mel_is_librosa_s(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(copy_synthesis, "CHUNK", chunk)
    wav = WAV.copy()
    wav[800:1000] *= 1e-9
    mel = librosa.feature.melspectrogram(
        y=wav, sr=8000, n_fft=64, hop_length=16, power=1.0, n_mels=8, fmin=0, fmax=4000, pad_mode="reflect"
    )
    got = copy_synthesis.log_mel(wav, AUDIO, 1e-10, centered=True)
    np.testing.assert_allclose(got, np.log(np.maximum(mel.T[:100], 1e-10)), atol=2e-3)
    assert got.min() < np.log(1e-8)


def test_a_recording_shorter_than_a_frame_is_refused() -> None:
    with pytest.raises(AudioError, match="32 samples are too few for frames of 64 samples"):
        copy_synthesis.log_mel(np.zeros(32, np.float32), AUDIO, 1e-5, centered=False)


@torch.no_grad()
@pytest.mark.parametrize("chunk", [9, 400])
def test_a_copy_is_the_vocoder_s_output_for_the_mel(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    torch.manual_seed(0)
    model = HiFiGAN(CONFIG, AUDIO).eval()
    for parameter in model.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.3)
    vocoder = LoadedVocoder(model, ModelConfig(AUDIO, Choice("hifigan", CONFIG)))
    mel = copy_synthesis.log_mel(WAV[:-5], AUDIO, 1e-5, centered=False)
    expected = model(torch.from_numpy(mel)[None]).wav[0, :-5]
    monkeypatch.setattr(copy_synthesis, "CHUNK", chunk)
    pieces = list(copy_synthesis.copy_by_vocoder(vocoder, WAV[:-5]))
    assert len(pieces) == (12 if chunk == 9 else 1)
    np.testing.assert_allclose(np.concatenate(pieces), expected, atol=1e-5)


@torch.no_grad()
def test_a_copy_by_harmonic_vocos_follows_the_pitch(monkeypatch: pytest.MonkeyPatch) -> None:
    audio_config = AudioConfig(8000, 256, 80, 256, 8, 0.0, 4000.0)
    config = HarmonicVocosConfig(d_model=8, d_ff=16, kernel_size=3, n_layers=1)
    torch.manual_seed(0)
    vocoder = LoadedVocoder(
        HarmonicVocos(config, audio_config).eval(), ModelConfig(audio_config, Choice("harmonic_vocos", config))
    )
    wav = (0.2 * np.sign(np.sin(2 * np.pi * 200 * np.arange(8000) / 8000))).astype(np.float32)
    whole = np.concatenate(list(copy_synthesis.copy_by_vocoder(vocoder, wav)))
    assert len(whole) == 8000
    monkeypatch.setattr(copy_synthesis, "CHUNK", 17)
    np.testing.assert_allclose(
        np.concatenate(list(copy_synthesis.copy_by_vocoder(vocoder, wav))), whole, atol=1e-2 * np.abs(whole).max()
    )
    power = np.abs(np.fft.rfft(whole * np.hanning(8000))) ** 2
    assert power[[200, 400, 600]].sum() > 20 * power[[300, 500, 700]].sum()
