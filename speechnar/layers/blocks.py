"""Blocks that the models share. They take (B, T, C) and masks (B, T), True = real, and padding never has an effect.

Source: ConvNeXt block, Liu et al. 2022, section 2.6; in one dimension as in Vocos (Siuzdak 2023), section 3.1.
    Attention block, Vaswani et al. 2017, section 3, with pre-normalization.
Differs: the input of each convolution is masked, so that a sequence gives the same result at any padding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.layers.dropout import Dropout


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """Set the padding of (B, T, C) to zero by a (B, T) mask; None means that there is no padding."""
    return x if mask is None else x * mask[:, :, None].to(x.dtype)


class Conv(nn.Module):
    """A convolution over time on (B, T, C) that keeps the length and does not see padding."""

    def __init__(self, d_in: int, d_out: int, kernel_size: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(d_in, d_out, kernel_size, padding=kernel_size // 2, groups=groups)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.conv(masked(x, mask).transpose(1, 2)).transpose(1, 2)


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, normalization, a two-layer perceptron and a scaled residual."""

    def __init__(self, d_model: int, d_ff: int, kernel_size: int, dropout: float = 0.0, scale: float = 1.0) -> None:
        super().__init__()
        self.depthwise = Conv(d_model, d_model, kernel_size, groups=d_model)
        self.norm = nn.LayerNorm(d_model)
        self.expand = nn.Linear(d_model, d_ff)
        self.contract = nn.Linear(d_ff, d_model)
        self.scale = nn.Parameter(torch.full((d_model,), scale))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y = self.norm(self.depthwise(x, mask))
        return x + self.dropout(self.scale * self.contract(F.gelu(self.expand(y))))


class ConvNeXt(nn.Module):
    """A stack of `ConvNeXtBlock`s and a last normalization; the layer scale starts at 1 / n_layers."""

    def __init__(self, n_layers: int, d_model: int, d_ff: int, kernel_size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(d_model, d_ff, kernel_size, dropout, 1 / n_layers) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)


class SelfAttention(nn.Module):
    """Multi-head attention without projections."""

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads

    def forward(self, qkv: Tensor, mask: Tensor | None) -> Tensor:
        """Attend by queries, keys and values (B, T, 3 d_model), and return (B, T, d_model)."""
        heads = qkv.unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        allowed = None if mask is None else mask[:, None, None, :]
        mixed = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=allowed)
        return mixed.transpose(1, 2).flatten(2)


class AttentionBlock(nn.Module):
    """Self-attention over all positions and a two-layer perceptron, both residual.

    The block has no positional encoding: it follows convolutions, whose outputs depend on position.
    """

    def __init__(self, d_model: int, d_ff: int, n_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"d_model {d_model} is not a multiple of n_heads {n_heads}")
        self.attend = SelfAttention(n_heads)
        self.attention_norm = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.project = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model)
        self.expand = nn.Linear(d_model, d_ff)
        self.contract = nn.Linear(d_ff, d_model)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.dropout(self.project(self.attend(self.qkv(self.attention_norm(x)), mask)))
        return x + self.dropout(self.contract(F.gelu(self.expand(self.norm(x)))))
