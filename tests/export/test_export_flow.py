"""A voice that samples: what the runtime adds to the mel is what the torch model samples from the same noise."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_voice import AUDIO, TEXT, save_models

from speechnar.cli import main
from speechnar.config import Choice
from speechnar.export import export_voice, restore_voice
from speechnar.export.voice_graphs import smoothed
from speechnar.models.folder import ModelConfig, ModelError, load_model, save_model
from speechnar.models.tts.fastspeech2 import FastSpeech2
from speechnar.models.tts.flow_matching import FlowMatching, FlowMatchingConfig
from speechnar.runtime.flow import MEL, Sampling
from speechnar.runtime.frames import white_noise
from speechnar.runtime.speech import SpeechError
from speechnar.runtime.voice import Voice
from speechnar.text.symbols import EN_US, SymbolTable
from speechnar.train.provenance import digest_of

SIZES = {"mel": (8, 16 + 8), "prosody": (3, 16)}
FOLDERS = {"mel": "flow", "prosody": "prosody"}


def save_flow(folder: Path, latent: str, d_condition: int = 0, acoustic: str = "") -> None:
    torch.manual_seed(1)
    n_features, width = SIZES[latent]
    sizes = {"d_model": 8, "d_ff": 8, "kernel_size": 3, "n_layers": 1}
    config = FlowMatchingConfig(latent, n_features, d_condition or width, acoustic, **sizes)
    model = FlowMatching(config)
    torch.nn.init.normal_(model.out.weight)
    model.set_statistics(residual_std=torch.linspace(0.3, 0.5, n_features))
    save_model(folder, ModelConfig(AUDIO, Choice("flow_matching", config)), model)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folders with both latents, exported to `voice`, and with one of them, to `voice_mel`, `voice_prosody`."""
    whole = tmp_path_factory.mktemp("flow")
    save_models(whole)
    for latent, name in FOLDERS.items():
        save_flow(whole / name, latent)
        part = tmp_path_factory.mktemp(latent)
        save_models(part)
        save_flow(part / name, latent)
        export_voice(part, whole / f"voice_{latent}")
    export_voice(whole, whole / "voice")
    return whole


def test_the_runtime_adds_what_the_torch_model_samples(models: Path) -> None:
    voice = Voice(models / "voice_mel", threads=1)
    phones = ["h", "ə", "l"]
    given = [np.full((1, len(phones) + 2), value, np.float32) for value in (1.0, 0.0, 1.0, 0.0)]
    names = ("speed", "pitch_shift", "pitch_range", "energy")
    tokens = np.array([voice.symbols.encode(phones)])
    inputs = {"tokens": tokens, **dict(zip(names, given))}
    mel, condition = voice._acoustic.run(["mel", "condition"], inputs)
    sampled, *_ = voice.predict(phones, *given, sampling=Sampling(3, 0.7, (5, 0)))
    acoustic, _ = load_model(models / "acoustic")
    model, _ = load_model(models / "flow")
    noise = torch.from_numpy(white_noise((5, 0, MEL), mel.shape, 0.7))
    with torch.no_grad():
        expected = model.sample(noise, torch.from_numpy(condition), 3) * acoustic.mel_std
    np.testing.assert_allclose(sampled - mel[0], expected[0], atol=0.02)  # weights of 8 bits
    assert float(expected.abs().max()) > 0.2


