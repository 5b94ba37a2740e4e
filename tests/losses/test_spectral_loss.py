"""The vocoder's terms: zero where they should be, and by hand."""

from __future__ import annotations

import math

import pytest
import torch

from speechnar.losses.spectral import discriminator_loss, generator_loss, spectral_loss
from speechnar.models.vocoder.discriminators import Judgement


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


def judgement(scores: list[float], features: list[float]) -> Judgement:
    return Judgement(
        tuple(torch.full((2, 3), float(s)) for s in scores), tuple(torch.full((2, 4, 3), float(f)) for f in features)
    )


def test_discriminators_want_one_for_real_and_zero_for_made() -> None:
    perfect = discriminator_loss(judgement([1, 1], []), judgement([0, 0], []))
    assert float(perfect["adversary"]) == 0
    # ((0.5 - 1)^2 + 0.2^2 + (3 - 1)^2 + 1^2) / 2
    mixed = discriminator_loss(judgement([0.5, 3], []), judgement([0.2, 1], []))
    assert float(mixed["adversary"]) == pytest.approx((0.25 + 0.04 + 4 + 1) / 2)


def test_the_generator_wants_one_and_real_features() -> None:
    terms = generator_loss(judgement([1, 1], [2, 4]), judgement([1, 0.5], [3, 4]))
    assert float(terms["adversarial"]) == pytest.approx((0 + 0.25) / 2)
    assert float(terms["features"].value.mean()) == pytest.approx((1 / 2 + 0) / 2)


def test_real_features_get_no_gradient() -> None:
    real, made = torch.ones(1, 2, 3, requires_grad=True), torch.zeros(1, 2, 3, requires_grad=True)
    score = torch.zeros(1, 3)
    generator_loss(Judgement((score,), (real,)), Judgement((score,), (made,)))["features"].value.sum().backward()
    assert real.grad is None and made.grad is not None
