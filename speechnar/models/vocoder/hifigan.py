"""HiFi-GAN: log-mel to a waveform by transposed convolutions. The parameters have their published names.

Source: HiFi-GAN (Kong, Kim and Bae 2020), section 2.2 and appendix A; the official `models.py` and its three configs.
Differs: (B, T, C) at the boundary, and the mel is normalized first where a checkpoint has statistics for it, as in
    transformers' SpeechT5HifiGan. Weight norm is folded into the kernels outside training.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from speechnar.audio import AudioConfig

LAST_SLOPE = 0.01  # of the last leaky ReLU


@dataclasses.dataclass(frozen=True)
class HiFiGANConfig:
    """The generator, with the fields of the published `config_v1.json`; the defaults are V1.

    Attributes:
        resblock: 1, pairs of convolutions, or 2, single ones.
        upsample_rates: factors whose product is the hop length.
        upsample_initial_channel: channels before the first upsampling; each one halves them.
        resblock_kernel_sizes, resblock_dilation_sizes: one residual block each; the blocks run in parallel. Of the
            dilations of a block 2 the first two count, as in the official code, whose configs may name three.
        slope: of the leaky ReLUs, except the last.
        reflect: whether convolutions pad by reflection and not by zeros.
    """

    resblock: int = 1
    upsample_rates: tuple[int, ...] = (8, 8, 2, 2)
    upsample_kernel_sizes: tuple[int, ...] = (16, 16, 4, 4)
    upsample_initial_channel: int = 512
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    slope: float = 0.1
    reflect: bool = False

    def __post_init__(self) -> None:
        if self.resblock not in (1, 2):
            raise ValueError(f"resblock is {self.resblock} but should be 1 or 2")
        pairs = (
            ("upsample_rates", "upsample_kernel_sizes"),
            ("resblock_kernel_sizes", "resblock_dilation_sizes"),
        )
        for names in pairs:
            a, b = (getattr(self, name) for name in names)
            if not a or len(a) != len(b):
                raise ValueError(f"{names[0]} has {len(a)} values and {names[1]} {len(b)}: give as many of both")
        for rate, size in zip(self.upsample_rates, self.upsample_kernel_sizes):
            if size < rate or (size - rate) % 2:
                raise ValueError(f"the upsampling kernel {size} should exceed its rate {rate} by an even number")
        if self.upsample_initial_channel % 2 ** len(self.upsample_rates):
            raise ValueError(
                f"upsample_initial_channel {self.upsample_initial_channel} cannot be halved "
                f"{len(self.upsample_rates)} times"
            )

    @property
    def dilations(self) -> tuple[tuple[int, ...], ...]:
        """Return the dilations of each residual block that count."""
        return tuple(sizes if self.resblock == 1 else sizes[:2] for sizes in self.resblock_dilation_sizes)


V1 = HiFiGANConfig()
V2 = HiFiGANConfig(upsample_initial_channel=128)
V3 = HiFiGANConfig(
    resblock=2,
    upsample_rates=(8, 8, 4),
    upsample_kernel_sizes=(16, 16, 8),
    upsample_initial_channel=256,
    resblock_kernel_sizes=(3, 5, 7),
    resblock_dilation_sizes=((1, 2), (2, 6), (3, 12)),
)


@dataclasses.dataclass(frozen=True)
class HiFiGANOutput:
    """wav (B, T_mel * hop_length) in [-1, 1]."""

    wav: Tensor


class PairBlock(nn.Module):
    """Residual block 1: dilated convolutions, each followed by one without dilation."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...], config: HiFiGANConfig) -> None:
        super().__init__()
        self.slope = config.slope
        self.convs1 = nn.ModuleList(_conv(channels, channels, kernel_size, config, d) for d in dilations)
        self.convs2 = nn.ModuleList(_conv(channels, channels, kernel_size, config) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2):
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, self.slope)), self.slope))
        return x


