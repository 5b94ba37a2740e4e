"""Training vocoders through the real loop on a hummed corpus, with and without discriminators."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from speechnar.config import Choice, from_dict
from speechnar.data.dataset import SpeechData
from speechnar.data.features import DataError
from speechnar.models.folder import ModelError, load_model
from speechnar.models.vocoder.discriminators import DiscriminatorConfig, WaveDiscriminatorConfig
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocosConfig
from speechnar.models.vocoder.hifigan import HiFiGAN, HiFiGANConfig
from speechnar.tasks.vocoder import VocoderConfig, VocoderTask, train_vocoder
from speechnar.train.loop import LoopConfig

Features = tuple[Path, Path, Path]
LENGTH, HOP = 20, 100
ALONE = VocoderConfig(
    Choice("harmonic_vocos", HarmonicVocosConfig(d_model=8, d_ff=8, kernel_size=3, n_layers=1)),
    loop=LoopConfig(max_steps=1, log_every=1, validate_every=1, warmup_steps=0, precision="no", ema_decay=0.0),
    batch_size=2,
    segment_frames=LENGTH,
)
PAIR = dataclasses.replace(
    ALONE, discriminators=DiscriminatorConfig((64, 128), (4, 4), n_layers=2), discriminator_learning_rate_ratio=0.5
)
GAN = dataclasses.replace(
    ALONE,
    model=Choice("hifigan", HiFiGANConfig(1, (10, 10), (20, 20), 8, (3,), ((1, 3),))),
    wave_discriminators=WaveDiscriminatorConfig((2, 3), (4, 4), 2, (4,) * 7, (1, 2, 2, 2, 2, 2, 1)),
    loop=dataclasses.replace(ALONE.loop, learning_rate=5e-3, max_steps=20, validate_every=10),
)
pytestmark = pytest.mark.filterwarnings("ignore:Empty filters detected")  # 160 mel bands are many at 8 kHz


@pytest.fixture
def mels(hummed_features: Features, tmp_path: Path) -> Path:
    """Mels that are told from the recordings' by being 1 lower."""
    features, *manifests = hummed_features
    (tmp_path / "mels").mkdir()
    for data in (SpeechData(path, features) for path in manifests):
        for utt_id in data.utt_ids:
            np.save(tmp_path / "mels" / f"{utt_id}.npy", data[utt_id].mel - 1)
    return tmp_path / "mels"


