"""Weights in fifteen levels: four bits a weight, and a scale for each group of them.

Source: GPTQ (Frantar et al. 2023), section 4, its grid with groups; weights are rounded to the nearest level.
Differs: the grid is symmetric, and of some scales each group takes the one with the least squared error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

LEVELS = 7  # on each side of zero
GROUP = 64  # inputs that share a scale
SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
FEW_SHARES = (1.0, 0.9, 0.8)
EXACT = 1e-2  # of a level: how near to a whole number rounded weights are


def levels_of(weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """What rounded weights (d_out, d_in) are made of.

    Returns:
        Whole numbers from -7 to 7, (d_out, groups, GROUP), and their scales, (d_out, groups, 1); None if the weights
        are not rounded.
    """
    groups = weight.unflatten(1, (-1, GROUP))
    scale = groups.abs().amax(2, keepdim=True).clamp(min=1e-12) / LEVELS
    levels = (groups / scale).round()
    return (levels, scale) if bool(((levels - groups / scale).abs() < EXACT).all()) else None


def round_to_levels(weight: Tensor, shares: Sequence[float] = SHARES) -> Tensor:
    """The nearest weights that four bits can say.

    What is rounded already stays as it is, and the largest magnitude of a group is always its scale times 7.

    Args:
        weight: (d_out, d_in), d_in a multiple of `GROUP`.
        shares: of a group's largest magnitude, those that are tried as the largest level; what is beyond is cut to it.
    """
    groups = weight.unflatten(1, (-1, GROUP))
    largest = groups.abs().amax(2, keepdim=True).clamp_(min=1e-12)
    best, error = groups, torch.full_like(largest, torch.inf)
    for share in shares:
        scale = largest * (share / LEVELS)
        rounded = (groups / scale).round_().clamp_(-LEVELS, LEVELS).mul_(scale)
        its = (rounded - groups).square_().sum(2, keepdim=True)
        best, error = torch.where(its < error, rounded, best), torch.minimum(its, error)
    return best.flatten(1)


def can_round(layer: nn.Module) -> bool:
    """Whether it is a linear or embedding layer whose inputs are whole groups."""
    return isinstance(layer, (nn.Linear, nn.Embedding)) and layer.weight.shape[1] % GROUP == 0


@torch.no_grad()
def round_module(module: nn.Module, shares: Sequence[float] = SHARES) -> None:
    """Rounds the matrices of a module's linear and embedding layers, in place."""
    for layer in filter(can_round, module.modules()):
        weight = cast(Tensor, layer.weight)
        weight.copy_(round_to_levels(weight, shares))


class _StraightThrough(torch.autograd.Function):
    """Rounds, and passes gradients as if it did not. Source: Bengio et al. 2013, section 4."""

    @staticmethod
    def forward(ctx: object, weight: Tensor) -> Tensor:
        return round_to_levels(weight, FEW_SHARES)

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return grad


def rounded_weights(module: nn.Module) -> dict[str, Tensor]:
    """The weights by name as `round_module` would round them, in a hurry; gradients pass as if they were not rounded.

    They are for `torch.func.functional_call`.
    """
    return {
        f"{name}.weight": cast(Tensor, _StraightThrough.apply(layer.weight))
        for name, layer in module.named_modules()
        if can_round(layer)
    }
