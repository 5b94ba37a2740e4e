"""Statistics of the training data, which models keep in buffers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def fill_buffers(module: nn.Module, values: Mapping[str, Tensor | float | list[float]]) -> None:
    """Copy values into the buffers of these names, in float32 and in the shape of the buffer."""
    for name, value in values.items():
        buffer = module.get_buffer(name)
        buffer.copy_(torch.as_tensor(value, dtype=torch.float32).reshape(buffer.shape))
