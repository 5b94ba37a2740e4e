"""Quantize weights as GPTQ does, for small compressed files: about four bits a weight at a step of 0.35.

Every output of a layer has its own step, a fraction of the root mean square of its weights. Small multiples of the step
are the most frequent by far, and a compressor encodes them in few bits. Rare large multiples take more bits but cost no
accuracy, which they would if the largest weight determined the step.

Source: GPTQ (Frantar et al. 2023), section 3: column by column; later columns compensate for errors.
Differs: the number of levels is not limited to a number of bits, and a compressor does the coding, as in
    entropy-constrained scalar quantization (Gish and Pierce 1968).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

LARGEST = 127  # steps, the largest 8-bit integer
DAMPING = 0.01  # fraction of the inputs' mean power that is added to the power of each input
GZIP = 31  # zlib's number for the format
MEMORY_LEVELS = (7, 8)  # of zlib: 8,192 and 16,384 bytes to a block
BLOCK = 64  # columns that are quantized before later columns are corrected for their errors
EXACT = 1e-2  # steps: the largest distance of a quantized weight from a multiple of the step


def round_for_inputs(weight: Tensor, power: Tensor, step: float) -> Tensor:
    """Return quantized weights of a layer whose products with the layer's inputs are close to the original ones.

    Args:
        weight: (d_out, d_in).
        power: (d_in, d_in), the sum of x xᵀ over inputs x (d_in,).
        step: distance of two levels, as a fraction of the root mean square of an output's weights; larger where the
            largest weight would be more than 127 steps.

    Returns:
        (d_out, d_in) multiples of each row's step.
    """
    power = power.double()
    power = power + DAMPING * power.diagonal().mean().clamp(min=1e-12) * torch.eye(len(power), dtype=power.dtype)
    # row n: the corrections of later columns for an error in column n
    corrections = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(power)), upper=True).float()
    steps = (step * weight.square().mean(1).sqrt()).maximum(weight.abs().amax(1) / LARGEST).clamp(min=1e-12)
    left, rounded = weight.clone(), torch.zeros_like(weight)
    for first in range(0, weight.shape[1], BLOCK):
        correction = corrections[first : first + BLOCK, first:]
        block, errors = left[:, first : first + BLOCK], torch.zeros_like(left[:, first : first + BLOCK])
        for n in range(block.shape[1]):
            rounded[:, first + n] = (block[:, n] / steps).round().clamp(-LARGEST, LARGEST) * steps
            errors[:, n] = (block[:, n] - rounded[:, first + n]) / correction[n, n]
            block[:, n:] -= errors[:, n, None] * correction[n, n : block.shape[1]]
        left[:, first + BLOCK :] -= errors @ correction[:, BLOCK:]
    return rounded


@torch.no_grad()
def round_parts(parts: Sequence[nn.Module], run: Callable[[], object], step: float) -> None:
    """Quantize the linear layers of modules for their inputs, in place; those that are quantized already stay.

    Args:
        parts: modules in the order of computation; the inputs of each are computed with the quantized parts before it.
        run: computes all parts on calibration data; it is called once for each part that has layers to quantize.
    """
    for part in parts:
        linear = (layer for layer in part.modules() if isinstance(layer, nn.Linear))
        layers = [layer for layer in linear if not _is_quantized(layer.weight)]
        for layer, power in (_powers(layers, run) if layers else {}).items():
            layer.weight.copy_(round_for_inputs(layer.weight, power, step))


def _is_quantized(weight: Tensor) -> bool:
    """Return whether every row of a matrix has a step, or is zero."""
    return bool(((steps_of(weight)[1] > 0) | (weight == 0).all(1)).all())


def _powers(layers: Sequence[nn.Linear], run: Callable[[], object]) -> dict[nn.Linear, Tensor]:
    """Return the sum of x xᵀ over each layer's inputs in a run."""
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
    """Split quantized weights (d_out, d_in) into step counts and steps.

    Returns:
        Integers of at most 127, (d_out, d_in), and step sizes, (d_out,), which are 0 for an output whose weights
        are not multiples of a step.
    """
    sizes = weight.abs()
    step = sizes.where(sizes > 0, torch.inf).amin(1)  # of many weights one is a single step
    shares = weight / step[:, None]
    numbers = shares.round()
    on_grid = ((shares - numbers).abs() < EXACT).all(1) & (numbers.abs().amax(1) <= LARGEST) & step.isfinite()
    return numbers, step.where(on_grid, 0.0)


def compressed(data: bytes) -> bytes:
    """Return `data` as a gzip file that codes bytes by frequency and runs by length, without a search for repetitions.

    Quantized weights have no long repetitions, and gzip's search would cost half a bit a weight on chance matches.
    Every block has codes of its own; which size of blocks is best depends on how alike neighboring matrices are.
    """
    made = []
    for memory in MEMORY_LEVELS:
        stream = zlib.compressobj(9, wbits=GZIP, memLevel=memory, strategy=zlib.Z_RLE)
        made.append(stream.compress(data) + stream.flush())
    return min(made, key=len)
