"""Small convolutions as sums of shifted products, for inference on a CPU.

oneDNN, which torch uses for convolutions on a CPU, sets itself up for each new length. Every recording has another
length, and the setup took longer than the convolutions. Sums need no setup, and channels stay last.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def directly(x: Tensor) -> bool:
    """Return whether to use this module: on a CPU, without gradients, and while no graph is exported."""
    return x.device.type == "cpu" and not torch.is_grad_enabled() and not torch.jit.is_tracing()


def depthwise(x: Tensor, conv: nn.Conv1d) -> Tensor:
    """Apply a depthwise convolution of odd size, stride 1 and same length to (B, T, C)."""
    (batch, time, channels), size = x.shape, conv.kernel_size[0]
    padded = F.pad(x, (0, 0, size // 2, size // 2)).contiguous()
    row, frame, channel = padded.stride()
    shifted = padded.as_strided((batch, size, time, channels), (row, frame, frame, channel))
    total = (shifted * conv.weight[:, 0].t()[:, None].contiguous()).sum(1)
    return total if conv.bias is None else total.add_(conv.bias)


def halve(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Apply a 3 x 3 convolution with stride 2 and padding 1 to (B, T, bands, C), channels last.

    The convolution has one input channel, or is depthwise.

    Returns:
        (B, ceil(T / 2), ceil(bands / 2), channels).
    """
    size = batch, time, bands, channels = len(x), (x.shape[1] + 1) // 2, (x.shape[2] + 1) // 2, x.shape[3]
    padded = F.pad(x, (0, 0, 1, 1, 1, 1)).contiguous()
    if conv.in_channels == 1:
        seen = padded[..., 0].unfold(1, 3, 2).unfold(2, 3, 2).permute(3, 4, 0, 1, 2).flatten(0, 1).flatten(1)
        return F.linear(seen.t(), conv.weight.flatten(1), conv.bias).view(batch, time, bands, -1)
    row, frame, band, channel = padded.stride()
    parts = [
        padded.as_strided(size, (row, 2 * frame, 2 * band, channel), i * frame + j * band)
        for i in range(3)
        for j in range(3)
    ]
    weights = conv.weight[:, 0].permute(1, 2, 0).reshape(9, channels).unbind()
    total = parts[0] * weights[0]
    for part, weight in zip(parts[1:], weights[1:]):
        total.addcmul_(part, weight)
    return total if conv.bias is None else total.add_(conv.bias)
