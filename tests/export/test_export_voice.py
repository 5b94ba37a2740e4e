"""Export: the voice folder that the runtime reads says what the torch models say."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import torch
from tiny_voice import AUDIO, TEXT, save_models

from speechnar.audio import AudioConfig
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.export import export_voice, restore_voice
from speechnar.models.folder import ModelConfig, ModelError, load_model, save_model
from speechnar.models.vocoder.hifigan import HiFiGAN, HiFiGANConfig
from speechnar.runtime import Controls
from speechnar.runtime.voice import Voice
from speechnar.text.symbols import EN_US


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


HIFIGAN = HiFiGANConfig(2, (10, 10), (20, 20), 16, (3,), ((1, 2),))


@pytest.fixture(scope="module")
def hifigan_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hifigan")
    save_models(folder)
    acoustic, acoustic_config = load_model(folder / "acoustic")
    for tensor in acoustic.state_dict().values():
        tensor += 0.01 * torch.rand(tensor.shape)  # no two weights are equal after training
    save_model(folder / "acoustic", acoustic_config, acoustic)
    model = HiFiGAN(HIFIGAN, AUDIO)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    model.mel_mean.fill_(0.5)
    save_model(folder / "vocoder", ModelConfig(AUDIO, Choice("hifigan", HIFIGAN)), model)
    export_voice(folder, folder / "voice")
    return folder


def test_a_voice_may_have_a_hifigan(hifigan_dir):
    voice = Voice(hifigan_dir / "voice", threads=1)
    whole = voice.synthesize(TEXT * 4)
    model, _ = load_model(hifigan_dir / "vocoder")
    (frames,) = voice.frames(TEXT, Controls())
    with torch.no_grad():
        expected = model(torch.from_numpy(frames.mel[None])).wav[0]
    faded = AUDIO.sample_rate // 50  # the last 20 ms
    made = np.concatenate(list(voice.vocode(frames)))
    np.testing.assert_allclose(made[:-faded], expected[:-faded], atol=1e-4)
    assert whole.wav.std() > 1e-3
    np.testing.assert_allclose(np.concatenate(list(voice.stream(TEXT * 4))), whole.wav, atol=1e-5)


def test_a_voice_with_a_hifigan_is_restored(hifigan_dir, tmp_path):
    restore_voice(hifigan_dir / "voice", tmp_path / "models")
    restored, config_found = load_model(tmp_path / "models" / "vocoder")
    original, _ = load_model(hifigan_dir / "vocoder")
    assert config_found.model.value == HIFIGAN
    assert all(torch.equal(value, restored.state_dict()[name]) for name, value in original.state_dict().items())


def test_a_vocoder_from_elsewhere_is_taken_or_refused_by_its_audio_config(hifigan_dir, tmp_path):
    model, _ = load_model(hifigan_dir / "vocoder")
    state = {name: value for name, value in model.state_dict().items() if not name.startswith("mel_")}
    torch.save({"generator": state}, tmp_path / "generator.pth")
    described = {
        "resblock": "2", "upsample_rates": [10, 10], "upsample_kernel_sizes": [20, 20], "upsample_initial_channel": 16,
        "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 2]], "num_mels": 8, "n_fft": 300,
        "hop_size": 100, "win_size": 300, "sampling_rate": 8000, "fmin": 0, "fmax": 4000,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(described))
    assert main(["export", str(hifigan_dir), str(tmp_path / "voice"), "--vocoder", str(tmp_path)]) == 0
    assert Voice(tmp_path / "voice", threads=1).synthesize(TEXT).wav.any()
    (tmp_path / "config.json").write_text(json.dumps(described | {"sampling_rate": 16000, "fmin": 50}))
    with pytest.raises(ModelError, match="differ in sample_rate: 8000 / 16000, f_min: 0.0 / 50.0: "):
        export_voice(hifigan_dir, tmp_path / "other", str(tmp_path))
    assert not (tmp_path / "other").exists()
