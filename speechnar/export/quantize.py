"""Weights on a coarse grid, so that a compressed file of them is small: about four bits a weight for a step of 0.35.

Every output of a layer has a step of its own, a share of its weights' root mean square. Whole numbers of steps that are
near to nought are the most frequent by far, and a compressor writes them in few bits; rare large ones cost more bits
but no accuracy, as they would if the largest weight set the grid.

Source: GPTQ (Frantar et al. 2023), section 3: a column at a time, and its error is made good by the columns after it.
Differs: the number of levels is not bounded by a number of bits, which is left to the compressor, as in
    entropy-constrained scalar quantization (Gish and Pierce 1968).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

LARGEST = 127  # steps: what an 8-bit integer holds
DAMPING = 0.01  # of the inputs' mean power, which is added to the power of each
GZIP = 31  # zlib's number for the format
BLOCK = 64  # columns whose errors are collected before those behind them are mended
EXACT = 1e-2  # of a step: how near to a whole number rounded weights are


def round_for_inputs(weight: Tensor, power: Tensor, step: float) -> Tensor:
    """The weights of a layer on its grid, whose products with the layer's inputs are near to what they were.

    Args:
        weight: (d_out, d_in).
        power: (d_in, d_in), the sum of x xᵀ over inputs x (d_in,).
        step: the distance of two levels, as a share of the root mean square of an output's weights; wider where the
            largest weight would need more than 127.

    Returns:
        (d_out, d_in) multiples of each row's step.
    """
    power = power.double()
    power = power + DAMPING * power.diagonal().mean().clamp(min=1e-12) * torch.eye(len(power), dtype=power.dtype)
    # row n: what an error in column n asks of the columns after it
    mends = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(power)), upper=True).float()
    steps = (step * weight.square().mean(1).sqrt()).maximum(weight.abs().amax(1) / LARGEST).clamp(min=1e-12)
    left, rounded = weight.clone(), torch.zeros_like(weight)
    for first in range(0, weight.shape[1], BLOCK):
        mend = mends[first : first + BLOCK, first:]
        block, errors = left[:, first : first + BLOCK], torch.zeros_like(left[:, first : first + BLOCK])
        for n in range(block.shape[1]):
            rounded[:, first + n] = (block[:, n] / steps).round().clamp(-LARGEST, LARGEST) * steps
            errors[:, n] = (block[:, n] - rounded[:, first + n]) / mend[n, n]
            block[:, n:] -= errors[:, n, None] * mend[n, n : block.shape[1]]
        left[:, first + BLOCK :] -= errors @ mend[:, BLOCK:]
    return rounded


@torch.no_grad()
def round_parts(parts: Sequence[nn.Module], run: Callable[[], object], step: float) -> None:
    """Rounds the linear layers of some modules for what goes into them, in place.

    Args:
        parts: in the order in which they are run: each is rounded for what those before it, which are rounded, make.
        run: runs them on what they are to be rounded for; it is called once for each.
    """
    for part in parts:
        layers = [layer for layer in part.modules() if isinstance(layer, nn.Linear)]
        for layer, power in _powers(layers, run).items():
            layer.weight.copy_(round_for_inputs(layer.weight, power, step))


def _powers(layers: Sequence[nn.Linear], run: Callable[[], object]) -> dict[nn.Linear, Tensor]:
    """The sum of x xᵀ over each layer's inputs in a run."""
    powers = {layer: torch.zeros(layer.in_features, layer.in_features) for layer in layers}

    def add(layer: nn.Module, given: tuple[Tensor]) -> None:
        inputs = given[0].flatten(0, -2)
        powers[cast(nn.Linear, layer)].addmm_(inputs.T, inputs)

    hooks = [layer.register_forward_pre_hook(add) for layer in layers]
    run()
    for hook in hooks:
        hook.remove()
    return powers


def steps_of(weight: Tensor) -> tuple[Tensor, Tensor]:
    """What rounded weights (d_out, d_in) are made of.

    Returns:
        Whole numbers of at most 127, (d_out, d_in), and the size of a step, (d_out,): nought for an output whose
        weights lie on no such grid.
    """
    sizes = weight.abs()
    step = sizes.where(sizes > 0, torch.inf).amin(1)  # one of so many weights is a single step
    shares = weight / step[:, None]
    numbers = shares.round()
    on_grid = ((shares - numbers).abs() < EXACT).all(1) & (numbers.abs().amax(1) <= LARGEST) & step.isfinite()
    return numbers, step.where(on_grid, 0.0)


def compressed(data: bytes) -> bytes:
    """`data` as a gzip file: a code by how frequent bytes are, but for runs, and no search for what occurred before.

    Rounded weights never repeat themselves for long, and gzip's own search spends half a bit a weight on chance finds.
    """
    stream = zlib.compressobj(9, wbits=GZIP, strategy=zlib.Z_RLE)
    return stream.compress(data) + stream.flush()
