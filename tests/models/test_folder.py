"""Model folders: written and read back, broken ones refused; the recipes' configs build."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.models.folder import ModelConfig, ModelError, build, load_model, save_model
from speechnar.models.tts.fastspeech2 import FastSpeech2Config
from speechnar.models.vocoder.discriminators import Discriminators, MelDiscriminator, WaveDiscriminators
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocosConfig
from speechnar.models.vocoder.hifigan import HiFiGAN, HiFiGANConfig
from speechnar.tasks.acoustic import AcousticConfig
from speechnar.tasks.vocoder import VocoderConfig
from speechnar.text.symbols import SymbolTable

AUDIO = AudioConfig(sample_rate=8000, n_fft=256, hop_length=80, win_length=256, n_mels=6, f_min=0.0, f_max=4000.0)
ACOUSTIC = FastSpeech2Config(5, 6, d_model=8, d_ff=8, n_heads=2, encoder_layers=1, prosody_layers=1, decoder_layers=1)
CONFIGS = {
    "acoustic": ModelConfig(AUDIO, Choice("fastspeech2", ACOUSTIC)),
    "vocoder": ModelConfig(AUDIO, Choice("harmonic_vocos", HarmonicVocosConfig(d_model=8, d_ff=8, n_layers=1))),
    "hifigan": ModelConfig(AUDIO, Choice("hifigan", HiFiGANConfig(2, (10, 8), (20, 16), 8, (3,), ((1, 2),)))),
}
TRAINING = [
    path
    for pattern in (
        "recipes/*/conf/acoustic*.yaml",
        "recipes/*/conf/vocoder*.yaml",
        "egs/*/conf/acoustic*.yaml",
        "egs/*/conf/vocoder*.yaml",
    )
    for path in sorted(Path(__file__).parents[2].glob(pattern))
]


@pytest.fixture(params=CONFIGS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, ModelConfig, nn.Module]:
    torch.manual_seed(0)
    config = CONFIGS[request.param]
    model = build(config)
    if not isinstance(model, HiFiGAN):
        model.set_statistics(mel_mean=[float(n) for n in range(6)], log_f0_std=0.5)
    save_model(tmp_path / "model", config, model, SymbolTable() if request.param == "acoustic" else None)
    return tmp_path / "model", config, model


def test_round_trip(saved: tuple[Path, ModelConfig, nn.Module]) -> None:
    folder, config, model = saved
    read, found = load_model(folder)
    assert found == config and not read.training
    assert read.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, read.state_dict()[name]) for name, value in model.state_dict().items())
    assert not list(folder.glob("*.part"))
    assert (folder / "tokens.txt").exists() == (config.model.name == "fastspeech2")


def test_saving_again_replaces_the_weights(saved: tuple[Path, ModelConfig, nn.Module]) -> None:
    folder, config, model = saved
    with torch.no_grad():
        next(model.parameters()).fill_(3.0)
    save_model(folder, config, model)
    assert (next(load_model(folder)[0].parameters()) == 3).all()


@pytest.mark.parametrize("kept", [0, 5, 300, -1])
def test_a_truncated_file_is_refused_in_one_sentence(saved: tuple[Path, ModelConfig, nn.Module], kept: int) -> None:
    path = saved[0] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match="model.safetensors is broken or does not fit") as error:
        load_model(saved[0])
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_weights_of_another_width_are_refused_in_one_sentence(tmp_path: Path) -> None:
    save_model(tmp_path, CONFIGS["acoustic"], build(CONFIGS["acoustic"]))
    config_files.save(CONFIGS["vocoder"], tmp_path / "config.yaml")
    with pytest.raises(ModelError, match="does not fit") as error:
        load_model(tmp_path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_missing_files_are_named(saved: tuple[Path, ModelConfig, nn.Module]) -> None:
    folder = saved[0]
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="has no model.safetensors: train the model first"):
        load_model(folder)
    (folder / "config.yaml").unlink()
    with pytest.raises(config_files.ConfigError, match="config.yaml"):
        load_model(folder)


def test_a_config_names_one_model(tmp_path: Path) -> None:
    values = config_files.to_dict(CONFIGS["vocoder"])
    with pytest.raises(config_files.ConfigError, match="none of fastspeech2, flow_matching, harmonic_vocos"):
        config_files.from_dict(ModelConfig, {"audio": values["audio"]})
    with pytest.raises(config_files.ConfigError, match="has harmonic_vocos and aligner: keep one of them"):
        config_files.from_dict(ModelConfig, values | {"aligner": {}})
    with pytest.raises(config_files.ConfigError, match="unknown key 'harmonic_vocs'; did you mean 'harmonic_vocos'"):
        config_files.from_dict(ModelConfig, {"audio": values["audio"], "harmonic_vocs": {}})


def test_the_folders_of_earlier_versions_name_every_model() -> None:
    values = config_files.to_dict(CONFIGS["vocoder"]) | {"whisper": None, "ctc": None}
    assert config_files.from_dict(ModelConfig, values) == CONFIGS["vocoder"]


def test_there_are_training_configs() -> None:
    assert {"acoustic.yaml", "vocoder.yaml"} <= {path.name for path in TRAINING}


@pytest.mark.parametrize("path", TRAINING, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_a_recipe_s_config_loads_and_builds_with_weights_of_real_terms(path: Path) -> None:
    other = Path(__file__).parents[2] / "recipes" / "ljspeech" / "conf" / "audio.yaml"
    own = path.parent / "audio.yaml"
    audio = config_files.load(AudioConfig, own if own.exists() else other)  # as recipes/voice.sh has it
    with torch.device("meta"):
        if path.name.startswith("acoustic"):
            acoustic = config_files.load(AcousticConfig, path)
            build(ModelConfig(audio, acoustic.model))
            terms, weights = {"mel", "duration", "log_f0", "voiced", "energy"}, acoustic.weights
            if acoustic.discriminator:
                MelDiscriminator(acoustic.discriminator)
                terms |= {"adversarial", "features"}
        else:
            vocoder = config_files.load(VocoderConfig, path)
            build(ModelConfig(audio, vocoder.model))
            terms, weights = {"mel", "magnitude"}, vocoder.weights
            if vocoder.wave_discriminators:
                WaveDiscriminators(vocoder.wave_discriminators)
                terms |= {"adversarial", "features"}
            if vocoder.discriminators:
                Discriminators(vocoder.discriminators)
                terms |= {"adversarial", "features"}
                assert vocoder.segment_frames * audio.hop_length > max(2048, *vocoder.discriminators.windows)
    assert weights.keys() <= terms
