"""Weights in fifteen levels: four bits a weight, and a scale for each group of them.

Source: GPTQ (Frantar et al. 2023), section 4, its grid with groups; weights are rounded to the nearest level.
Differs: the grid is symmetric, and of some scales each group takes the one with the least squared error.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 7  # on each side of zero
GROUP = 64  # inputs that share a scale


def round_to_levels(weight: Tensor, group: int = GROUP) -> Tensor:
    """The nearest weights that four bits can say.

    What is rounded already stays as it is, and the largest magnitude of a group is always its scale times 7.

    Args:
        weight: (d_out, d_in), d_in a multiple of `group`.
    """
    groups = weight.unflatten(1, (-1, group))
    largest = groups.abs().amax(2, keepdim=True).clamp(min=1e-12)
    best, error = groups, torch.full_like(largest, torch.inf)
    for share in torch.arange(1.0, 0.55, -0.05).tolist():  # of the largest: outliers are cut to it
        scale = largest * share / LEVELS
        rounded = (groups / scale).round().clamp(-LEVELS, LEVELS) * scale
        its = (rounded - groups).square().sum(2, keepdim=True)
        best, error = torch.where(its < error, rounded, best), torch.minimum(its, error)
    return best.flatten(1)


@torch.no_grad()
def round_module(module: nn.Module) -> None:
    """Rounds the matrices of a module's linear and embedding layers, in place, but for those without whole groups."""
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Embedding)) and layer.weight.shape[1] % GROUP == 0:
            layer.weight.copy_(round_to_levels(layer.weight))
