"""The terms of a generator and its discriminators, by hand."""

from __future__ import annotations

import pytest
import torch

from speechnar.losses.adversarial import discriminator_loss, generator_loss
from speechnar.models.vocoder.discriminators import Judgment


def judgment(scores: list[float], features: list[float]) -> Judgment:
    return Judgment(
        tuple(torch.full((2, 3), float(s)) for s in scores), tuple(torch.full((2, 4, 3), float(f)) for f in features)
    )


def test_discriminators_want_one_for_real_and_zero_for_made() -> None:
    perfect = discriminator_loss(judgment([1, 1], []), judgment([0, 0], []))
    assert float(perfect["adversary"]) == 0
    # ((0.5 - 1)^2 + 0.2^2 + (3 - 1)^2 + 1^2) / 2
    mixed = discriminator_loss(judgment([0.5, 3], []), judgment([0.2, 1], []))
    assert float(mixed["adversary"]) == pytest.approx((0.25 + 0.04 + 4 + 1) / 2)


def test_the_generator_wants_one_and_real_features() -> None:
    terms = generator_loss(judgment([1, 1], [2, 4]), judgment([1, 0.5], [3, 4]))
    assert float(terms["adversarial"]) == pytest.approx((0 + 0.25) / 2)
    assert float(terms["features"].value.mean()) == pytest.approx((1 / 2 + 0) / 2)


def test_real_features_get_no_gradient() -> None:
    real, made = torch.ones(1, 2, 3, requires_grad=True), torch.zeros(1, 2, 3, requires_grad=True)
    score = torch.zeros(1, 3)
    generator_loss(Judgment((score,), (real,)), Judgment((score,), (made,)))["features"].value.sum().backward()
    assert real.grad is None and made.grad is not None
