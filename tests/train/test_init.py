"""Training that starts from another model: what is taken, what is left, what stays frozen, and what is said of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_acoustic import CONFIG, MODEL

from speechnar.audio import AudioConfig
from speechnar.cli import main
from speechnar.config import Choice, save
from speechnar.data.dataset import SpeechData
from speechnar.models.folder import ModelConfig, ModelError, load_model, save_model
from speechnar.models.tts.fastspeech2 import FastSpeech2
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocos, HarmonicVocosConfig
from speechnar.tasks.acoustic import AcousticTask, train_acoustic
from speechnar.text.symbols import SymbolTable
from speechnar.train.init import freeze, start_from

Features = tuple[Path, Path, Path]
AUDIO = AudioConfig(sample_rate=8000, n_fft=256, hop_length=100, win_length=256, n_mels=12)


def model_of(symbols: str, **changes: Any) -> FastSpeech2:
    return FastSpeech2(dataclasses.replace(MODEL, n_symbols=len(table_of(symbols)), **changes))


def table_of(symbols: str) -> SymbolTable:
    return SymbolTable(("<pad>", "<s>", "</s>", *symbols.split()))


def config_of(model: FastSpeech2) -> ModelConfig:
    return ModelConfig(AUDIO, Choice("fastspeech2", model.config))


def saved(folder: Path, symbols: str, audio: AudioConfig = AUDIO, **changes: Any) -> FastSpeech2:
    torch.manual_seed(1)
    model = model_of(symbols, **changes)
    model.set_statistics(log_f0_mean=4.0, energy_std=3.0)
    save_model(folder, ModelConfig(audio, Choice("fastspeech2", model.config)), model, table_of(symbols))
    return model


def test_weights_come_by_name_and_embeddings_by_symbol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = saved(tmp_path, "ˈæ b d")
    model = model_of("d æ b ʃ")
    anew = model.embedding.weight[6].clone()
    start_from(model, config_of(model), tmp_path, table_of("d æ b ʃ"))
    rows = source.embedding.weight[[0, 1, 2, 5, 3, 4]]  # æ starts as its stressed self
    assert torch.equal(model.embedding.weight, torch.cat([rows, anew[None]]))
    ours, theirs = model.state_dict(), source.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs if name != "embedding.weight")
    n = len(theirs)
    said = f"from {tmp_path}: {n} of {n} weights taken; symbols near: 'æ' as 'ˈæ'; symbols new: 'ʃ'\n"
    assert capsys.readouterr().err == said


def test_what_does_not_fit_starts_anew_and_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = saved(tmp_path, "b d", decoder_layers=2)
    torch.manual_seed(2)
    model = model_of("b d", n_mels=10)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    start_from(model, config_of(model), tmp_path, table_of("b d"), kept=["log_f0_mean"])
    left = {"mel_out.weight", "mel_out.bias", "mel_mean", "mel_std"}
    for name, tensor in model.state_dict().items():
        expected = before[name] if name in left | {"log_f0_mean"} else source.state_dict()[name]
        assert torch.equal(tensor, expected), name
    said = capsys.readouterr().err
    assert "; not taken: mel_mean, mel_std, mel_out.weight, mel_out.bias; " in said
    unused = sum(name.startswith("decoder.blocks.1.") for name in source.state_dict())
    assert "; not in this model: decoder.blocks.1." in said and f" and {unused - 6} more\n" in said


ANN, BOB = {"log_f0_mean": 5.5, "log_f0_std": 0.3}, {"log_f0_mean": 4.5, "log_f0_std": 0.15}
TWO = {name: [ANN[name], BOB[name]] for name in ANN} | {"common_log_f0_mean": 5.0, "common_log_f0_std": 0.5}


@pytest.mark.parametrize("theirs", [(), ("ann", "bob")])
@pytest.mark.parametrize("ours", [(), ("ann", "eve")])
def test_the_same_hz_sound_the_same_under_other_f0_statistics(
    theirs: tuple[str, ...], ours: tuple[str, ...], tmp_path: Path
) -> None:
    source = model_of("b d", speakers=theirs).eval()
    source.set_statistics(**(TWO if theirs else BOB), energy_std=3.0)
    save_model(tmp_path, ModelConfig(AUDIO, Choice("fastspeech2", source.config)), source, table_of("b d"))
    model = model_of("b d", speakers=ours).eval()
    model.set_statistics(**(TWO | {"common_log_f0_mean": 4.8} if ours else ANN), energy_std=3.0)
    statistics = [name for name, _ in model.named_buffers()]
    start_from(model, config_of(model), tmp_path, table_of("b d"), kept=statistics)
    generator = torch.Generator().manual_seed(3)
    f0 = (60 + 300 * torch.rand(1, 9, generator=generator)) * (torch.rand(1, 9, generator=generator) > 0.4)
    energy = torch.randn(1, 9, generator=generator)
    given = {"tokens": torch.tensor([[3, 4, 3]]), "token_lengths": torch.tensor([3]), "energy": energy}
    given |= {"durations": torch.tensor([[2, 3, 4]]), "mel_lengths": torch.tensor([9])}
    with torch.no_grad():
        expected = source(**given, f0=f0, speakers=torch.tensor([0])).mel
        for number in range(max(1, len(ours))):
            speakers = torch.tensor([number])
            torch.testing.assert_close(model(**given, f0=f0, speakers=speakers).mel, expected, atol=1e-4, rtol=1e-4)
            higher = model(**given, f0=f0 * 1.1, speakers=speakers).mel
            assert float((higher - expected).abs().max()) > 1e-2


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    vocoder = HarmonicVocosConfig(d_model=8, d_ff=8, n_layers=1)
    save_model(tmp_path, ModelConfig(AUDIO, Choice("harmonic_vocos", vocoder)), HarmonicVocos(vocoder, AUDIO))
    with pytest.raises(ModelError, match="holds the model harmonic_vocos, not fastspeech2: start from another"):
        start_from(model_of("b"), config_of(model_of("b")), tmp_path, table_of("b"))


def test_another_audio_config_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, "b", dataclasses.replace(AUDIO, f_max=3500.0))
    with pytest.raises(ModelError, match="data differ in f_max: 3500.0 / .*: prepare the data with its audio"):
        start_from(model_of("b"), config_of(model_of("b")), tmp_path, table_of("b"))


def test_a_model_of_which_nothing_fits_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, "b")
    model = FastSpeech2(dataclasses.replace(MODEL, n_symbols=4, n_mels=9, d_model=12, d_ff=20, kernel_size=5))
    buffers = [name for name, _ in model.named_buffers()]
    heads = ["prosody_out.bias", "duration_out.bias"]  # are of one size in all models
    with pytest.raises(ModelError, match="no weight of .* fits the training config's model"):
        start_from(model, config_of(model), tmp_path, table_of("b"), kept=buffers + heads)


def test_frozen_parts_are_whole_modules_or_weights() -> None:
    model = model_of("b d")
    freeze(model, ["encoder", "duration", "mel_out.bias"])
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    parts = ("encoder.", "duration.")  # and neither duration_net nor duration_out
    assert frozen == {n for n, _ in model.named_parameters() if n.startswith(parts)} | {"mel_out.bias"}


@pytest.mark.parametrize(
    ("parts", "cure"),
    [(["encodr"], "did you mean 'encoder'?"), (["xyz"], "take embedding, encoder, attention"), ([""], "no part ''")],
)
def test_unknown_parts_to_freeze_are_named(parts: list[str], cure: str) -> None:
    with pytest.raises(ModelError) as error:
        freeze(model_of("b"), parts)
    assert cure in str(error.value)


def test_freezing_all_is_refused() -> None:
    model = model_of("b")
    with pytest.raises(ModelError, match="leaves nothing to train"):
        freeze(model, [name for name, _ in model.named_children()])


def test_training_from_a_model_keeps_its_frozen_weights_and_the_features_statistics(
    hummed_features: Features, tmp_path: Path
) -> None:
    data = SpeechData(hummed_features[1], hummed_features[0])
    source = saved(tmp_path / "source", "x y z", data.audio)
    config = dataclasses.replace(CONFIG, freeze=("encoder", "attention"))
    train_acoustic(config, *hummed_features, tmp_path / "out", tmp_path / "source")
    model, _ = load_model(tmp_path / "out")
    for name, weight in model.named_parameters():
        if not name.startswith(("embedding", "mel_out", "duration_out")):
            frozen = name.startswith(("encoder.", "attention."))
            assert torch.equal(weight, source.state_dict()[name]) == frozen, name
    assert float(model.log_f0_mean) == pytest.approx(data.stats.log_f0_mean)
    np.testing.assert_allclose(model.mel_std, data.stats.mel_std, rtol=1e-6)


def test_without_steps_the_task_has_the_weights_given(hummed_features: Features, tmp_path: Path) -> None:
    data = SpeechData(hummed_features[1], hummed_features[0])
    source = saved(tmp_path, "x y z", data.audio)
    task = AcousticTask(CONFIG, *hummed_features, init=tmp_path)
    assert torch.equal(task.model.mel_out.weight, source.mel_out.weight)
    assert torch.equal(task.model.embedding.weight[:3], source.embedding.weight[:3])


def test_the_command_line_names_what_is_wrong(
    hummed_features: Features, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features, train, dev = map(str, hummed_features)
    save(CONFIG, tmp_path / "config.yaml")
    args = [str(tmp_path / "config.yaml"), "--features", features, "--train", train, "--dev", dev]
    out = ["--out", str(tmp_path / "out"), "--init", str(tmp_path / "nothing")]
    assert main(["train", "acoustic", *args, *out]) == 1
    assert "nothing/config.yaml" in capsys.readouterr().err
