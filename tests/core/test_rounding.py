"""Weights in fifteen levels."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from speechnar.core.rounding import (
    FEW_SHARES,
    GROUP,
    LEVELS,
    SHARES,
    levels_of,
    round_module,
    round_to_levels,
    rounded_weights,
)


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(5, 3 * GROUP, generator=torch.Generator().manual_seed(0))


def test_each_group_has_fifteen_levels_at_equal_distances(weight: torch.Tensor) -> None:
    for group in round_to_levels(weight).reshape(-1, GROUP):
        scale = float(group.abs().max()) / LEVELS
        levels = group / scale
        assert float((levels - levels.round()).abs().max()) < 1e-4
        assert float(levels.abs().max()) <= LEVELS + 1e-4


def test_no_share_that_is_tried_would_be_nearer(weight: torch.Tensor) -> None:
    error = (round_to_levels(weight) - weight).reshape(-1, GROUP).square().sum(1)
    for number, group in enumerate(weight.reshape(-1, GROUP)):
        tried = []
        for share in SHARES:
            scale = group.abs().max() * share / LEVELS
            levels = [min(range(-LEVELS, LEVELS + 1), key=lambda n: abs(float(v - n * scale))) for v in group]
            tried.append(sum(float(v - n * scale) ** 2 for v, n in zip(group, levels)))
        assert float(error[number]) == pytest.approx(min(tried), rel=1e-4)


@pytest.mark.parametrize("shares", [SHARES, FEW_SHARES])
def test_what_is_rounded_stays_as_it_is(weight: torch.Tensor, shares: tuple[float, ...]) -> None:
    once = round_to_levels(weight, shares)
    torch.testing.assert_close(round_to_levels(once), once, atol=1e-6, rtol=0)


def test_levels_and_scales_make_rounded_weights_again(weight: torch.Tensor) -> None:
    assert levels_of(weight) is None
    rounded = round_to_levels(weight)
    levels, scale = levels_of(rounded)
    assert levels.abs().max() == LEVELS
    torch.testing.assert_close((levels * scale).flatten(1), rounded)


def test_zeros_stay_zeros() -> None:
    assert round_to_levels(torch.zeros(2, GROUP)).abs().sum() == 0


def test_only_matrices_of_whole_groups_are_rounded() -> None:
    layers = {"whole": nn.Linear(GROUP, 4), "odd": nn.Linear(GROUP + 1, 4), "table": nn.Embedding(3, GROUP)}
    module = nn.ModuleDict(layers)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    round_module(module)
    changed = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"whole.weight", "table.weight"}


def test_gradients_pass_as_if_nothing_were_rounded() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(GROUP, 3)
    x = torch.randn(7, GROUP)
    weights = rounded_weights(layer)
    made = torch.func.functional_call(layer, weights, (x,))
    expected = nn.functional.linear(x, round_to_levels(layer.weight, FEW_SHARES), layer.bias)
    torch.testing.assert_close(made, expected)
    made.sum().backward()
    torch.testing.assert_close(layer.weight.grad, x.sum(0).expand(3, -1))
