"""Shared layers: padding has no effect, every weight learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from speechnar.layers.blocks import AttentionBlock, Conv, ConvNeXt, masked
from speechnar.nar.lengths import length_mask

LAYERS = {
    "conv": lambda: Conv(8, 8, 5),
    "convnext": lambda: ConvNeXt(3, 8, 16, 5),
    "attention": lambda: AttentionBlock(8, 16, 2),
}


@pytest.fixture(params=LAYERS)
def layer(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return LAYERS[request.param]().eval()


def test_masked_zeroes_padding_alone() -> None:
    x = torch.ones(1, 3, 2)
    assert masked(x, length_mask(torch.tensor([2]), 3)).sum(2).tolist() == [[2, 2, 0]]
    assert masked(x, None) is x


def test_padding_has_no_effect(layer: nn.Module) -> None:
    x = torch.randn(2, 9, 8)
    mask = length_mask(torch.tensor([6, 9]), 9)
    x[0, 6:] = 100.0
    whole = layer(x, mask)
    torch.testing.assert_close(whole[:1, :6], layer(x[:1, :6]), atol=1e-5, rtol=0)
    torch.testing.assert_close(whole[1:], layer(x[1:]), atol=1e-5, rtol=0)


def test_gradient_reaches_every_parameter(layer: nn.Module) -> None:
    (layer(torch.randn(2, 9, 8)) * torch.randn(2, 9, 8)).sum().backward()
    still = [name for name, p in layer.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_a_stack_sees_as_far_as_its_kernels() -> None:
    torch.manual_seed(0)
    layer, x = ConvNeXt(3, 8, 16, 5).eval(), torch.randn(1, 21, 8)
    other = x.clone()
    other[0, 10] += 1
    moved = (layer(x) - layer(other)).abs().sum(2)[0] > 1e-7
    assert moved[4:17].all() and not moved[:4].any() and not moved[17:].any()


def test_attention_sees_all_tokens_in_any_order() -> None:
    torch.manual_seed(0)
    layer, x = AttentionBlock(8, 16, 2).eval(), torch.randn(1, 6, 8)
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    torch.testing.assert_close(layer(x)[:, order], layer(x[:, order]), atol=1e-5, rtol=0)


def test_heads_divide_the_width() -> None:
    with pytest.raises(ValueError, match="d_model 8 is not a multiple of n_heads 3"):
        AttentionBlock(8, 16, 3)
