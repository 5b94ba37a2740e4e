"""Cross-attention of token decoders to encoder frames, each frame at the token position that CTC gives it.

A decoder that asks for the token at position n only needs the frames near that position, and a bias by distance makes
its attention prefer them from the first training step. If frames were numbered in time, the decoder would first have to
learn how long tokens are, for which small corpora are too little.

Source: attention's bias by distance: ALiBi (Press et al. 2022), section 3.
Differs: the distance is between a token's position and the token position of a frame, in tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from speechnar.layers.decoder_block import KeyValues

STEEPEST = 4.0
"""Slope of the first head's bias, in nats per token of distance; the slope of each next head is a quarter of it."""


@dataclass(frozen=True)
class Memory:
    """An encoder's output as the input of a token decoder's cross-attention.

    Attributes:
        layers: keys and values for each layer of the decoder.
        positions: (B, T) token positions of the frames, see `token_positions`; infinity for padding.
    """

    layers: tuple[KeyValues, ...]
    positions: Tensor

    def distance_bias(self, number: int, first: int = 0) -> Tensor:
        """Return the bias of cross-attention from the tokens `first` to before `number` to the frames.

        Returns:
            (B, n_heads, number - first, T), to be added to the attention's logits: 0 for a frame at the token's own
            position, falling linearly with the distance by the head's slope; minus infinity for padding.
        """
        keys = self.layers[0].keys
        heads = keys.shape[1]
        tokens = torch.arange(first, number, device=keys.device)
        away = (self.positions[:, None, :] - tokens[:, None]).abs()[:, None]
        slopes = STEEPEST * 2.0 ** (-2 * torch.arange(heads, device=keys.device))
        return (-slopes[:, None, None] * away).to(keys.dtype)

    def repeated(self, number: int) -> Memory:
        """Return the memory of a batch of one for a batch of `number`."""
        return Memory(tuple(kv.repeated(number) for kv in self.layers), self.positions.expand(number, -1))

    def each(self, number: int) -> Memory:
        """Return the memory with each row repeated `number` times in succession."""
        if number == 1:
            return self
        if len(self.positions) == 1:
            return self.repeated(number)
        rows = torch.arange(len(self.positions), device=self.positions.device).repeat_interleave(number)
        return Memory(tuple(kv.of(rows) for kv in self.layers), self.positions[rows])


def token_positions(log_probs: Tensor, blank_id: int) -> Tensor:
    """Return the token of CTC's best path that each frame belongs to: 0, 1, ...; blanks are halfway to the next token.

    Args:
        log_probs: (B, T, V).

    Returns:
        (B, T) float32; -0.5 before the first token.
    """
    return path_positions(log_probs.argmax(2), blank_id)


def path_positions(path: Tensor, blank_id: int) -> Tensor:
    """Return the token of an alignment that each frame belongs to, as `token_positions`; path: (B, T) symbols."""
    changed = torch.ones_like(path, dtype=torch.bool)
    changed[:, 1:] = path[:, 1:] != path[:, :-1]
    spoken = path != blank_id
    return (changed & spoken).cumsum(1) - torch.where(spoken, 1.0, 0.5)


def positions_in(positions: Tensor, path: list[int], texts: list[list[int]]) -> Tensor:
    """Return the token positions of the frames in other texts, which differ from the path in a few tokens.

    Positions in the tokens that a text shares with the path at its start and its end are shifted; positions between
    these are interpolated linearly.

    Args:
        positions: (T,) of `token_positions`.
        path: the tokens that `positions` refer to.

    Returns:
        (texts, T) float32, rounded to halves.
    """
    bends = torch.tensor([_bends(path, text) for text in texts], device=positions.device)
    first, last, others = bends[:, :, None].unbind(1)
    slopes = (others - first) / (last - first).clamp(min=1)
    between = ((first + (positions - first) * slopes) * 2).round() / 2
    return torch.where(
        positions <= first, positions, torch.where(positions >= last, positions + others - last, between)
    )


def _bends(path: list[int], text: list[int]) -> tuple[float, float, float]:
    """Return the position of the blank after the common start, and of the blank before the common end in each text."""
    shorter = min(len(path), len(text))
    same = [a == b for a, b in zip(path, text)]
    begin = same.index(False) if False in same else shorter
    end = 0
    while end < shorter - begin and path[-1 - end] == text[-1 - end]:
        end += 1
    return begin - 0.5, len(path) - end - 0.5, len(text) - end - 0.5


def sinusoids_at(positions: Tensor, channels: int) -> Tensor:
    """Return sinusoids (B, T, channels) of positions (B, T); at integers those of `decoder_block.sinusoids`."""
    rates = 10000 ** (-torch.arange(0, channels, 2, device=positions.device) / channels)
    angles = positions[:, :, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=2)
