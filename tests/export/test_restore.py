"""Restoring: the torch models of a voice say what the voice says, and make the same voice again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.export import VoiceCard, export_voice, restore_voice
from speechnar.models.folder import ModelConfig, ModelError, build, load_model, save_model
from speechnar.models.tts.fastspeech2 import FastSpeech2Config
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocosConfig
from speechnar.runtime.voice import Voice
from speechnar.text.symbols import EN_US, SymbolTable

AUDIO = AudioConfig(sample_rate=8000, n_fft=300, hop_length=100, win_length=300, n_mels=8, f_max=4000)
ACOUSTIC = FastSpeech2Config(
    n_symbols=len(EN_US), n_mels=8, d_model=16, d_ff=160, kernel_size=3, n_heads=2, encoder_layers=1,
    prosody_layers=2, decoder_layers=3,
)  # fmt: skip
VOCODER = HarmonicVocosConfig(d_model=16, d_ff=32, n_layers=2)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folders in which no two weights are equal, as after training; exported to `voice`."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    for kind, found in (("fastspeech2", ACOUSTIC), ("harmonic_vocos", VOCODER)):
        model_config = ModelConfig(AUDIO, Choice(kind, found))
        model = build(model_config)
        for name, tensor in model.state_dict().items():
            tensor += 0.1 * torch.rand(tensor.shape) if tensor.is_floating_point() else 0
            if name == "duration_out.bias":
                tensor += 1.8  # about 5 frames a token
        name = "acoustic" if kind == "fastspeech2" else "vocoder"
        save_model(folder / name, model_config, model, SymbolTable(EN_US) if name == "acoustic" else None)
    config.save(VoiceCard("tiny", "en-us", "CC0", "none", {"WER": 3.0}, noise_scale=0.5), folder / "voice.yaml")
    export_voice(folder, folder / "voice")
    return folder


@pytest.fixture(scope="module")
def restored(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("restored") / "models"
    restore_voice(models / "voice", folder)
    return folder


@pytest.mark.parametrize("name", ["acoustic", "vocoder"])
def test_every_weight_comes_back_as_near_as_eight_bits_allow(models: Path, restored: Path, name: str) -> None:
    (before, config_before), (after, config_after) = load_model(models / name), load_model(restored / name)
    assert config_before == config_after
    small = before.state_dict()
    for key, tensor in after.state_dict().items():
        step = float(small[key].abs().max()) / 127 if tensor.dim() >= 2 and tensor.numel() > 2048 else 0.0
        np.testing.assert_allclose(tensor, small[key], atol=1.01 * step, rtol=0, err_msg=key)


def test_the_card_and_the_symbols_come_back(models: Path, restored: Path) -> None:
    cards = [config.load(VoiceCard, folder / "voice.yaml") for folder in (models, restored)]
    assert cards[0] == cards[1]
    tables = [SymbolTable.load(folder / "acoustic" / "tokens.txt") for folder in (models, restored)]
    assert tables[0] == tables[1]


def test_exported_again_it_speaks_the_same(models: Path, restored: Path, tmp_path: Path) -> None:
    export_voice(restored, tmp_path / "voice")
    voices = (Voice(folder / "voice", threads=1) for folder in (models, tmp_path))
    first, second = (voice.synthesize("Hello there.") for voice in voices)
    assert first.phones == second.phones
    np.testing.assert_allclose(second.mel, first.mel, atol=1e-5)
    np.testing.assert_allclose(second.wav, first.wav, atol=1e-5)


def test_the_embedded_voice_can_be_restored_from_the_command_line(tmp_path: Path) -> None:
    assert main(["restore", "heart", str(tmp_path / "models")]) == 0
    model, _ = load_model(tmp_path / "models" / "acoustic")
    assert model.config.n_symbols == len(SymbolTable.load(tmp_path / "models" / "acoustic" / "tokens.txt"))
    assert load_model(tmp_path / "models" / "vocoder")[1].audio.sample_rate == 24000


def test_a_folder_with_something_in_it_is_left_alone(models: Path, tmp_path: Path) -> None:
    (tmp_path / "acoustic").mkdir()
    with pytest.raises(ModelError, match="is not empty: name a new folder"):
        restore_voice(models / "voice", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["acoustic"]


def broken(models: Path, folder: Path, **changes: object) -> Path:
    shutil.copytree(models / "voice", folder)
    origin = json.loads((folder / "origin.json").read_text())
    origin["acoustic"] |= changes
    (folder / "origin.json").write_text(json.dumps(origin))
    return folder


def test_an_provenance_of_another_voice_is_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="lacks embedding.weight in the shape"):
        restore_voice(broken(models, tmp_path / "voice", d_model=32), tmp_path / "out")
    with pytest.raises(ModelError, match="differs from it by"):  # as many weights, other sums
        restore_voice(broken(models, tmp_path / "voice2", n_heads=4), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_an_origin_the_cure_is_named(models: Path, tmp_path: Path) -> None:
    (broken(models, tmp_path / "voice") / "origin.json").unlink()
    with pytest.raises(ModelError, match="has no origin.json, .*: export it again"):
        restore_voice(tmp_path / "voice", tmp_path / "out")


def test_a_damaged_graph_is_named(models: Path, tmp_path: Path) -> None:
    graph = broken(models, tmp_path / "voice") / "vocoder.onnx"
    graph.write_bytes(graph.read_bytes()[:5000])
    with pytest.raises(ModelError, match="vocoder.onnx cannot be read"):
        restore_voice(tmp_path / "voice", tmp_path / "out")
    assert not (tmp_path / "out").exists()
