"""Short-time Fourier transforms on rows of `hop_length` samples, as matrix products.

A window spans `overlap` hops. The transform of a row, its neighbors and the inverse are then a concatenation of
shifted rows and one matrix product, the same in training and in an exported graph. Where the magnitudes alone are
wanted, a fast Fourier transform finds them, but for exported graphs, which have none.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class HopSTFT(nn.Module):
    """STFT and inverse with a Hann window of `overlap` hops (odd, at least 3).

    Frame t is centered on row t. The two together are the identity, but for the first and last `overlap // 2` rows,
    which lack neighbors.
    """

    analysis: Tensor
    synthesis: Tensor
    window: Tensor

    def __init__(self, hop_length: int, overlap: int = 3) -> None:
        super().__init__()
        if overlap < 3 or overlap % 2 == 0:
            raise ValueError(f"overlap should be odd and at least 3 but is {overlap}")
        self.hop_length, self.overlap = hop_length, overlap
        n_fft = hop_length * overlap
        self.n_bins = n_fft // 2 + 1
        window = torch.hann_window(n_fft, dtype=torch.float64)
        turns = torch.arange(n_fft, dtype=torch.float64)[:, None] * torch.arange(self.n_bins, dtype=torch.float64)
        angle = 2 * math.pi / n_fft * (turns % n_fft)
        forward = torch.cat([angle.cos(), -angle.sin()], dim=1) * window[:, None] / n_fft**0.5
        weights = torch.full((self.n_bins,), 2.0, dtype=torch.float64)
        weights[0] = 1.0
        if n_fft % 2 == 0:
            weights[-1] = 1.0
        gain = 1 / (3 / 8 * overlap)  # the sum of squared Hann windows at these hops
        inverse = forward * weights.repeat(2) * gain
        self.register_buffer("analysis", forward.float(), persistent=False)
        self.register_buffer("synthesis", inverse.T.float().contiguous(), persistent=False)
        self.register_buffer("window", (window / n_fft**0.5).float(), persistent=False)

    def transform(self, rows: Tensor) -> Tensor:
        """(B, T, hop_length) -> (B, T, 2 * n_bins): real parts, then imaginary parts."""
        time, padded = rows.shape[1], self._with_sides(rows)
        windows = torch.cat([padded[:, k : k + time] for k in range(self.overlap)], dim=2)
        return windows @ self.analysis

    def magnitudes(self, rows: Tensor) -> Tensor:
        """(B, T, hop_length) -> (B, T, n_bins): absolute values of what `transform` finds, a quarter of its work."""
        if torch.jit.is_tracing():
            real, imaginary = self.transform(rows).chunk(2, dim=2)
        else:
            hop = self.hop_length
            windows = self._with_sides(rows).flatten(1).unfold(1, hop * self.overlap, hop)
            spectrum = torch.fft.rfft(windows * self.window)
            real, imaginary = spectrum.real, spectrum.imag
        return (real.square() + imaginary.square()).sqrt()

    def _with_sides(self, rows: Tensor) -> Tensor:
        """Rows of silence before and after, for the windows of the first and the last."""
        side = self.overlap // 2
        return torch.nn.functional.pad(rows, (0, 0, side, side))

    def inverse(self, spectrum: Tensor) -> Tensor:
        """(B, T, 2 * n_bins) -> (B, T * hop_length)."""
        side, time = self.overlap // 2, spectrum.shape[1]
        parts = (spectrum @ self.synthesis).unflatten(2, (self.overlap, self.hop_length))
        padded = torch.nn.functional.pad(parts, (0, 0, 0, 0, side, side))
        rows = torch.stack([padded[:, 2 * side - k : 2 * side - k + time, k] for k in range(self.overlap)])
        return rows.sum(0).flatten(1)
