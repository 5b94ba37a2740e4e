"""Compute short-time Fourier transforms on rows of `hop_length` samples, as matrix products.

A window spans `overlap` hops. The transform of a row, its neighbors and the inverse are then a concatenation of
shifted rows and two matrix products, the same in training and in an exported graph. Magnitudes alone are computed by a
fast Fourier transform, except in exported graphs, which have none.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class HopSTFT(nn.Module):
    """STFT and inverse with a Hann window of `overlap` hops (odd, at least 3).

    Frame t is centered on row t. Transform and inverse together are the identity, except for the first and last
    `overlap // 2` rows, which lack neighbors.

    Cosines are even about sample 0 of a window and sines odd, so that one product with the cosines, of the sums of
    samples n and n_fft - n, and one with the sines, of their differences, do half the work of a product of all samples.

    Attributes:
        analysis_cosines, analysis_sines: (n_fft // 2 + 1, n_bins), under the window.
        synthesis_cosines, synthesis_sines: (n_bins, n_fft // 2 + 1).
    """

    analysis_cosines: Tensor
    analysis_sines: Tensor
    synthesis_cosines: Tensor
    synthesis_sines: Tensor
    window: Tensor

    def __init__(self, hop_length: int, overlap: int = 3) -> None:
        super().__init__()
        if overlap < 3 or overlap % 2 == 0:
            raise ValueError(f"overlap should be odd and at least 3 but is {overlap}")
        self.hop_length, self.overlap = hop_length, overlap
        n_fft = hop_length * overlap
        self.n_bins = n_fft // 2 + 1
        window = torch.hann_window(n_fft, dtype=torch.float64) / n_fft**0.5
        numbers = torch.arange(self.n_bins, dtype=torch.float64)
        angle = 2 * math.pi / n_fft * (numbers[:, None] * numbers % n_fft)
        weights = torch.full((self.n_bins,), 2.0, dtype=torch.float64)
        weights[0] = 1.0
        if n_fft % 2 == 0:
            weights[-1] = 1.0
        gain = 1 / (3 / 8 * overlap)  # the sum of squared Hann windows at these hops
        for name, values in (("cosines", angle.cos()), ("sines", -angle.sin())):
            forward = values * window[: self.n_bins, None]
            inverse = (forward * weights * gain).T.contiguous()
            self.register_buffer(f"analysis_{name}", forward.float(), persistent=False)
            self.register_buffer(f"synthesis_{name}", inverse.float(), persistent=False)
        self.register_buffer("window", window.float(), persistent=False)

    def transform(self, rows: Tensor) -> Tensor:
        """Transform (B, T, hop_length) to (B, T, 2 * n_bins): real parts, then imaginary parts."""
        time, padded = rows.shape[1], self._with_sides(rows)
        windows = torch.cat([padded[:, k : k + time] for k in range(self.overlap)], dim=2)
        first, last, middle = self._halves(windows)
        zero = windows[:, :, :1]  # where the window is 0
        real = torch.cat([zero, first + last, middle], dim=2) @ self.analysis_cosines
        imaginary = torch.cat([zero, first - last, middle], dim=2) @ self.analysis_sines
        return torch.cat([real, imaginary], dim=2)

    def _halves(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the samples before the middle of each window, those after it in reverse, and the middle one.

        The first are samples 1 to (n_fft - 1) // 2. Only an even n_fft has a middle sample.
        """
        n_fft = self.hop_length * self.overlap
        pairs = (n_fft - 1) // 2
        after = windows[:, :, n_fft - pairs :].flip(2)
        return windows[:, :, 1 : pairs + 1], after, windows[:, :, pairs + 1 : n_fft - pairs]

    def magnitudes(self, rows: Tensor) -> Tensor:
        """Return the magnitudes (B, T, n_bins) of the transform of (B, T, hop_length), in a quarter of its time."""
        if torch.jit.is_tracing():
            real, imaginary = self.transform(rows).chunk(2, dim=2)
        else:
            hop = self.hop_length
            windows = self._with_sides(rows).flatten(1).unfold(1, hop * self.overlap, hop)
            spectrum = torch.fft.rfft(windows * self.window)
            real, imaginary = spectrum.real, spectrum.imag
        return (real.square() + imaginary.square()).sqrt()

    def _with_sides(self, rows: Tensor) -> Tensor:
        """Pad with rows of silence, for the windows of the first and the last rows."""
        side = self.overlap // 2
        return torch.nn.functional.pad(rows, (0, 0, side, side))

    def inverse(self, spectrum: Tensor) -> Tensor:
        """Return the samples (B, T * hop_length) of spectra (B, T, 2 * n_bins)."""
        side, time, n_fft = self.overlap // 2, spectrum.shape[1], self.hop_length * self.overlap
        real, imaginary = spectrum.chunk(2, dim=2)
        even, odd = real @ self.synthesis_cosines, imaginary @ self.synthesis_sines
        before = even + odd  # samples 0 to n_fft // 2; the others mirror them
        after = (even - odd)[:, :, 1 : (n_fft + 1) // 2].flip(2)
        parts = torch.cat([before, after], dim=2).unflatten(2, (self.overlap, self.hop_length))
        padded = torch.nn.functional.pad(parts, (0, 0, 0, 0, side, side))
        rows = torch.stack([padded[:, 2 * side - k : 2 * side - k + time, k] for k in range(self.overlap)])
        return rows.sum(0).flatten(1)
