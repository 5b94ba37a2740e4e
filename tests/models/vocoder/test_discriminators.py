"""Discriminators: shapes, gradients, what each sees, and telling two signals apart."""

from __future__ import annotations

import pytest
import torch

from speechnar.losses.adversarial import discriminator_loss
from speechnar.models.vocoder.discriminators import (
    DiscriminatorConfig,
    Discriminators,
    MelDiscriminator,
    MelDiscriminatorConfig,
    WaveDiscriminatorConfig,
    WaveDiscriminators,
)

CONFIG = DiscriminatorConfig(windows=(64, 128), channels=(4, 6), n_layers=3)
WAVE = WaveDiscriminatorConfig((2, 3), (4, 6, 8), 3, (4, 4, 4, 8, 8, 8, 8), (1, 2, 2, 4, 4, 4, 1))


@pytest.fixture
def judge() -> Discriminators:
    torch.manual_seed(0)
    return Discriminators(CONFIG)


@pytest.fixture
def waves() -> WaveDiscriminators:
    torch.manual_seed(0)
    return WaveDiscriminators(WAVE)


def test_shapes(judge: Discriminators) -> None:
    judgment = judge(torch.randn(2, 1024))
    frames = [1024 // 16 + 1, 1024 // 32 + 1]
    halves = [(n + 1) // 2 for n in frames]  # the second layer takes every other frame
    assert [tuple(s.shape) for s in judgment.scores] == [(2, n) for n in halves]
    expected = [(2, c, n) for c, n, h in zip((4, 6), frames, halves) for n in (n, h, h)]
    assert [tuple(f.shape) for f in judgment.features] == expected


@pytest.mark.parametrize("name", ["judge", "waves"])
def test_gradient_reaches_every_parameter_and_the_signal(name: str, request: pytest.FixtureRequest) -> None:
    judge = request.getfixturevalue(name)
    wav = torch.randn(2, 1024, requires_grad=True)
    torch.stack([s.square().mean() for s in judge(wav).scores]).sum().backward()
    assert not [name for name, p in judge.named_parameters() if p.grad is None or not p.grad.any()]
    assert wav.grad is not None and wav.grad.isfinite().all() and wav.grad.any()


def test_silence_gives_finite_gradients(judge: Discriminators) -> None:
    wav = torch.zeros(1, 1024, requires_grad=True)
    judge(wav).scores[0].sum().backward()
    assert wav.grad is not None and wav.grad.isfinite().all()


@pytest.mark.parametrize(("name", "steps"), [("judge", 30), ("waves", 80)])
def test_they_learn_to_tell_a_tone_from_noise(name: str, steps: int, request: pytest.FixtureRequest) -> None:
    judge = request.getfixturevalue(name)
    tone = torch.sin(torch.arange(1024) * 0.3)[None].repeat(2, 1)
    noise = torch.randn(2, 1024, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(judge.parameters(), 1e-2)
    for _ in range(steps):
        loss = discriminator_loss(judge(tone), judge(noise))["adversary"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for real, made in zip(judge(tone).scores, judge(noise).scores):
        assert real.mean() > 0.7 and made.mean() < 0.3


def test_windows_and_channels_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="2 windows but 1 channel counts: give one each"):
        Discriminators(DiscriminatorConfig(windows=(64, 128), channels=(4,)))


def test_a_scale_has_seven_convolutions() -> None:
    with pytest.raises(ValueError, match="scale_groups has 2 values but should have 7"):
        WaveDiscriminatorConfig(scale_groups=(1, 2))


def test_shapes_of_periods_and_scales(waves: WaveDiscriminators) -> None:
    judgment = waves(torch.randn(2, 1000))
    # rows of 2 and 3 samples: ceil(500 / 3 / 3) and ceil(334 / 3 / 3) in each column; scales: 1000, 501 and 251
    # samples, halved twice and quartered twice
    assert [tuple(s.shape) for s in judgment.scores] == [(2, 56 * 2), (2, 38 * 3), (2, 16), (2, 8), (2, 4)]
    assert len(judgment.features) == 2 * 3 + 3 * 7
    assert judgment.features[0].shape == (2, 4, 167, 2) and judgment.features[-1].shape == (2, 8, 4)


@torch.no_grad()
def test_a_period_s_columns_are_seen_apart(waves: WaveDiscriminators) -> None:
    wav = torch.randn(1, 999)
    other = wav.clone()
    other[:, 1::3] += 1
    before, after = (waves(w).scores[1].view(-1, 3) for w in (wav, other))
    changed = (before - after).abs().amax(0) > 1e-6
    assert changed.tolist() == [False, True, False]


@torch.no_grad()
def test_higher_scales_see_less_of_high_frequencies(waves: WaveDiscriminators) -> None:
    time = torch.arange(4000.0)
    wav = torch.zeros(1, 4000)
    moved = []
    for frequency in (0.3, 3.0):  # radians a sample: 3 is all but the highest that there is
        before, after = (waves.eval()(w).features for w in (wav, 0.1 * torch.sin(frequency * time)[None]))
        moved.append([float((before[n] - after[n]).abs().mean()) for n in (6, 20)])  # first layer, scales 1 and 3
    (low_1, low_3), (high_1, high_3) = moved
    assert high_3 / high_1 < 0.2 * low_3 / low_1


def test_parameters_have_their_published_names_and_sizes() -> None:
    with torch.device("meta"):
        published = WaveDiscriminators(WaveDiscriminatorConfig())
    names = {name.replace("parametrizations.weight.", "") for name, _ in published.named_parameters()}
    assert {"mpd.discriminators.4.convs.4.original1", "msd.discriminators.2.conv_post.bias"} <= names
    assert "msd.discriminators.0.convs.6.original" in names  # under spectral norm
    assert sum(p.numel() for p in published.parameters()) == 70724591


def test_a_discriminator_of_mels_learns_to_tell_sharp_ones_from_their_blur() -> None:
    torch.manual_seed(0)
    judge = MelDiscriminator(MelDiscriminatorConfig((4, 6)))
    sharp = torch.randn(3, 40, 16)
    blurred = torch.nn.functional.avg_pool2d(sharp[:, None], 3, 1, padding=1)[:, 0]
    optimizer = torch.optim.Adam(judge.parameters(), 1e-2)
    for _ in range(100):
        loss = discriminator_loss(judge(sharp), judge(blurred))["adversary"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(weight.grad is not None and weight.grad.any() for weight in judge.parameters())
    (real,), (made,) = judge(sharp).scores, judge(blurred).scores
    assert real.shape == (3, 10 * 4) and real.mean() > 0.8 and made.mean() < 0.2
    assert [tuple(layer.shape) for layer in judge(sharp).features] == [(3, 4, 20, 8), (3, 6, 10, 4)]
