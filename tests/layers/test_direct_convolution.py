"""Convolutions as sums of shifted products, against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from speechnar.layers.conformer import Conformer, ConformerConfig
from speechnar.layers.direct_convolution import depthwise, directly, halve


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("time", "size"), [(1, 5), (2, 5), (9, 5), (9, 1)])
def test_depthwise_is_the_convolution(time: int, size: int, bias: bool) -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv1d(6, 6, size, padding=size // 2, groups=6, bias=bias), torch.randn(2, time, 6)
    with torch.no_grad():
        torch.testing.assert_close(depthwise(x, conv), conv(x.transpose(1, 2)).transpose(1, 2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("time", "bands"), [(1, 1), (6, 5), (7, 8)])
@pytest.mark.parametrize("channels", [1, 4])
def test_halving_is_the_convolution(channels: int, time: int, bands: int, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, 4, 3, stride=2, padding=1, groups=channels, bias=bias)
    x = torch.randn(2, time, bands, channels)
    with torch.no_grad():
        torch.testing.assert_close(halve(x, conv), conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("subsampling", [2, 4, 8])
def test_a_conformer_says_the_same_with_and_without(subsampling: int) -> None:
    torch.manual_seed(0)
    model = Conformer(ConformerConfig(8, 2, 2, 16, 5, subsampling, 4), 10).eval()
    mel, lengths = torch.randn(2, 41, 10), torch.tensor([41, 30])
    assert not directly(mel)
    made = [x.detach() for x in model(mel, lengths)]
    with torch.inference_mode():
        assert directly(mel)
        quick = model(mel, lengths)
    ends = made[1].tolist()
    assert quick[1].tolist() == ends and ends[0] != ends[1]
    for row, end in enumerate(ends):
        torch.testing.assert_close(quick[0][row, :end], made[0][row, :end], atol=1e-5, rtol=0)
