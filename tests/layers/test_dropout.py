"""Dropout by bytes of random numbers."""

from __future__ import annotations

import pytest
import torch

from speechnar.layers.dropout import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_share_of_zeros_and_the_mean_are_those_of_the_rate(rate: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(300, 1001, dtype=dtype)
    y = Dropout(rate)(x)
    assert y.dtype == dtype and y.shape == x.shape
    assert float((y == 0).float().mean()) == pytest.approx(rate, abs=0.004)
    assert float(y.double().mean()) == pytest.approx(1.0, abs=0.005)
    assert len(y.unique()) == 2


def test_elements_are_independent_of_their_neighbors() -> None:
    torch.manual_seed(0)
    zero = (Dropout(0.5)(torch.ones(800_000)) == 0).float() - 0.5
    for distance in (1, 2, 7, 8, 9):
        assert abs(float((zero[:-distance] * zero[distance:]).mean())) < 0.25 * 0.01


def test_the_gradient_is_that_of_what_was_kept() -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 7, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, torch.where(y == 0, 0.0, 2.0))


def test_the_same_seed_drops_the_same() -> None:
    layer, x = Dropout(0.3), torch.ones(9, 11)
    torch.manual_seed(1)
    first, second = layer(x), layer(x)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first) and not torch.equal(first, second)


def test_nothing_is_dropped_in_inference_or_at_rate_zero() -> None:
    x = torch.randn(4, 4)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_a_rate_too_small_for_a_byte_is_torchs() -> None:
    torch.manual_seed(0)
    y = Dropout(0.001)(torch.ones(1_000_000))
    assert float((y == 0).float().mean()) == pytest.approx(0.001, rel=0.2)
    assert torch.equal(Dropout(0.5)(torch.empty(0, 3)), torch.empty(0, 3))


def test_a_compiled_model_is_one_graph() -> None:
    compiled = torch.compile(Dropout(0.5), backend="eager", fullgraph=True)
    y = compiled(torch.ones(100_000))
    assert float((y == 0).float().mean()) == pytest.approx(0.5, abs=0.02)


def test_a_rate_that_is_changed_counts() -> None:
    layer, x = Dropout(0.5), torch.ones(1000)
    layer.p = 0.0
    assert layer(x) is x
    layer.p = 1.0
    assert not layer(x).any()
    with pytest.raises(ValueError, match="between 0 and 1"):
        Dropout(1.5)
