"""Training flow matching through the real loop on a hummed corpus, on an acoustic model that stays as it is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_acoustic import CONFIG as ACOUSTIC

from speechnar.cli import main
from speechnar.config import Choice, ConfigError
from speechnar.data.dataset import SpeechData
from speechnar.models.folder import ModelError, load_model
from speechnar.models.tts.flow_matching import FlowMatchingConfig
from speechnar.models.vocoder.discriminators import MelDiscriminatorConfig
from speechnar.nar.lengths import length_mask
from speechnar.tasks.acoustic import train_acoustic
from speechnar.tasks.flow import FlowConfig, FlowTask, mel_residual, prosody_residual, train_flow
from speechnar.text.symbols import SymbolTable
from speechnar.train.loop import LoopConfig
from speechnar.train.provenance import digest_of

Features = tuple[Path, Path, Path]
CONFIG = FlowConfig(
    Choice("flow_matching", FlowMatchingConfig(d_model=16, d_ff=16, kernel_size=3, n_layers=1)),
    LoopConfig(
        max_steps=30, log_every=1, validate_every=30, warmup_steps=0, precision="no", ema_decay=0.0, threads=1,
        learning_rate=0.01,
    ),
    batch_size=4,
    segment_length=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def acoustic(tmp_path_factory: pytest.TempPathFactory, hummed_features: Features) -> Path:
    out = tmp_path_factory.mktemp("acoustic")
    train_acoustic(ACOUSTIC, *hummed_features, out)
    return out


def of(latent: str, config: FlowConfig = CONFIG) -> FlowConfig:
    model = dataclasses.replace(config.model.value, latent=latent)
    return dataclasses.replace(config, model=Choice("flow_matching", model))


@pytest.mark.parametrize(("latent", "n_features", "d_condition"), [("mel", 12, 8 + 12), ("prosody", 3, 8)])
def test_training_lowers_the_loss_and_leaves_the_acoustic_model_alone(
    latent: str, n_features: int, d_condition: int, tmp_path: Path, hummed_features: Features, acoustic: Path
) -> None:
    before = load_file(acoustic / "model.safetensors")
    train_flow(of(latent), *hummed_features, tmp_path / "flow", acoustic)
    *steps, validation = map(json.loads, (tmp_path / "flow" / "log.jsonl").read_text(encoding="utf-8").splitlines())
    losses = [step["flow/flow"] for step in steps]
    assert sum(losses[-8:]) < 0.95 * sum(losses[:8])
    assert validation["validation/flow"] < sum(losses[:8]) / 8
    model, config = load_model(tmp_path / "flow")
    assert (config.model.value.n_features, config.model.value.d_condition) == (n_features, d_condition)
    assert config.model.value.acoustic == digest_of(acoustic)
    assert not any(name.startswith("acoustic") for name in model.state_dict())
    after = load_file(acoustic / "model.safetensors")
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_the_residual_is_what_the_acoustic_model_lacks(hummed_features: Features, acoustic: Path) -> None:
    features, train, _ = hummed_features
    data, (model, _) = SpeechData(train, features), load_model(acoustic)
    batch = data.batch(data.utt_ids[:1])
    with torch.no_grad():
        made = mel_residual(model, batch)
        mel = model(
            batch.tokens, batch.token_lengths, batch.durations, batch.mel_lengths, batch.f0, batch.energy
        ).mel  # fmt: skip
    torch.testing.assert_close(mel + made.residual * model.mel_std, batch.mel)


def test_the_prosody_residual_of_each_token_by_a_loop(hummed_features: Features, acoustic: Path) -> None:
    features, train, _ = hummed_features
    data, (model, _) = SpeechData(train, features), load_model(acoustic)
    batch = data.batch(data.utt_ids[:1])
    with torch.no_grad():
        made = prosody_residual(model, batch).residual[0]
        output = model(
            batch.tokens, batch.token_lengths, batch.durations, batch.mel_lengths, batch.f0, batch.energy
        )  # fmt: skip
    given = model.normalized(batch.f0, batch.energy, batch.speakers)
    start = 0
    for token, length in enumerate(batch.durations[0].tolist()):
        frames = range(start, start + length)
        voiced = [n for n in frames if batch.f0[0, n] > 0]
        f0 = [float(given.log_f0[0, n] - output.prosody.log_f0[0, n]) for n in voiced]
        energy = [float(given.energy[0, n] - output.prosody.energy[0, n]) for n in frames]
        expected = [
            float(torch.tensor(1.0 + length).log() - output.log_durations[0, token]),
            sum(f0) / len(f0) if f0 else 0.0,
            sum(energy) / length if length else 0.0,
        ]
        torch.testing.assert_close(made[token], torch.tensor(expected), rtol=1e-4, atol=1e-4)
        start += length


def test_segments_are_pieces_of_the_whole_utterance_s_residual(hummed_features: Features, acoustic: Path) -> None:
    task = FlowTask(CONFIG, *hummed_features, acoustic)
    segments = task.batches(0)[0]
    batch = task.load(segments)
    whole = mel_residual(task.acoustic, task.data.batch([segments[1].utt_id])).residual[0]
    start, length = segments[1].start, int(batch.lengths[1])
    torch.testing.assert_close(batch.residual[1, :length], whole[start : start + length], rtol=1e-2, atol=1e-2)
    assert task.batches(0) == task.batches(0) != task.batches(1)


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    tmp_path: Path, hummed_features: Features, acoustic: Path
) -> None:
    whole, parts = (dataclasses.replace(CONFIG, loop=dataclasses.replace(CONFIG.loop, max_steps=4)) for _ in range(2))
    train_flow(whole, *hummed_features, tmp_path / "whole", acoustic)
    stopped = dataclasses.replace(parts, loop=dataclasses.replace(parts.loop, max_minutes=0.0))
    for _ in range(4):
        train_flow(stopped, *hummed_features, tmp_path / "parts", acoustic)
    once, again = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(once[name], again[name]) for name in once)


def test_another_kind_of_model_is_refused(tmp_path: Path, hummed_features: Features, acoustic: Path) -> None:
    train_flow(
        dataclasses.replace(CONFIG, loop=dataclasses.replace(CONFIG.loop, max_steps=1)), *hummed_features, tmp_path,
        acoustic,
    )  # fmt: skip
    with pytest.raises(ModelError, match="holds the model flow_matching: it should be an acoustic one"):
        FlowTask(CONFIG, *hummed_features, tmp_path)


def test_other_symbols_are_refused(tmp_path: Path, hummed_features: Features, acoustic: Path) -> None:
    for path in acoustic.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    symbols = SymbolTable.load(acoustic / "tokens.txt").symbols
    SymbolTable((*symbols[:-2], symbols[-1], symbols[-2])).save(tmp_path / "tokens.txt")
    with pytest.raises(ModelError, match="other symbols"):
        FlowTask(CONFIG, *hummed_features, tmp_path)


def test_a_discriminator_judges_the_mels_of_samples(tmp_path: Path, hummed_features: Features, acoustic: Path) -> None:
    loop = dataclasses.replace(CONFIG.loop, max_steps=2, validate_every=2)
    config = dataclasses.replace(CONFIG, loop=loop, discriminator=MelDiscriminatorConfig((2, 2)), sample_steps=3)
    first, init = tmp_path / "first", tmp_path / "init"
    train_flow(dataclasses.replace(CONFIG, loop=loop), *hummed_features, init, acoustic)
    train_flow(config, *hummed_features, first, acoustic, init)
    before, after = (load_file(folder / "model.safetensors") for folder in (init, first))
    assert not all(torch.equal(before[name], after[name]) for name in before)
    step = json.loads((first / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert {"discriminator/adversary", "flow/flow", "flow/adversarial", "flow/features"} <= set(step)

    task = FlowTask(config, *hummed_features, acoustic, init)
    loaded = load_file(init / "model.safetensors")
    assert all(torch.equal(value, loaded[name]) for name, value in task.model.state_dict().items())
    batch = task.load(task.batches(0)[0])
    torch.manual_seed(0)
    noise = torch.randn_like(batch.residual)
    mask = length_mask(batch.lengths, batch.residual.shape[1])
    expected = task.model.sample(noise, batch.condition, 3, mask) + batch.condition[:, :, -12:]
    judged: list[torch.Tensor] = []
    task.modules["discriminator"].register_forward_pre_hook(lambda _, given: judged.append(given[0]))
    torch.manual_seed(0)
    task.adversary(batch, 0)
    recorded, sampled = judged
    torch.testing.assert_close(sampled, expected * mask[:, :, None])
    torch.testing.assert_close(recorded, (batch.residual + batch.condition[:, :, -12:]) * mask[:, :, None])


def test_a_start_of_another_latent_or_acoustic_model_is_refused(
    tmp_path: Path, hummed_features: Features, acoustic: Path
) -> None:
    loop = dataclasses.replace(CONFIG.loop, max_steps=1, validate_every=1)
    prosody = dataclasses.replace(of("prosody"), loop=loop)
    train_flow(prosody, *hummed_features, tmp_path / "prosody", acoustic)
    with pytest.raises(ModelError, match="start from one that was trained for the mel of this one"):
        FlowTask(CONFIG, *hummed_features, acoustic, tmp_path / "prosody")
    with pytest.raises(ModelError, match="holds the model fastspeech2, not flow_matching"):
        FlowTask(CONFIG, *hummed_features, acoustic, acoustic)
    train_acoustic(dataclasses.replace(ACOUSTIC, loop=dataclasses.replace(ACOUSTIC.loop, seed=5)), *hummed_features,
                   tmp_path / "other")  # fmt: skip
    with pytest.raises(ModelError, match="start from one that was trained for the prosody of this one"):
        FlowTask(prosody, *hummed_features, tmp_path / "other", tmp_path / "prosody")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sample_steps": 0}, "sample_steps is 0 but should be 1 or more"),
        ({"latent": "prosody"}, "leave it out for the latent prosody"),
    ],
)
def test_what_cannot_be_judged_is_refused(changes: dict, said: str) -> None:
    latent = changes.pop("latent", "mel")
    with pytest.raises(ConfigError, match=said):
        dataclasses.replace(of(latent), discriminator=MelDiscriminatorConfig(), **changes)


def test_the_verb_trains(tmp_path: Path, hummed_features: Features, acoustic: Path) -> None:
    features, train, dev = map(str, hummed_features)
    config = tmp_path / "flow.yaml"
    config.write_text(
        "model: {latent: prosody, d_model: 8, d_ff: 8, n_layers: 1}\nbatch_size: 2\n"
        "loop: {warmup_steps: 0, precision: 'no'}\n",
        encoding="utf-8",
    )
    given = ["--features", features, "--train", train, "--dev", dev, "--acoustic", str(acoustic)]
    out = tmp_path / "flow"
    assert main(["train", "flow", str(config), *given, "--out", str(out), "--max-steps", "1", "--threads", "1"]) == 0
    assert load_model(out)[1].model.value.latent == "prosody"
