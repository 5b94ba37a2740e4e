"""A Conformer encoder whose output for an utterance does not depend on padding.

Source: Conformer (Gulati et al. 2020), section 2, figure 1. Rotary positions: RoFormer (Su et al. 2021), 3.2.2.
    Subsampling by separable convolutions: Fast Conformer (Rekesh et al. 2023), section 3.1.
Differs: the convolution module normalizes each frame (LayerNorm) where the paper normalizes over batch and time, so
    that neither other utterances nor padding have an effect; rotary positions in place of Transformer-XL's,
    which are slower; dropout after each module and not inside (drawing random numbers took a fifth of a step on a CPU).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.layers.blocks import Conv, masked
from speechnar.layers.direct_convolution import depthwise, directly, halve
from speechnar.layers.dropout import Dropout
from speechnar.nar.lengths import length_mask


@dataclass(frozen=True)
class ConformerConfig:
    """Widths and depths.

    Attributes:
        subsampling: number of mel frames in one frame of the encoder: 2, 4 or 8; or 1 without convolutions.
        subsampling_channels: channels of the convolutions that subsample; 0 stacks frames in place of convolutions, for
            input that is no spectrum, such as the states of another encoder.
        kernel_size: width of the convolution module; odd.
        dropout: rate after each module.
    """

    d_model: int = 144
    n_heads: int = 4
    n_layers: int = 12
    d_ff: int = 576
    kernel_size: int = 15
    subsampling: int = 4
    subsampling_channels: int = 64
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.subsampling not in (2, 4, 8) and (self.subsampling, self.subsampling_channels) != (1, 0):
            raise ValueError(
                f"subsampling is {self.subsampling} but should be 2, 4 or 8, or 1 with subsampling_channels 0"
            )
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {self.kernel_size} but should be odd")
        if self.d_model % (2 * self.n_heads):
            raise ValueError(f"d_model {self.d_model} is not a multiple of twice n_heads {self.n_heads}")


class Conformer(nn.Module):
    """Subsampling and a stack of `ConformerBlock`s."""

    def __init__(self, config: ConformerConfig, n_mels: int) -> None:
        super().__init__()
        channels, d = config.subsampling_channels, config.d_model
        self.subsampling = (
            Subsampling(config.subsampling, n_mels, channels, d, config.dropout)
            if channels
            else Stacking(config.subsampling, n_mels, d, config.dropout)
        )
        self.blocks = nn.ModuleList(ConformerBlock(config) for _ in range(config.n_layers))
        self.d_head = config.d_model // config.n_heads

    def forward(
        self, mel: Tensor, mel_lengths: Tensor | None, between: Callable[[int, Tensor], Tensor] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Encode mel frames.

        Args:
            mel: (B, T_mel, n_mels), normalized; padding of any value.
            mel_lengths: (B,) frames; None where there is no padding.
            between: called after each block with the block's number, from 1, and its output; returns the input of the
                next block.

        Returns:
            (B, T, d_model) with T = ceil(T_mel / subsampling), padding of any value; and (B,) lengths, or None.
        """
        hidden, lengths = self.subsampling(mel, mel_lengths)
        mask = None if lengths is None else length_mask(lengths, hidden.shape[1])
        turns = rotary_turns(hidden, self.d_head)
        for number, block in enumerate(self.blocks, 1):
            hidden = block(hidden, turns, mask)
            if between is not None:
                hidden = between(number, hidden)
        return hidden, lengths


class Subsampling(nn.Module):
    """Strided 3 x 3 convolutions that halve time and mel bands: a full convolution, then separable ones."""

    def __init__(self, factor: int, n_mels: int, channels: int, d_model: int, dropout: float) -> None:
        super().__init__()
        convs: list[nn.Module] = [nn.Conv2d(1, channels, 3, stride=2, padding=1)]
        bands = (n_mels + 1) // 2
        for _ in range(int(math.log2(factor)) - 1):
            depthwise = nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels)
            convs.append(nn.Sequential(depthwise, nn.Conv2d(channels, channels, 1)))
            bands = (bands + 1) // 2
        self.convs = nn.ModuleList(convs)
        self.project = nn.Linear(channels * bands, d_model)
        self.dropout = Dropout(dropout)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x, lengths = mel[:, None], mel_lengths
        direct = directly(mel)
        for conv in self.convs:
            if lengths is not None:  # beyond the end of an utterance convolutions see zeros
                x = x * length_mask(lengths, x.shape[2])[:, None, :, None].to(x.dtype)
                lengths = (lengths + 1) // 2
            x = F.silu(halved(x, conv) if direct else conv(x))
        return self.dropout(self.project(x.transpose(1, 2).flatten(2))), lengths


