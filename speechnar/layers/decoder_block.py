"""A Transformer layer over tokens with cross-attention to an encoder, for whole sequences or step by step.

Source: Vaswani et al. 2017, sections 3.1, 3.2 and 3.5, with pre-normalization.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.layers.dropout import Dropout


@dataclass(frozen=True)
class DecoderConfig:
    """Widths and depths of a decoder.

    Attributes:
        sees_ctc: whether a decoder on a CTC encoder is given the distributions of CTC, as means of token embeddings,
            and starts with an output layer that turns an embedding back into its token. It then begins with copies of
            CTC's tokens, for which it otherwise needs thousands of steps.
    """

    d_model: int = 144
    n_heads: int = 4
    n_layers: int = 4
    d_ff: int = 576
    dropout: float = 0.1
    sees_ctc: bool = False

    def __post_init__(self) -> None:
        if self.d_model % (2 * self.n_heads):
            raise ValueError(f"d_model {self.d_model} is not a multiple of twice n_heads {self.n_heads}")


@dataclass(frozen=True)
class KeyValues:
    """Keys and values of attention, (B, n_heads, T, d_head) each."""

    keys: Tensor
    values: Tensor

    def then(self, later: KeyValues) -> KeyValues:
        """Return these, followed by `later` ones."""
        return KeyValues(torch.cat([self.keys, later.keys], 2), torch.cat([self.values, later.values], 2))

    def repeated(self, number: int) -> KeyValues:
        """Return the keys and values of a batch of one for a batch of `number`."""
        return KeyValues(self.keys.expand(number, -1, -1, -1), self.values.expand(number, -1, -1, -1))

    def of(self, rows: Tensor) -> KeyValues:
        """Return the keys and values of the given rows of the batch."""
        return KeyValues(self.keys[rows], self.values[rows])


class DecoderBlock(nn.Module):
    """Self-attention, cross-attention to the encoder and a two-layer perceptron, all residual.

    Args:
        cross_attention: False makes the layer of a Transformer encoder, which is called without a memory.
    """

    def __init__(self, config: DecoderConfig, cross_attention: bool = True) -> None:
        super().__init__()
        d = config.d_model
        self.n_heads = config.n_heads
        self.self_norm = nn.LayerNorm(d)
        self.self_qkv = nn.Linear(d, 3 * d)
        self.self_project = nn.Linear(d, d)
        if cross_attention:
            self.cross_norm = nn.LayerNorm(d)
            self.cross_query = nn.Linear(d, d)
            self.cross_kv = nn.Linear(d, 2 * d)
            self.cross_project = nn.Linear(d, d)
        self.norm = nn.LayerNorm(d)
        self.expand = nn.Linear(d, config.d_ff)
        self.contract = nn.Linear(config.d_ff, d)
        self.dropout = Dropout(config.dropout)

    def memory(self, hidden: Tensor) -> KeyValues:
        """Return cross-attention's keys and values of encoder output (B, T, d_model), the same in every step."""
        return KeyValues(*map(self._heads, self.cross_kv(hidden).chunk(2, dim=2)))

    def forward(
        self,
        x: Tensor,
        allowed: Tensor | None,
        memory: KeyValues | None,
        memory_allowed: Tensor | None = None,
        past: KeyValues | None = None,
    ) -> tuple[Tensor, KeyValues]:
        """Apply the layer.

        Args:
            x: (B, N, d_model).
            memory: keys and values of one utterance for each row of `x`; where `memory_allowed` is None, they may be
                those of one utterance for all rows. None in a layer without cross-attention.
            allowed: of self-attention, broadcast to (B, n_heads, N, tokens attended to): bool, True where attention is
                allowed, or a bias to be added to its logits; None allows everything.
            memory_allowed: the same of cross-attention, broadcast to (B, n_heads, N, T).
            past: keys and values of the tokens before `x`.

        Returns:
            (B, N, d_model), and the self-attention keys and values of all tokens so far.
        """
        queries, keys, values = map(self._heads, self.self_qkv(self.self_norm(x)).chunk(3, dim=2))
        now = KeyValues(keys, values)
        seen = now if past is None else past.then(now)
        x = x + self.dropout(self.self_project(self._attend(queries, seen, allowed)))
        if memory is not None:
            x = x + self.dropout(self.cross_project(self._cross(x, memory, memory_allowed)))
        return x + self.dropout(self.contract(self.dropout(F.gelu(self.expand(self.norm(x)))))), seen

    def _cross(self, x: Tensor, memory: KeyValues, memory_allowed: Tensor | None) -> Tensor:
        """Return what cross-attention finds for x, (B, N, d_model)."""
        queries = self._heads(self.cross_query(self.cross_norm(x)))
        if memory_allowed is None and memory.keys.shape[0] == 1:  # one matrix product for all rows
            together = queries.transpose(0, 1).flatten(1, 2)[None]
            return self._attend(together, memory, None).view(x.shape)
        return self._attend(queries, memory, memory_allowed)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.n_heads, -1)).transpose(1, 2)

    def _attend(self, queries: Tensor, seen: KeyValues, allowed: Tensor | None) -> Tensor:
        mixed = F.scaled_dot_product_attention(queries, seen.keys, seen.values, allowed)
        return mixed.transpose(1, 2).flatten(2)


def sinusoids(like: Tensor, start: int = 0) -> Tensor:
    """Return sinusoids (T, C) of the positions `start`, `start` + 1, ... for `like` (B, T, C)."""
    time, channels = like.shape[1:]
    rates = 10000 ** (-torch.arange(0, channels, 2, device=like.device) / channels)
    angles = torch.arange(start, start + time, device=like.device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(like.dtype)


def group_mask(size: int, before: int, group: int, device: torch.device) -> Tensor:
    """Return the mask (size, before + size) of self-attention over groups of tokens: each sees itself and those before.

    Args:
        size: tokens that are read, behind `before` others; both whole groups, of `group` tokens.
    """
    groups = torch.arange(before + size, device=device) // group
    return groups[before:, None] >= groups