@pytest.mark.parametrize("name", ["voice", "voice_mel", "voice_prosody"])
def test_a_seed_is_a_reading_and_at_temperature_0_there_is_one(models: Path, name: str) -> None:
    voice = Voice(models / name, threads=1)
    one, again, two = (voice.synthesize(TEXT, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.mel, again.mel)
    np.testing.assert_array_equal(one.wav, again.wav)
    assert one.mel.shape != two.mel.shape or np.abs(one.mel - two.mel).mean() > 0.01
    cold = [voice.synthesize(TEXT, seed=seed, temperature=0.0).mel for seed in (1, 2)]
    np.testing.assert_array_equal(*cold)


def test_only_the_latent_prosody_changes_f0_and_durations(models: Path) -> None:
    for name, changes in (("voice_mel", False), ("voice_prosody", True)):
        voice = Voice(models / name, threads=1)
        one, two = (voice.synthesize(TEXT, seed=seed) for seed in (1, 2))
        assert (one.f0.shape != two.f0.shape or not np.array_equal(one.f0, two.f0)) == changes
        assert (one.phones != two.phones) == changes


def test_steps_and_temperature_reach_the_audio_by_the_command_line(models: Path, tmp_path: Path) -> None:
    def spoken(*options: str) -> bytes:
        out = tmp_path / "out.wav"
        assert main(["synth", TEXT, "-o", str(out), "--voice", str(models / "voice"), "--threads", "1", *options]) == 0
        return out.read_bytes()

    usual = spoken()
    assert spoken("--steps", "2", "--temperature", "1") == usual
    assert (
        spoken("--steps", "4") != usual and spoken("--temperature", "0.5") != usual and spoken("--seed", "1") != usual
    )


def test_a_voice_that_samples_nothing_refuses_both(models: Path, tmp_path: Path) -> None:
    save_models(tmp_path)
    export_voice(tmp_path, tmp_path / "voice")
    voice = Voice(tmp_path / "voice", threads=1)
    with pytest.raises(SpeechError, match="the voice tiny does not sample its mel, so it has no steps: leave them out"):
        voice.synthesize(TEXT, steps=2)
    with pytest.raises(SpeechError, match="the voice tiny samples nothing, so it has no temperature: leave it out"):
        voice.synthesize(TEXT, temperature=1.0)
    with pytest.raises(SpeechError, match="so it has no steps"):
        Voice(models / "voice_prosody", threads=1).synthesize(TEXT, steps=2)


@pytest.mark.parametrize(
    ("control", "value", "message"),
    [
        ("steps", 0, "steps should be a whole number from 1 to 64 but is 0"),
        ("steps", 65, "steps should be a whole number from 1 to 64 but is 65"),
        ("temperature", -0.5, "temperature should be a number from 0 to 2 but is -0.5"),
        ("temperature", float("nan"), "temperature should be a number from 0 to 2 but is nan"),
    ],
)
def test_values_out_of_range_are_refused(models: Path, control: str, value: float, message: str) -> None:
    with pytest.raises(SpeechError, match=message):
        Voice(models / "voice", threads=1).synthesize(TEXT, **{control: value})


def test_an_export_without_a_flow_removes_the_former_one(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "voice", tmp_path / "voice")
    save_models(tmp_path)
    export_voice(tmp_path, tmp_path / "voice")
    assert not (tmp_path / "voice" / "flow.onnx").exists()
    assert len(Voice(tmp_path / "voice", threads=1).synthesize(TEXT).wav)


def test_a_flow_of_another_latent_or_acoustic_model_is_refused(tmp_path: Path) -> None:
    save_models(tmp_path)
    save_flow(tmp_path / "flow", "prosody")
    with pytest.raises(ModelError, match="should hold a flow_matching model of the latent mel"):
        export_voice(tmp_path, tmp_path / "voice")
    save_flow(tmp_path / "flow", "mel", d_condition=40)
    with pytest.raises(ModelError, match="trained on another acoustic model"):
        export_voice(tmp_path, tmp_path / "voice")


def test_a_flow_of_an_acoustic_model_that_was_trained_further_is_refused(tmp_path: Path) -> None:
    save_models(tmp_path)
    save_flow(tmp_path / "flow", "mel", acoustic=digest_of(tmp_path / "acoustic"))
    export_voice(tmp_path, tmp_path / "voice")
    model, config = load_model(tmp_path / "acoustic")
    model.duration_out.bias.data += 0.1
    save_model(tmp_path / "acoustic", config, model, SymbolTable.load(tmp_path / "acoustic" / "tokens.txt"))
    with pytest.raises(ModelError, match="the mel of .* was trained on another acoustic model"):
        export_voice(tmp_path, tmp_path / "voice")


def test_each_speaker_of_a_voice_has_readings(tmp_path: Path) -> None:
    save_models(tmp_path)
    _, config = load_model(tmp_path / "acoustic")
    sizes = dataclasses.replace(config.model.value, speakers=("ann", "bob"))
    torch.manual_seed(3)
    acoustic = FastSpeech2(sizes)
    acoustic.duration_out.bias.data.fill_(1.8)  # about 5 frames a token
    acoustic.set_statistics(log_f0_mean=[5.3, 4.7], log_f0_std=[0.2, 0.2])
    acoustic.set_statistics(common_log_f0_mean=5.0, common_log_f0_std=0.3)
    named = ModelConfig(AUDIO, Choice("fastspeech2", sizes))
    save_model(tmp_path / "acoustic", named, acoustic, SymbolTable(EN_US))
    save_flow(tmp_path / "prosody", "prosody")
    export_voice(tmp_path, tmp_path / "voice")
    voice = Voice(tmp_path / "voice", threads=1)
    for speaker, log_f0 in (("ann", 5.3), ("bob", 4.7)):
        one, again, two = (voice.synthesize(TEXT, speaker=speaker, seed=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one.f0, again.f0)
        assert one.f0.shape != two.f0.shape or not np.allclose(one.f0, two.f0)
        for reading in (one, two):
            assert np.log(reading.f0[reading.f0 > 0]).mean() == pytest.approx(log_f0, abs=0.3)


@pytest.mark.parametrize("name", ["voice_mel", "voice_prosody"])
def test_such_a_voice_is_not_restored(models: Path, name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="samples, and such a voice cannot be restored"):
        restore_voice(models / name, tmp_path / "models")


def test_the_prosody_of_tokens_does_not_jump_where_one_ends() -> None:
    values = torch.tensor([0.0] * 20 + [9.0] * 20)[None, :, None]
    made = smoothed(values)[0, :, 0]
    assert made.shape == (40,) and float(made.diff().max()) == pytest.approx(1.0)
    assert made[0] == 0 and made[-1] == 9