class Stacking(nn.Module):
    """Stacks of `factor` frames, each as one vector, and a projection."""

    def __init__(self, factor: int, channels: int, d_model: int, dropout: float) -> None:
        super().__init__()
        self.factor = factor
        self.project = nn.Linear(factor * channels, d_model)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if lengths is not None:
            x, lengths = masked(x, length_mask(lengths, x.shape[1])), -(-lengths // self.factor)
        x = F.pad(x, (0, 0, 0, -x.shape[1] % self.factor))
        return self.dropout(self.project(x.unflatten(1, (-1, self.factor)).flatten(2))), lengths


def halved(x: Tensor, conv: nn.Module) -> Tensor:
    """Apply a layer of `Subsampling.convs` to (B, C, T, bands) by `direct_convolution`."""
    strided, *rest = conv if isinstance(conv, nn.Sequential) else [conv]
    assert isinstance(strided, nn.Conv2d)
    x = halve(x.permute(0, 2, 3, 1), strided)
    for pointwise in rest:
        assert isinstance(pointwise, nn.Conv2d)
        x = F.linear(x, pointwise.weight.flatten(1), pointwise.bias)
    return x.permute(0, 3, 1, 2)


class ConformerBlock(nn.Module):
    """Feed-forward with half a residual, attention, convolution, feed-forward with half a residual, normalization."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        d = config.d_model
        self.feed_in = FeedForward(d, config.d_ff)
        self.attention = RotaryAttention(d, config.n_heads)
        self.convolution = ConvolutionModule(d, config.kernel_size)
        self.feed_out = FeedForward(d, config.d_ff)
        self.norm = nn.LayerNorm(d)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, turns: Tensor, mask: Tensor | None) -> Tensor:
        drop = self.dropout if self.training else _nothing
        x = x + 0.5 * drop(self.feed_in(x))
        x = x + drop(self.attention(x, turns, mask))
        x = x + drop(self.convolution(x, mask))
        x = x + 0.5 * drop(self.feed_out(x))
        return self.norm(x)


class FeedForward(nn.Module):
    """Normalization and a two-layer perceptron."""

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.expand = nn.Linear(d_model, d_ff)
        self.contract = nn.Linear(d_ff, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(F.silu(self.expand(self.norm(x))))


class RotaryAttention(nn.Module):
    """Normalization and self-attention with rotary positions, which encode the distance of two frames."""

    def __init__(self, d_model: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.project = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, turns: Tensor, mask: Tensor | None) -> Tensor:
        batch, time, d_model = x.shape
        heads = self.qkv(self.norm(x)).view(batch, time, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys = rotated(heads[:2], turns)
        allowed = None if mask is None else mask[:, None, None, :]
        mixed = F.scaled_dot_product_attention(queries, keys, heads[2], allowed)
        return self.project(mixed.transpose(1, 2).reshape(batch, time, d_model))


class ConvolutionModule(nn.Module):
    """Normalization, a gated pointwise layer, a depthwise convolution that does not see padding, a pointwise layer."""

    def __init__(self, d_model: int, kernel_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.expand = nn.Linear(d_model, 2 * d_model)
        self.depthwise = Conv(d_model, d_model, kernel_size, groups=d_model)
        self.middle_norm = nn.LayerNorm(d_model)
        self.project = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = masked(F.glu(self.expand(self.norm(x)), dim=2), mask)
        x = depthwise(x, self.depthwise.conv) if directly(x) else self.depthwise(x)
        return self.project(F.silu(self.middle_norm(x)))


def _nothing(x: Tensor) -> Tensor:
    """Return `x`, in place of a dropout layer in inference, whose calls take time."""
    return x


def rotary_turns(like: Tensor, d_head: int) -> Tensor:
    """Return the factors of rotary positions for (B, T, C): (2, T, d_head) float32.

    The first row multiplies a vector, the second one the vector with its halves swapped: cosines and sines of each
    position's angles, with negative sines in the first half.
    """
    rates = 10000 ** (-torch.arange(0, d_head, 2, device=like.device) / d_head)
    angles = torch.arange(like.shape[1], device=like.device)[:, None] * rates
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([torch.cat([cos, cos], dim=1), torch.cat([-sin, sin], dim=1)])


def rotated(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate the two halves of each head's vectors (..., n_heads, T, d_head) by their positions' angles."""
    own, other = turns.to(x.dtype)
    return x * own + x.roll(x.shape[-1] // 2, -1) * other
