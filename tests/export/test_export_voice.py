"""Export: the voice folder that the runtime reads says what the torch models say."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import torch

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.export import VoiceCard, export_voice
from speechnar.models.fastspeech2 import FastSpeech2, FastSpeech2Config
from speechnar.models.folder import ModelConfig, ModelError, save_model
from speechnar.models.harmonic_vocos import HarmonicVocos, HarmonicVocosConfig
from speechnar.runtime.voice import Voice
from speechnar.text.symbols import EN_US, SymbolTable

AUDIO = AudioConfig(sample_rate=8000, n_fft=300, hop_length=100, win_length=300, n_mels=8, f_max=4000)
TEXT = "Hello there, my friend."


def save_models(folder, vocoder_audio=AUDIO):
    torch.manual_seed(0)
    symbols = SymbolTable(EN_US)
    acoustic = FastSpeech2Config(
        n_symbols=len(EN_US), n_mels=8, d_model=16, d_ff=160, n_heads=2, encoder_layers=1, prosody_layers=1,
        decoder_layers=2,
    )  # fmt: skip
    vocoder = HarmonicVocosConfig(d_model=16, d_ff=32, n_layers=2)
    model = FastSpeech2(acoustic)
    model.duration_out.bias.data.fill_(1.8)  # about 5 frames a token
    model.set_statistics(log_f0_mean=5.0, log_f0_std=0.2)
    save_model(folder / "acoustic", ModelConfig(AUDIO, fastspeech2=acoustic), model, symbols)
    save_model(
        folder / "vocoder", ModelConfig(vocoder_audio, harmonic_vocos=vocoder), HarmonicVocos(vocoder, vocoder_audio)
    )
    config.save(VoiceCard("tiny", "en-us", "CC0", "none"), folder / "voice.yaml")


@pytest.fixture(scope="module")
def voice_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    save_models(folder)
    export_voice(folder, folder / "voice")
    return folder / "voice"


def test_an_exported_voice_speaks(voice_dir):
    speech = Voice(voice_dir, threads=1).synthesize(TEXT)
    assert speech.sample_rate == 8000
    assert len(speech.wav) == len(speech.f0) * 100 == len(speech.mel) * 100
    assert np.isfinite(speech.wav).all() and speech.wav.std() > 0


def test_a_stream_is_the_whole_in_pieces(voice_dir):
    voice = Voice(voice_dir, threads=1)
    whole = voice.synthesize(TEXT * 4).wav
    pieces = list(voice.stream(TEXT * 4))
    assert len(pieces) > 2
    difference = np.concatenate(pieces) - whole
    assert 10 * np.log10((difference**2).mean() / (whole**2).mean() + 1e-20) < -60


def test_controls_change_what_they_name_and_nothing_else(voice_dir):
    voice = Voice(voice_dir, threads=1)
    plain = voice.synthesize(TEXT)
    higher = voice.synthesize(TEXT, pitch=12.0)
    voiced = plain.f0 > 0
    assert voiced.any()
    np.testing.assert_allclose(higher.f0[voiced], 2 * plain.f0[voiced], rtol=1e-4)
    assert higher.phones == plain.phones
    louder = voice.synthesize(TEXT, energy=6.0)
    np.testing.assert_allclose(louder.mel - plain.mel, 6 * np.log(10) / 20, atol=1e-3)
    np.testing.assert_allclose(louder.f0, plain.f0, rtol=1e-5)
    monotone = voice.synthesize(TEXT, pitch_range=0.0)
    np.testing.assert_allclose(monotone.f0[monotone.f0 > 0], np.exp(5.0), rtol=1e-4)
    slower = voice.synthesize(TEXT, speed=0.5)
    assert len(slower.wav) == pytest.approx(2 * len(plain.wav), rel=0.02)


def test_weights_are_stored_as_integers_and_fourier_matrices_as_a_formula(voice_dir):
    for name in ("acoustic", "vocoder"):
        for tensor in onnx.load(str(voice_dir / f"{name}.onnx")).graph.initializer:
            large = tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1 and np.prod(tensor.dims) > 2048
            assert not large, tensor.name


def test_models_of_two_audio_configs_are_refused(tmp_path):
    save_models(tmp_path, AudioConfig(sample_rate=8000, n_fft=300, hop_length=100, win_length=300, n_mels=8))
    with pytest.raises(ModelError, match="f_max: 4000.0 / 8000.0"):
        export_voice(tmp_path, tmp_path / "voice")
    assert not (tmp_path / "voice").exists()


def test_the_symbols_are_those_of_training(voice_dir):
    assert tuple(json.loads((voice_dir / "voice.json").read_text())["symbols"]) == tuple(EN_US)