class SingleBlock(nn.Module):
    """Residual block 2: dilated convolutions."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...], config: HiFiGANConfig) -> None:
        super().__init__()
        self.slope = config.slope
        self.convs = nn.ModuleList(_conv(channels, channels, kernel_size, config, d) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated in self.convs:
            x = x + dilated(F.leaky_relu(x, self.slope))
        return x


def _conv(d_in: int, d_out: int, kernel_size: int, config: HiFiGANConfig, dilation: int = 1) -> nn.Conv1d:
    """Return a convolution that keeps the length."""
    padding = dilation * (kernel_size - 1) // 2
    return nn.Conv1d(
        d_in, d_out, kernel_size, padding=padding, dilation=dilation,
        padding_mode="reflect" if config.reflect else "zeros",
    )  # fmt: skip


class HiFiGAN(nn.Module):
    """The generator. With `context` frames on each side, a chunk is equal to the same frames of the whole.

    Raises:
        ValueError: the product of the upsampling rates is not the hop length.
    """

    mel_mean: Tensor
    mel_std: Tensor

    def __init__(self, config: HiFiGANConfig, audio: AudioConfig) -> None:
        super().__init__()
        made = math.prod(config.upsample_rates)
        if made != audio.hop_length:
            raise ValueError(
                f"HiFi-GAN makes {made} samples of a frame (upsample_rates {list(config.upsample_rates)}) but the hop "
                f"length is {audio.hop_length}: choose rates whose product it is"
            )
        self.config, self.audio = config, audio
        channels = config.upsample_initial_channel
        block = PairBlock if config.resblock == 1 else SingleBlock
        self.conv_pre = _conv(audio.n_mels, channels, 7, config)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for rate, size in zip(config.upsample_rates, config.upsample_kernel_sizes):
            self.ups.append(nn.ConvTranspose1d(channels, channels // 2, size, rate, padding=(size - rate) // 2))
            channels //= 2
            for kernel_size, dilations in zip(config.resblock_kernel_sizes, config.dilations):
                self.resblocks.append(block(channels, kernel_size, dilations, config))
        self.conv_post = _conv(channels, 1, 7, config)
        for conv in self._convolutions():
            if conv is not self.conv_pre:
                nn.init.normal_(conv.weight, 0.0, 0.01)
        self.register_buffer("mel_mean", torch.zeros(audio.n_mels))
        self.register_buffer("mel_std", torch.ones(audio.n_mels))

    @property
    def context(self) -> int:
        """Return the number of frames on each side that influence a frame."""
        config = self.config
        repeats = 2 - config.resblock  # of each dilated convolution, by one without dilation
        reach = 3  # in samples of the layer's own rate, at first those of conv_post
        for rate, size in zip(reversed(config.upsample_rates), reversed(config.upsample_kernel_sizes)):
            reach += max(
                sum((k - 1) // 2 * (d + repeats) for d in dilations)
                for k, dilations in zip(config.resblock_kernel_sizes, config.dilations)
            )
            reach = math.ceil((reach + (size + rate) // 2 - 1) / rate)
        return reach + 3

    def _convolutions(self) -> list[nn.Conv1d | nn.ConvTranspose1d]:
        return [module for module in self.modules() if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d))]

    def normalize_weights(self) -> None:
        """Split each kernel into direction and size (weight norm) for training; the output is the same."""
        for conv in self._convolutions():
            weight_norm(conv)

    def folded(self) -> HiFiGAN:
        """Return a copy on the CPU, in evaluation mode, without weight norm."""
        # Not a deep copy: removing its parametrizations would remove those of the original, which has the same class.
        model = HiFiGAN(self.config, self.audio)
        model.load_state_dict(plain_weights(self.state_dict()))
        return model.eval()

    def forward(self, mel: Tensor) -> HiFiGANOutput:
        """Compute the waveform.

        Args:
            mel: (B, T_mel, n_mels) natural log magnitude.
        """
        config = self.config
        x = self.conv_pre(((mel - self.mel_mean) / self.mel_std).transpose(1, 2))
        n_blocks = len(config.resblock_kernel_sizes)
        for n, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, config.slope))
            blocks = self.resblocks[n * n_blocks : (n + 1) * n_blocks]
            x = torch.stack([block(x) for block in blocks]).sum(0) / n_blocks
        return HiFiGANOutput(torch.tanh(self.conv_post(F.leaky_relu(x, LAST_SLOPE)))[:, 0])


def plain_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dictionary without weight norm, of torch's old or new kind: direction and size are multiplied."""
    splits = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))
    plain = dict(state)
    for size_name, direction_name in splits:
        for name in [name for name in plain if name.endswith(f".{size_name}")]:
            layer = name.removesuffix(size_name)
            if layer + direction_name in plain:
                size, direction = plain.pop(name), plain.pop(layer + direction_name)
                axes = [n for n, length in enumerate(size.shape) if length == 1]
                norm = torch.linalg.vector_norm(direction, dim=axes, keepdim=True)
                plain[layer + "weight"] = direction * (size / norm)
    return plain
