"""Dropout whose random numbers cost little on a CPU, where torch's take several times as long as a matrix product.

Each number of 64 bits decides for eight elements, by a byte each.

Source: Srivastava et al. 2014, section 4.
Differs: on a CPU the rate is rounded to a multiple of 1/256, such as 0.1 to 0.102, and what is kept is scaled by that.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 256  # of a byte


class Dropout(nn.Dropout):
    """Set elements to zero in training, at random."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, any shape, with elements set to zero and the others scaled; in inference `x` itself."""
        if not self.training or not self.p:
            return x
        zeroed = round(self.p * LEVELS)  # so many of the values of a byte
        if x.device.type != "cpu" or not 0 < zeroed < LEVELS or torch.compiler.is_compiling():
            return F.dropout(x, self.p)
        numbers = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        drawn = numbers.view(torch.uint8)[: x.numel()].view(x.shape)
        scales = torch.ge(drawn, zeroed, out=torch.empty(x.shape, dtype=x.dtype))
        return x * scales.mul_(LEVELS / (LEVELS - zeroed))