@pytest.mark.parametrize("config", [ALONE, PAIR], ids=["alone", "pair"])
def test_one_step_through_the_loop(config: VocoderConfig, hummed_features: Features, tmp_path: Path) -> None:
    train_vocoder(config, *hummed_features, tmp_path)
    train, validation = map(json.loads, (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines())
    expected = {"generator/mel", "generator/magnitude"}
    if config is PAIR:
        expected |= {"generator/adversarial", "generator/features", "discriminators/adversary"}
    terms = {name for name in train if "/" in name and name.split("/")[1] not in ("loss", "grad_norm")}
    assert terms == expected and all(math.isfinite(train[name]) for name in terms)
    assert train["skipped"] == 0
    assert {"validation/mel", "validation/magnitude"} <= validation.keys()
    model, found = load_model(tmp_path)
    data = SpeechData(hummed_features[1], hummed_features[0])
    assert found.model == config.model and found.audio == data.audio
    np.testing.assert_allclose(model.mel_mean, data.stats.mel_mean, rtol=1e-6)
    torch.manual_seed(config.loop.seed)
    assert not torch.equal(VocoderTask(config, *hummed_features).generator.head.weight, model.head.weight)


def test_a_pair_starts_from_the_weights_given(hummed_features: Features, tmp_path: Path) -> None:
    train_vocoder(ALONE, *hummed_features, tmp_path)
    first, _ = load_model(tmp_path)
    task = VocoderTask(PAIR, *hummed_features, init=tmp_path)
    assert all(torch.equal(v, task.generator.state_dict()[n]) for n, v in first.state_dict().items())


def test_frozen_parts_of_the_generator_are_not_trained(hummed_features: Features, tmp_path: Path) -> None:
    train_vocoder(ALONE, *hummed_features, tmp_path / "first")
    frozen = dataclasses.replace(ALONE, freeze=("backbone", "head.bias"))
    train_vocoder(frozen, *hummed_features, tmp_path / "second", init=tmp_path / "first")
    first, second = (load_model(tmp_path / name)[0].state_dict() for name in ("first", "second"))
    same = {name for name in first if torch.equal(first[name], second[name])}
    buffers = {"mel_mean", "mel_std", "log_f0_mean", "log_f0_std"}
    assert same == {name for name in first if name.startswith("backbone.")} | {"head.bias"} | buffers


def test_the_generator_is_judged_on_what_the_discriminators_saw(hummed_features: Features) -> None:
    task = VocoderTask(PAIR, *hummed_features)
    batch = task.load(task.batches(0)[0])
    task.discriminator_terms(batch, 0)["adversary"].backward()
    assert all(p.grad is None for p in task.generator.parameters())
    assert task._made
    _, seen = task._made
    assert seen.requires_grad
    terms = task.generator_terms(batch, 0)
    adversarial = torch.stack([(s - 1).square().mean() for s in task.modules["discriminators"](seen).scores]).mean()
    assert float(terms["adversarial"].detach()) == pytest.approx(float(adversarial.detach()), rel=1e-5)
    terms["adversarial"].backward()
    assert task.generator.head.weight.grad.any()


def test_segments_are_aligned_pieces_of_the_corpus(hummed_features: Features) -> None:
    task = VocoderTask(ALONE, *hummed_features)
    for batch in map(task.load, task.batches(0)):
        assert batch.mel.shape == (2, LENGTH, 12) and batch.f0.shape == (2, LENGTH) and batch.wav.shape == (2, 2000)
        for mel, f0, wav in zip(batch.mel.numpy(), batch.f0.numpy(), batch.wav.numpy()):
            places = [
                (u, start)
                for u in map(task.data.__getitem__, task.data.utt_ids)
                for start in range(len(u.mel) - LENGTH + 1)
                if np.array_equal(u.mel[start : start + LENGTH], mel)
            ]
            assert len(places) == 1
            u, start = places[0]
            np.testing.assert_array_equal(f0, u.f0[start : start + LENGTH])
            np.testing.assert_array_equal(wav * 32768, u.wav[start * HOP : (start + LENGTH) * HOP])


def test_an_epoch_is_the_same_again(hummed_features: Features) -> None:
    task = VocoderTask(ALONE, *hummed_features)
    first, again, other = (task.batches(epoch) for epoch in (3, 3, 4))
    assert len(first) == 94 // (2 * LENGTH)  # 22 + 23 + 24 + 25 frames
    assert first == again != other


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_predicted_mels_take_the_place_of_the_recorded(hummed_features: Features, mels: Path, share: float) -> None:
    config = dataclasses.replace(ALONE, recorded_share=share)
    recorded = VocoderTask(config, *hummed_features)
    predicted = VocoderTask(config, *hummed_features, gta_mels=mels)
    for a, b in zip(*(map(task.load, task.batches(0)) for task in (recorded, predicted))):
        torch.testing.assert_close(a.mel - b.mel, torch.full_like(a.mel, 1 - share))
        assert torch.equal(a.wav, b.wav)


def test_predicted_mels_that_do_not_fit_are_refused(hummed_features: Features, mels: Path) -> None:
    for utt_id in ("utt-0", "utt-1", "utt-2", "utt-3"):
        np.save(mels / f"{utt_id}.npy", np.zeros((3, 12), np.float32))
    task = VocoderTask(ALONE, *hummed_features, gta_mels=mels)
    with pytest.raises(DataError, match=r"is \(3, 12\), not .* predict the mels again"):
        task.load(task.batches(0)[0])
    for path in mels.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="there is no mel at"):
        task.load(task.batches(0)[0])


