"""Training FastSpeech 2 through the real loop on a hummed corpus, and the mels it then writes."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils.tensorboard import SummaryWriter

from speechnar.config import Choice
from speechnar.data.batch import collate
from speechnar.data.dataset import SpeechData
from speechnar.infer.gta_mels import write_gta_mels
from speechnar.models.folder import ModelError, load_model
from speechnar.models.tts.fastspeech2 import FastSpeech2Config
from speechnar.models.vocoder.discriminators import MelDiscriminatorConfig
from speechnar.tasks.acoustic import AcousticConfig, AcousticTask, train_acoustic
from speechnar.text.symbols import SymbolTable
from speechnar.train.loop import LoopConfig

Features = tuple[Path, Path, Path]
TERMS = {"mel", "duration", "log_f0", "voiced", "energy"}
CONFIG = AcousticConfig(
    Choice(
        "fastspeech2",
        FastSpeech2Config(
            d_model=8, d_ff=8, kernel_size=3, n_heads=2, encoder_layers=1, prosody_layers=1, decoder_layers=1
        ),
    ),
    LoopConfig(max_steps=1, log_every=1, validate_every=1, warmup_steps=0, precision="no", ema_decay=0.0),
    batch_seconds=1.0,
    weights={"mel": 2.0, "energy": 0.0},
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, hummed_features: Features) -> Path:
    out = tmp_path_factory.mktemp("acoustic")
    train_acoustic(CONFIG, *hummed_features, out)
    return out


def test_one_step_logs_every_term_and_weighs_it(trained: Path) -> None:
    train, validation = map(json.loads, (trained / "log.jsonl").read_text(encoding="utf-8").splitlines())
    terms = {name: train[f"acoustic/{name}"] for name in TERMS}
    assert all(map(math.isfinite, terms.values()))
    weighted = 2 * terms["mel"] + terms["duration"] + terms["log_f0"] + terms["voiced"]
    assert train["acoustic/loss"] == pytest.approx(weighted, rel=1e-5)
    assert {f"validation/{name}" for name in TERMS | {"f0_cents", "duration_frames"}} <= validation.keys()


def test_the_model_folder_holds_the_corpus_s_symbols_and_statistics(trained: Path, hummed_features: Features) -> None:
    data = SpeechData(hummed_features[1], hummed_features[0])
    model, config = load_model(trained)
    assert config.audio == data.audio and config.model.value == model.config
    assert model.config.n_symbols == len(data.symbols.symbols) and model.config.n_mels == 12
    assert SymbolTable.load(trained / "tokens.txt") == data.symbols
    np.testing.assert_allclose(model.mel_mean, data.stats.mel_mean, rtol=1e-6)
    assert float(model.log_f0_std) == pytest.approx(data.stats.log_f0_std)


def test_the_step_changed_the_weights(trained: Path, hummed_features: Features) -> None:
    torch.manual_seed(CONFIG.loop.seed)
    before = AcousticTask(CONFIG, *hummed_features).model
    after, _ = load_model(trained)
    assert not torch.equal(before.mel_out.weight, after.mel_out.weight)
    assert torch.equal(before.mel_std, after.mel_std)


def test_validation_measures_cents_and_frames(tmp_path: Path, hummed_features: Features) -> None:
    task = AcousticTask(CONFIG, *hummed_features)
    with torch.no_grad():  # F0 is then the corpus's mean, and every token is one frame long
        for layer, values in ((task.model.prosody_out, [0.0, 0, 0]), (task.model.duration_out, [math.log(2)])):
            layer.weight.zero_()
            layer.bias.copy_(torch.tensor(values))
        writer = SummaryWriter(str(tmp_path))
        figures = task.validate(task.modules, writer, 0)
        writer.close()
    mean = math.exp(task.data.stats.log_f0_mean)
    # dev hums at 190 and 200 Hz in 22 and 23 voiced frames; its durations are 2, 3, 5, 0, 8, 2 + n, 2
    cents = 22 * 1200 * math.log2(190 / mean) + 23 * 1200 * math.log2(200 / mean)
    assert figures["f0_cents"] == pytest.approx(cents / 45, rel=1e-3)
    errors = [sum(abs(d - 1) for d in (2, 3, 5, 0, 8, 2 + n, 2)) for n in (4, 5)]
    assert figures["duration_frames"] == pytest.approx(sum(errors) / 14, rel=1e-4)


def test_a_discriminator_is_trained_beside_the_model_and_judges_recorded_frames_alone(
    tmp_path: Path, hummed_features: Features
) -> None:
    config = dataclasses.replace(CONFIG, discriminator=MelDiscriminatorConfig((4, 4)))
    torch.manual_seed(0)
    task = AcousticTask(config, *hummed_features)
    task.model.eval()  # without dropout
    judge = task.modules["discriminator"]
    batch = task.load(task.batches(0)[0])
    adversary = task.adversary(batch, 0)["adversary"]
    noisy = dataclasses.replace(batch, mel=batch.mel.clone())
    for row, length in enumerate(batch.mel_lengths):
        noisy.mel[row, length:] = 9.0
    assert len(batch.mel_lengths.unique()) > 1  # so that there is padding
    torch.testing.assert_close(task.adversary(noisy, 0)["adversary"], adversary)

    train_acoustic(config, *hummed_features, tmp_path)
    train = json.loads((tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    terms = {f"acoustic/{name}" for name in TERMS | {"adversarial", "features"}} | {"discriminator/adversary"}
    assert all(math.isfinite(train[name]) for name in terms)
    weights = load_file(next((tmp_path / "checkpoint").rglob("weights.safetensors")))
    names = [name for name in weights if name.startswith("discriminator.")]
    assert {name.removeprefix("discriminator.") for name in names} == dict(judge.named_parameters()).keys()
    torch.manual_seed(config.loop.seed)
    started = dict(AcousticTask(config, *hummed_features).modules["discriminator"].named_parameters())
    assert not any(torch.equal(weights[name], started[name.removeprefix("discriminator.")]) for name in names)


def test_gta_mels_are_the_model_s_for_each_utterance(trained: Path, hummed_features: Features, tmp_path: Path) -> None:
    features, train, dev = hummed_features
    write_gta_mels(trained, features, [train, dev], tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"utt-{n}.npy" for n in range(6)]
    model, data = load_model(trained)[0], SpeechData(train, features)
    for utt_id in data.utt_ids:
        one = collate([data[utt_id]], data.symbols.pad_id)
        with torch.no_grad():
            mel = model(one.tokens, one.token_lengths, one.durations, one.mel_lengths, one.f0, one.energy).mel[0]
        np.testing.assert_allclose(np.load(tmp_path / f"{utt_id}.npy"), mel, atol=1e-4)


def test_predicting_without_a_model_is_refused(hummed_features: Features, tmp_path: Path, trained: Path) -> None:
    (tmp_path / "config.yaml").write_bytes((trained / "config.yaml").read_bytes())
    with pytest.raises(ModelError, match="train the model first"):
        write_gta_mels(tmp_path, hummed_features[0], [hummed_features[1]], tmp_path / "out")
