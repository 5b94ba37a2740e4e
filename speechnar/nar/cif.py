"""Continuous integrate-and-fire: frames to token vectors, all tokens at once.

Each frame has a weight. The weights are added up along time, and each time that the sum passes a whole number a token
is complete: its vector is the sum of its frames, each by the part of its weight that falls to the token.

    weights   0.4   0.5   0.3   0.9          sums  0.4  0.9  1.2  2.1
    token 0   0.4   0.5   0.1
    token 1               0.2   0.8          what is left, 0.1, is no token

Source: Dong and Xu 2020, "CIF: continuous integrate-and-fire for end-to-end speech recognition", section 3; scaling and
    quantity loss, section 3.2. Paraformer (Gao et al. 2022), section 3.2.
Differs: the share of a frame in a token is the overlap of two intervals on the axis of the sums, in closed form:
    nothing runs frame by frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from speechnar.nar.lengths import length_mask

TAIL = 0.5
"""Sum of weights left at the end that still makes a token, at recognition."""


@dataclass(frozen=True)
class Fired:
    """Tokens that frames were integrated to.

    Attributes:
        vectors: (B, N, C), zeros in padding; N is at least 1.
        lengths: (B,) tokens.
        shares: (B, T, N) of each frame in each token.
    """

    vectors: Tensor
    lengths: Tensor
    shares: Tensor


def integrate_and_fire(
    hidden: Tensor, weights: Tensor, lengths: Tensor | None, token_lengths: Tensor | None = None
) -> Fired:
    """Integrate frames to tokens.

    Args:
        hidden: (B, T, C); weights: (B, T), 0 or more; lengths: (B,) frames, None where all are real.
        token_lengths: (B,) in training: weights are scaled so that so many tokens fire. None rounds the sums: a tail
            of `TAIL` or more is a token, and its frames count as they are.
    """
    weights = weights.float()
    if lengths is not None:
        weights = weights * length_mask(lengths, weights.shape[1])
    sums = weights.sum(1)
    if token_lengths is None:
        numbers = (sums + (1 - TAIL)).floor().long()
    else:
        numbers = token_lengths
        weights = weights * (numbers / sums.clamp(min=1e-6))[:, None]
    ends = weights.cumsum(1)
    starts = ends - weights
    tokens = torch.arange(max(1, int(numbers.max())), device=hidden.device)
    shares = (torch.minimum(ends[:, :, None], tokens + 1.0) - torch.maximum(starts[:, :, None], tokens.float())).clamp(
        min=0
    )
    shares = shares * length_mask(numbers, len(tokens))[:, None]
    vectors = shares.transpose(1, 2).to(hidden.dtype) @ hidden
    return Fired(vectors, numbers, shares)


def quantity_loss(weights: Tensor, lengths: Tensor | None, token_lengths: Tensor) -> Tensor:
    """Return the mean absolute difference between sums of weights (B, T) and numbers of tokens (B,): a scalar."""
    if lengths is not None:
        weights = weights * length_mask(lengths, weights.shape[1])
    return (weights.float().sum(1) - token_lengths).abs().mean()
