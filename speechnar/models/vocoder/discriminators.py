"""Discriminators: fast ones on STFT frames, HiFi-GAN's on samples, and one on mels for acoustic models.

Source: multi-resolution complex-STFT discriminators, EnCodec (Defossez et al. 2022), section 3.4. Multi-period and
    multi-scale discriminators, HiFi-GAN (Kong, Kim and Bae 2020), section 2.3, with their published parameter names.
    A discriminator of the mels of FastSpeech 2: GANSpeech (Yang et al. 2021), section 3.
Differs: the bins of STFT frames are channels of one-dimensional convolutions, which take about a fifth of the time of
    two-dimensional ones on a CPU; with short windows (128 samples, less than a pitch period) phase shows as an
    envelope. The input is the log magnitude and the spectrum with compressed magnitude. Scores are not features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

SCALE_KERNELS = (15, 41, 41, 41, 41, 41, 5)
SCALE_STRIDES = (1, 2, 2, 4, 4, 1, 1)


@dataclasses.dataclass(frozen=True)
class DiscriminatorConfig:
    """Window lengths (samples), one discriminator each, and the channels of each."""

    windows: tuple[int, ...] = (128, 256, 512, 1024)
    channels: tuple[int, ...] = (96, 128, 192, 256)
    n_layers: int = 4
    kernel_size: int = 5


@dataclasses.dataclass(frozen=True)
class WaveDiscriminatorConfig:
    """HiFi-GAN's discriminators; the defaults are the published ones.

    Attributes:
        periods: samples; one discriminator each, which has samples at this distance in a column.
        n_scales: number of discriminators on the signal, the signal at half the rate, and so on.
        scale_channels, scale_groups: of the seven convolutions of each scale.
    """

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_channels: tuple[int, ...] = (32, 128, 512, 1024, 1024)
    n_scales: int = 3
    scale_channels: tuple[int, ...] = (128, 128, 256, 512, 1024, 1024, 1024)
    scale_groups: tuple[int, ...] = (1, 4, 16, 16, 16, 16, 1)

    def __post_init__(self) -> None:
        for name in ("scale_channels", "scale_groups"):
            if len(getattr(self, name)) != len(SCALE_KERNELS):
                raise ValueError(f"{name} has {len(getattr(self, name))} values but should have {len(SCALE_KERNELS)}")


@dataclasses.dataclass(frozen=True)
class MelDiscriminatorConfig:
    """Channels of each two-dimensional convolution over frames and mel bands; each halves the number of both."""

    channels: tuple[int, ...] = (32, 64, 128)


@dataclasses.dataclass(frozen=True)
class Judgment:
    """scores: (B, T) of each discriminator, high for recordings; features: the output (B, C, ...) of each layer."""

    scores: tuple[Tensor, ...]
    features: tuple[Tensor, ...]


class FrameDiscriminator(nn.Module):
    """The discriminator of one resolution."""

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
        """Return (B, 3 * bins, frames) of (B, T_wav): log magnitude, compressed real and imaginary parts."""
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
    """Discriminators of all resolutions."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        if len(config.windows) != len(config.channels):
            raise ValueError(f"{len(config.windows)} windows but {len(config.channels)} channel counts: give one each")
        self.each = nn.ModuleList(
            FrameDiscriminator(w, c, config.n_layers, config.kernel_size)
            for w, c in zip(config.windows, config.channels)
        )

    def forward(self, wav: Tensor) -> Judgment:
        """Judge audio (B, T_wav) that is longer than the longest window."""
        scores, features = [], []
        for discriminator in self.each:
            score, kept = discriminator(wav)
            scores.append(score)
            features.extend(kept)
        return Judgment(tuple(scores), tuple(features))


class Panel(nn.Module):
    """Several sets of discriminators, of which every score and every layer has the same weight."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, wav: Tensor) -> Judgment:
        """Judge (B, T_wav) by all members."""
        each = [member(wav) for member in self.members]
        return Judgment(
            tuple(score for one in each for score in one.scores),
            tuple(layer for one in each for layer in one.features),
        )


class PeriodDiscriminator(nn.Module):
    """Two-dimensional convolutions along the columns of rows of `period` samples."""

    def __init__(self, period: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.period = period
        widths = (1, *channels)
        strides = [3] * (len(channels) - 1) + [1]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 1), (stride, 1), padding=(2, 0)))
            for a, b, stride in zip(widths, channels, strides)
        )
        self.conv_post = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        wav = F.pad(wav[:, None], (0, -wav.shape[1] % self.period), "reflect")
        return _layered(wav.unflatten(2, (-1, self.period)), self.convs, self.conv_post)


class ScaleDiscriminator(nn.Module):
    """Grouped one-dimensional convolutions, the first scale's under spectral norm."""

    def __init__(self, config: WaveDiscriminatorConfig, spectral: bool) -> None:
        super().__init__()
        norm = spectral_norm if spectral else weight_norm
        widths = (1, *config.scale_channels)
        self.convs = nn.ModuleList(
            norm(nn.Conv1d(a, b, kernel_size, stride, kernel_size // 2, groups=groups))
            for a, b, kernel_size, stride, groups in zip(
                widths, config.scale_channels, SCALE_KERNELS, SCALE_STRIDES, config.scale_groups
            )
        )
        self.conv_post = norm(nn.Conv1d(widths[-1], 1, 3, padding=1))

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        return _layered(wav[:, None], self.convs, self.conv_post)


class MelDiscriminator(nn.Module):
    """Convolutions over time and frequency, which judge patches of a mel."""

    def __init__(self, config: MelDiscriminatorConfig) -> None:
        super().__init__()
        widths = (1, *config.channels)
        self.convs = nn.ModuleList(weight_norm(nn.Conv2d(a, b, 3, 2, padding=1)) for a, b in zip(widths, widths[1:]))
        self.conv_post = weight_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, mel: Tensor) -> Judgment:
        """Judge normalized mels (B, T_mel, n_mels), which are 0 in the padding."""
        score, features = _layered(mel[:, None], self.convs, self.conv_post)
        return Judgment((score,), tuple(features))


def _layered(x: Tensor, layers: nn.ModuleList, last: nn.Module) -> tuple[Tensor, list[Tensor]]:
    kept = []
    for layer in layers:
        x = F.leaky_relu(layer(x), 0.1)
        kept.append(x)
    return last(x).flatten(1), kept


class WaveDiscriminators(nn.Module):
    """Discriminators of all periods and scales."""

    def __init__(self, config: WaveDiscriminatorConfig) -> None:
        super().__init__()
        periods = [PeriodDiscriminator(period, config.period_channels) for period in config.periods]
        scales = [ScaleDiscriminator(config, spectral=n == 0) for n in range(config.n_scales)]
        self.mpd = nn.ModuleDict({"discriminators": nn.ModuleList(periods)})  # the published names
        self.msd = nn.ModuleDict({"discriminators": nn.ModuleList(scales)})

    def forward(self, wav: Tensor) -> Judgment:
        """Judge audio (B, T_wav)."""
        judged = [discriminator(wav) for discriminator in self._each(self.mpd)]
        for n, discriminator in enumerate(self._each(self.msd)):
            if n:
                wav = F.avg_pool1d(wav[:, None], 4, 2, padding=2)[:, 0]
            judged.append(discriminator(wav))
        return Judgment(tuple(score for score, _ in judged), tuple(x for _, kept in judged for x in kept))

    @staticmethod
    def _each(kind: nn.ModuleDict) -> list[nn.Module]:
        return list(kind["discriminators"].children())
