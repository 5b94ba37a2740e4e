"""Spectral terms: zero where they should be, and by hand."""

from __future__ import annotations

import math

import pytest
import torch

from speechnar.losses.spectral import spectral_loss


def signals() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 4096, generator=generator) * 0.1, torch.randn(2, 4096, generator=generator) * 0.1


def test_equal_signals_have_no_spectral_loss_and_others_do() -> None:
    a, b = signals()
    assert [float(v) for v in spectral_loss(a, a.clone(), 24000).values()] == [0, 0]
    assert all(float(v) > 0.1 for v in spectral_loss(a, b, 24000).values())


def test_a_gain_costs_its_logarithm() -> None:
    a, _ = signals()
    terms = spectral_loss(2 * a, a, 24000)
    assert {n: float(v) for n, v in terms.items()} == pytest.approx(
        {"mel": math.log(2), "magnitude": math.log(2)}, rel=0.01
    )


def test_spectral_loss_is_symmetric_and_differentiable_at_silence() -> None:
    a, b = signals()
    assert float(spectral_loss(a, b, 24000)["mel"]) == pytest.approx(float(spectral_loss(b, a, 24000)["mel"]))
    silence = torch.zeros(1, 4096, requires_grad=True)
    torch.stack([*spectral_loss(silence, a[:1], 24000).values()]).sum().backward()
    assert silence.grad is not None and silence.grad.isfinite().all()
