"""Compress frames to tokens by an alignment: the frames of each token become one vector, their mean.

    path       ∅ s s ∅ i x x ∅
    tokens       s     i x         the mean of the vectors of two, one and two frames

Source: Paraformer-v2 (An et al. 2024), section 3.1: posteriors of CTC, averaged over runs of the same symbol, blanks
    left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from speechnar.nar.lengths import length_mask


@dataclass(frozen=True)
class Compressed:
    """Tokens that frames were compressed to.

    Attributes:
        vectors: (B, N, C), zeros in padding; N is at least 1.
        lengths: (B,) int64 tokens.
    """

    vectors: Tensor
    lengths: Tensor


def compress(values: Tensor, path: Tensor, lengths: Tensor | None, blank_id: int) -> Compressed:
    """Return the mean of the frames of each run of one symbol, blanks left out.

    Args:
        values: (B, T, C) vectors of frames; path: (B, T) int64 symbols.
        lengths: (B,) frames; None where all are real.
    """
    spoken = path != blank_id
    if lengths is not None:
        spoken = spoken & length_mask(lengths, path.shape[1])
    begins = spoken.clone()
    begins[:, 1:] &= path[:, 1:] != path[:, :-1]
    numbers = begins.sum(1)
    token = (begins.cumsum(1) - 1).clamp(min=0)
    weights = spoken.to(values.dtype)
    shape = len(values), max(1, int(numbers.max()))
    frames = torch.zeros(shape, dtype=values.dtype, device=values.device).scatter_add(1, token, weights)
    place = token[:, :, None].expand_as(values)
    sums = torch.zeros(*shape, values.shape[2], dtype=values.dtype, device=values.device)
    sums = sums.scatter_add(1, place, values * weights[:, :, None])
    return Compressed(sums / frames.clamp(min=1)[:, :, None], numbers)