def test_segments_longer_than_every_utterance_are_refused(hummed_features: Features) -> None:
    task = VocoderTask(dataclasses.replace(ALONE, segment_frames=1000), *hummed_features)
    with pytest.raises(DataError, match="1000 frames of a segment: lower segment_frames"):
        task.batches(0)


def test_hifigan_learns_against_its_discriminators(hummed_features: Features, tmp_path: Path) -> None:
    train_vocoder(GAN, *hummed_features, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = [line for line in lines if "generator/mel" in line]
    terms = {"generator/mel", "generator/adversarial", "generator/features", "discriminators/adversary"}
    assert len(steps) == 20 and all(terms <= step.keys() and step["skipped"] == 0 for step in steps)
    assert steps[-1]["generator/mel"] < 0.7 * steps[0]["generator/mel"]
    model, found = load_model(tmp_path)
    assert isinstance(model, HiFiGAN) and found.model == GAN.model
    assert not [name for name in model.state_dict() if "parametrizations" in name]


def test_hifigan_trains_in_bfloat16(hummed_features: Features, tmp_path: Path) -> None:
    loop = dataclasses.replace(GAN.loop, precision="bf16", max_steps=2, validate_every=2)
    train_vocoder(dataclasses.replace(GAN, loop=loop), *hummed_features, tmp_path)
    step = json.loads((tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()[1])
    assert step["skipped"] == 0 and math.isfinite(step["discriminators/adversary"])


def test_hifigan_starts_from_a_published_generator(hummed_features: Features, tmp_path: Path) -> None:
    task = VocoderTask(GAN, *hummed_features)
    state = {n: v + 0.5 for n, v in task.generator.folded().state_dict().items() if not n.startswith("mel_")}
    torch.save({"generator": state}, tmp_path / "g_00000100")
    audio = task.data.audio
    config = {
        "resblock": "1", "upsample_rates": [10, 10], "upsample_kernel_sizes": [20, 20], "upsample_initial_channel": 8,
        "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3]], "num_mels": audio.n_mels,
        "n_fft": audio.n_fft, "hop_size": audio.hop_length, "win_size": audio.win_length,
        "sampling_rate": audio.sample_rate, "fmin": 0, "fmax": 4000,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    started = VocoderTask(GAN, *hummed_features, init=tmp_path).generator
    taken = started.folded().state_dict()
    assert all(torch.allclose(value, taken[name], atol=1e-6) for name, value in state.items())
    (tmp_path / "config.json").write_text(json.dumps(config | {"fmax": 3000, "n_fft": 512}), encoding="utf-8")
    with pytest.raises(ModelError, match="differ in n_fft: 512 / 256; f_max: 3000.0 / 4000.0"):
        VocoderTask(GAN, *hummed_features, init=tmp_path)


def test_both_kinds_of_discriminators_may_judge(hummed_features: tuple[Path, Path, Path]) -> None:
    both = dataclasses.replace(PAIR, wave_discriminators=GAN.wave_discriminators)
    wav = torch.randn(2, 2048)
    frames, waves, together = (
        len(VocoderTask(config, *hummed_features).modules["discriminators"](wav).scores) for config in (PAIR, GAN, both)
    )
    assert together == frames + waves > max(frames, waves)


def test_a_config_has_one_model() -> None:
    assert from_dict(VocoderConfig, {"model": {"d_model": 8}}).model.value == HarmonicVocosConfig(d_model=8)
    assert from_dict(VocoderConfig, {"hifigan": {}}).model == Choice("hifigan", HiFiGANConfig())
    with pytest.raises(ValueError, match="has model and hifigan: keep one of them"):
        from_dict(VocoderConfig, {"model": {"d_model": 8}, "hifigan": {}})
