"""Discriminators that are cheap on a CPU: one-dimensional convolutions over STFT frames.

Source: multi-resolution complex-STFT discriminators, EnCodec (Defossez et al. 2022), section 3.4.
Differs: the bins are channels of one-dimensional convolutions, which cost about a fifth of two-dimensional ones on a
    CPU, and short windows (128 samples, less than a pitch period) see phase as an envelope. The input is the log
    magnitude and the spectrum with its magnitude compressed.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


@dataclasses.dataclass(frozen=True)
class DiscriminatorConfig:
    """One discriminator for each window length (samples), with so many channels."""

    windows: tuple[int, ...] = (128, 256, 512, 1024)
    channels: tuple[int, ...] = (96, 128, 192, 256)
    n_layers: int = 4
    kernel_size: int = 5


@dataclasses.dataclass(frozen=True)
class Judgement:
    """scores: (B, T) of each discriminator, high for real; features: each layer's (B, C, T) output."""

    scores: tuple[Tensor, ...]
    features: tuple[Tensor, ...]


class FrameDiscriminator(nn.Module):
    """One resolution."""

    window: Tensor

    def __init__(self, window: int, channels: int, n_layers: int, kernel_size: int) -> None:
        super().__init__()
        self.n_fft = window
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        widths = [3 * (window // 2 + 1)] + [channels] * n_layers
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv1d(a, b, kernel_size, stride=2 if n == 1 else 1, padding=kernel_size // 2))
            for n, (a, b) in enumerate(zip(widths, widths[1:]))
        )
        self.score = weight_norm(nn.Conv1d(channels, 1, 3, padding=1))

    def features(self, wav: Tensor) -> Tensor:
        """(B, T_wav) -> (B, 3 * bins, frames): log magnitude, compressed real and imaginary parts."""
        with torch.autocast(wav.device.type, enabled=False):
            spectrum = torch.view_as_real(
                torch.stft(wav.float(), self.n_fft, self.n_fft // 4, window=self.window, return_complex=True)
            ) / (self.n_fft**0.5 / 4)
            power = spectrum.square().sum(3) + 1e-7
            compressed = spectrum * power.pow(-0.35)[..., None]
            return torch.cat([power.log() / 4 + 1, compressed[..., 0], compressed[..., 1]], dim=1)

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        x, kept = self.features(wav), []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
            kept.append(x)
        return self.score(x)[:, 0], kept


class Discriminators(nn.Module):
    """All resolutions."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        if len(config.windows) != len(config.channels):
            raise ValueError(f"{len(config.windows)} windows but {len(config.channels)} channel counts: give one each")
        self.each = nn.ModuleList(
            FrameDiscriminator(w, c, config.n_layers, config.kernel_size)
            for w, c in zip(config.windows, config.channels)
        )

    def forward(self, wav: Tensor) -> Judgement:
        """wav: (B, T_wav), longer than the longest window."""
        scores, features = [], []
        for discriminator in self.each:
            score, kept = discriminator(wav)
            scores.append(score)
            features.extend(kept)
        return Judgement(tuple(scores), tuple(features))
