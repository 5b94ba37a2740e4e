"""Dropout whose random numbers cost little on a CPU, where torch's take several times as long as a matrix product.

Each number of 64 bits decides for eight elements, by a byte each.

Source: Srivastava et al. 2014, section 4.
Differs: on a CPU the rate is rounded to a multiple of 1/256, such as 0.1 to 0.102. The mean of the output is exact.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 256  # of a byte


class Dropout(nn.Module):
    """Set elements to zero in training, as `torch.nn.Dropout` does.

    Args:
        rate: probability of each element to be zero, in [0, 1).

    Raises:
        ValueError: the rate is not in that range.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"the rate of dropout is {rate} but should be from 0 to below 1")
        self.rate = rate
        self.zeroed = round(rate * LEVELS)  # so many of the values of a byte

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, any shape, with elements set to zero and the others scaled; in inference `x` itself."""
        if not self.training or not self.rate:
            return x
        if x.device.type != "cpu" or not 0 < self.zeroed < LEVELS:
            return F.dropout(x, self.rate)
        numbers = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        drawn = numbers.view(torch.uint8)[: x.numel()].view(x.shape)
        scales = torch.ge(drawn, self.zeroed, out=torch.empty(x.shape, dtype=x.dtype))
        return x * scales.mul_(LEVELS / (LEVELS - self.zeroed))

    def extra_repr(self) -> str:
        return f"rate={self.rate}"
