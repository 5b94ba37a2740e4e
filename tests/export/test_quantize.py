"""Weights on grids that compress well."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import torch
from torch import nn

from speechnar.export.quantize import LARGEST, compressed, round_for_inputs, round_parts, steps_of

STEP = 0.35


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(5, 192, generator=torch.Generator().manual_seed(0)) * torch.logspace(-2, 2, 5)[:, None]


@pytest.fixture
def inputs() -> torch.Tensor:
    """Inputs that depend much on one another, as those of a network do."""
    random = torch.Generator().manual_seed(1)
    return torch.randn(1000, 12, generator=random) @ torch.randn(12, 192, generator=random) + 0.1 * torch.randn(
        1000, 192, generator=random
    )


def test_each_output_has_a_grid_by_its_root_mean_square(weight: torch.Tensor) -> None:
    rounded = round_for_inputs(weight, torch.eye(192), STEP)
    steps = STEP * weight.square().mean(1, keepdim=True).sqrt()
    numbers = rounded / steps
    torch.testing.assert_close(numbers, numbers.round(), atol=1e-4, rtol=0)


def test_inputs_that_do_not_depend_on_one_another_leave_the_nearest_weights(weight: torch.Tensor) -> None:
    rounded = round_for_inputs(weight, torch.diag(torch.rand(192) + 0.5), STEP)
    assert float(((rounded - weight).abs() / (STEP * weight.square().mean(1, keepdim=True).sqrt())).max()) <= 0.5001


def test_products_are_far_nearer_than_with_the_nearest_weights(weight: torch.Tensor, inputs: torch.Tensor) -> None:
    steps = STEP * weight.square().mean(1, keepdim=True).sqrt()
    nearest = (weight / steps).round() * steps
    rounded = round_for_inputs(weight, inputs.T @ inputs, STEP)
    errors = [(inputs @ (its - weight).T).square().mean(0) for its in (rounded, nearest)]
    assert bool((errors[0] < 0.3 * errors[1]).all())


def test_it_is_the_greedy_search_that_its_source_describes(weight: torch.Tensor, inputs: torch.Tensor) -> None:
    """Column by column, each time the best weights for all columns that are left, by least squares."""
    width = 8
    weight, inputs = weight[:, :width].double(), inputs[:, :width].double()
    power = inputs.T @ inputs
    damped = power + 0.01 * power.diagonal().mean() * torch.eye(width, dtype=power.dtype)
    steps = STEP * weight.square().mean(1).sqrt()
    left = weight.clone()
    for n in range(width):
        error = left[:, n] - (left[:, n] / steps).round() * steps
        left[:, n] -= error
        if n + 1 < width:  # the change d of those left that least ||X (e, d)||: d = -inv(P_ll) P_ln e
            mend = torch.linalg.solve(damped[n + 1 :, n + 1 :], damped[n + 1 :, n])
            left[:, n + 1 :] += error[:, None] * mend
    torch.testing.assert_close(round_for_inputs(weight.float(), power.float(), STEP), left.float())


def test_no_weight_needs_more_than_an_8_bit_integer() -> None:
    weight = torch.full((1, 192), 1e-3)
    weight[0, 100] = 50.0
    numbers, step = steps_of(round_for_inputs(weight, torch.eye(192), 0.01))
    assert float(step) >= 50 / (LARGEST + 0.5) or float(step) == 0
    assert float(numbers.abs().max()) <= LARGEST


def test_numbers_and_steps_make_rounded_weights_again(weight: torch.Tensor) -> None:
    rounded = round_for_inputs(weight, torch.eye(192), STEP)
    numbers, steps = steps_of(torch.cat([rounded, weight]))
    assert (steps > 0).tolist() == 5 * [True] + 5 * [False]
    torch.testing.assert_close(numbers[:5] * steps[:5, None], rounded)
    assert bool((numbers[:5] == numbers[:5].round()).all())


def test_zeros_stay_zeros_and_have_no_grid() -> None:
    rounded = round_for_inputs(torch.zeros(2, 64), torch.zeros(64, 64), STEP)
    assert not bool(rounded.any())
    assert steps_of(rounded)[1].tolist() == [0, 0]


def test_a_compressed_file_has_about_as_many_bits_as_the_theory_says() -> None:
    """The entropy of normal weights on a fine grid: log2 of their deviation in steps, and half of log2 of 2 pi e."""
    weight = torch.randn(512, 512, generator=torch.Generator().manual_seed(0))
    numbers, _ = steps_of(round_for_inputs(weight, torch.eye(512), STEP))
    bits = 8 * len(compressed(numbers.to(torch.int8).numpy().tobytes())) / weight.numel()
    expected = float(np.log2(1 / STEP) + 0.5 * np.log2(2 * np.pi * np.e))
    assert expected - 0.05 < bits < expected + 0.1


def test_what_is_compressed_is_a_gzip_file() -> None:
    data = np.random.default_rng(0).integers(-3, 4, 10_000).astype(np.int8).tobytes()
    assert gzip.decompress(compressed(data)) == data
    assert compressed(data) == compressed(data)


def test_each_part_is_rounded_for_what_the_rounded_ones_before_it_make() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(64, 32), nn.Linear(32, 8), nn.LayerNorm(8))
    x = torch.randn(500, 64)
    first, second = (layer.weight.detach().clone() for layer in layers[:2])
    bias = layers[0].bias.detach()
    round_parts([layers[0], layers[1]], lambda: layers(x), STEP)
    expected = round_for_inputs(first, x.T @ x, STEP)
    torch.testing.assert_close(layers[0].weight.detach(), expected)
    heard = x @ expected.T + bias
    torch.testing.assert_close(layers[1].weight.detach(), round_for_inputs(second, heard.T @ heard, STEP))


def test_what_is_quantized_stays_and_what_was_trained_since_is_quantized_again() -> None:
    torch.manual_seed(0)
    layers, x = nn.Sequential(nn.Linear(64, 96), nn.Linear(96, 64)), torch.randn(500, 64)
    round_parts(layers, lambda: layers(x), STEP)
    first = layers[0].weight.detach().clone()
    with torch.no_grad():
        layers[1].weight.add_(0.01 * torch.randn(layers[1].weight.shape))
    trained = layers[1].weight.detach().clone()
    round_parts(layers, lambda: layers(x), STEP / 2)
    assert torch.equal(layers[0].weight, first)
    heard = layers[0](x).detach()
    torch.testing.assert_close(layers[1].weight.detach(), round_for_inputs(trained, heard.T @ heard, STEP / 2))
