"""Average weights exponentially over steps; the average is what is validated and saved.

Source: Polyak averaging with the warm-up of TensorFlow's `ExponentialMovingAverage(num_updates)`:
    decay = min(decay, (1 + step) / (10 + step)), so that the random first weights are soon forgotten.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class EMA:
    """Hold averaged copies of modules, in evaluation mode.

    Args:
        modules: the modules that are trained, on their device.
        decay: of the average, per step; 0 keeps the last weights.
    """

    def __init__(self, modules: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self.modules = {name: copy.deepcopy(module).eval().requires_grad_(False) for name, module in modules.items()}

    @torch.no_grad()
    def update(self, modules: Mapping[str, nn.Module], step: int) -> None:
        """Move the average towards the modules; `step` is the number of steps done before. Buffers are copied."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, average in self.modules.items():
            averages: list[Tensor] = list(average.parameters())
            currents: list[Tensor] = list(modules[name].parameters())
            if averages:
                torch._foreach_lerp_(averages, currents, weight)
            for buffer, current in zip(average.buffers(), modules[name].buffers()):
                buffer.copy_(current)
