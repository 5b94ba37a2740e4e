"""Replace vectors by the nearest vectors of a codebook that follows them.

Source: VQ-VAE, van den Oord et al. 2017, section 3.2, straight-through gradients and commitment; appendix A.1, the
    codebook as an exponential moving average.
Differs: a code that has not been used for long becomes a random vector of the batch, as in Jukebox (Dhariwal et al.
    2020), section 3.1. The codebook starts in the same way: every code is unused before the first batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

UNUSED = 0.1
"""Moving average of a code's vectors a batch below which the code is drawn anew."""


@dataclass(frozen=True)
class Quantized:
    """The output of the quantizer.

    Attributes:
        vectors: (B, N, C) of the codebook; their gradient goes to the input, unchanged.
        codes: (B, N) int64.
        commitment: mean squared distance of the input from its code, whose gradient goes to the input alone.
    """

    vectors: Tensor
    codes: Tensor
    commitment: Tensor


class VectorQuantizer(nn.Module):
    """A codebook of `n_codes` vectors; it learns in training mode from what it quantizes, without a gradient.

    Args:
        decay: of the moving averages, per batch.
    """

    codebook: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, n_codes: int, d_code: int, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("codebook", torch.randn(n_codes, d_code))
        self.register_buffer("counts", torch.zeros(n_codes))
        self.register_buffer("sums", torch.zeros(n_codes, d_code))

    def forward(self, x: Tensor) -> Quantized:
        """Quantize vectors (B, N, C)."""
        x = x.float()
        if self.training:
            self._redraw(x.detach().flatten(0, 1))
        codes = self.nearest(x)
        vectors = self.codebook[codes]  # a copy: the update below does not change it
        if self.training:
            self._follow(x.detach().flatten(0, 1), codes.flatten())
        return Quantized(x + (vectors - x).detach(), codes, F.mse_loss(x, vectors))

    @torch.no_grad()
    def nearest(self, x: Tensor) -> Tensor:
        """Return the nearest codes (B, N) of vectors (B, N, C)."""
        return ((self.codebook**2).sum(1) - 2 * x @ self.codebook.T).argmin(2)

    @torch.no_grad()
    def _redraw(self, x: Tensor) -> None:
        """Set the codes that are unused to random vectors of (M, C); with several processes, of the first one."""
        unused = (self.counts < UNUSED)[:, None]
        drawn = x[torch.randint(len(x), self.counts.shape, device=x.device)]
        if dist.is_available() and dist.is_initialized():
            dist.broadcast(drawn, 0)
        self.codebook.copy_(drawn.where(unused, self.codebook))
        self.sums.copy_(drawn.where(unused, self.sums))
        self.counts.masked_fill_(unused[:, 0], 1.0)

    @torch.no_grad()
    def _follow(self, x: Tensor, codes: Tensor) -> None:
        """Move the averages, and with them the codebook, towards vectors (M, C) of all processes and their codes."""
        chosen = F.one_hot(codes, len(self.counts)).to(x.dtype)
        new = torch.cat([chosen.sum(0)[:, None], chosen.T @ x], dim=1)
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(new)
        self.counts.lerp_(new[:, 0], 1 - self.decay)
        self.sums.lerp_(new[:, 1:], 1 - self.decay)
        self.codebook.copy_(self.sums / self.counts[:, None])
