"""Discriminators: shapes, gradients, and telling two signals apart."""

from __future__ import annotations

import pytest
import torch

from speechnar.losses.vocoder import discriminator_loss
from speechnar.models.discriminators import DiscriminatorConfig, Discriminators

CONFIG = DiscriminatorConfig(windows=(64, 128), channels=(4, 6), n_layers=3)


@pytest.fixture
def judge() -> Discriminators:
    torch.manual_seed(0)
    return Discriminators(CONFIG)


def test_shapes(judge: Discriminators) -> None:
    judgement = judge(torch.randn(2, 1024))
    frames = [1024 // 16 + 1, 1024 // 32 + 1]
    halves = [(n + 1) // 2 for n in frames]  # the second layer takes every other frame
    assert [tuple(s.shape) for s in judgement.scores] == [(2, n) for n in halves]
    expected = [(2, c, n) for c, n, h in zip((4, 6), frames, halves) for n in (n, h, h)]
    assert [tuple(f.shape) for f in judgement.features] == expected


def test_gradient_reaches_every_parameter_and_the_signal(judge: Discriminators) -> None:
    wav = torch.randn(2, 1024, requires_grad=True)
    torch.stack([s.square().mean() for s in judge(wav).scores]).sum().backward()
    assert not [name for name, p in judge.named_parameters() if p.grad is None or not p.grad.any()]
    assert wav.grad is not None and wav.grad.isfinite().all() and wav.grad.any()


def test_silence_gives_finite_gradients(judge: Discriminators) -> None:
    wav = torch.zeros(1, 1024, requires_grad=True)
    judge(wav).scores[0].sum().backward()
    assert wav.grad is not None and wav.grad.isfinite().all()


def test_they_learn_to_tell_a_tone_from_noise(judge: Discriminators) -> None:
    tone = torch.sin(torch.arange(1024) * 0.3)[None].repeat(2, 1)
    noise = torch.randn(2, 1024, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(judge.parameters(), 1e-2)
    for _ in range(30):
        loss = discriminator_loss(judge(tone), judge(noise))["adversary"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for real, made in zip(judge(tone).scores, judge(noise).scores):
        assert real.mean() > 0.7 and made.mean() < 0.3


def test_windows_and_channels_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="2 windows but 1 channel counts: give one each"):
        Discriminators(DiscriminatorConfig(windows=(64, 128), channels=(4,)))
