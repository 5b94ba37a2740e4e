"""Aligned cross-entropy: the cross-entropy of the best monotonic alignment between targets and predictions.

Parallel predictions that are shifted by one place are all wrong to cross-entropy, place by place. AXE lets each target
token be compared with another place, in order; places without a target should say the blank, and a target without a
place of its own costs extra.

    targets      a    c    t
    predictions  _  a    c  t  t     "_": the blank, where nothing is aligned

Source: Ghazvininejad et al. 2020, "Aligned cross entropy for non-autoregressive machine translation", section 3:
    equations 2 to 5 and algorithm 1.
Differs: the best alignment is found once, by Numba on the CPU, and its cost is computed from the predictions again, so
    that the gradient is that of the tokens along it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from speechnar.nar.compiled import compiled
from speechnar.nar.lengths import length_mask

SKIP_PENALTY = 1.0
"""Factor of the cost of a target token that has no place of its own (delta of the paper)."""

ALIGN, SKIP_PREDICTION, SKIP_TARGET = 0, 1, 2


@dataclass(frozen=True)
class AxeAlignment:
    """The best alignment.

    Attributes:
        places: (B, N) int64, the prediction with which each target token is compared; any value in padding.
        factors: (B, N) float32: 1 where the token is aligned, the penalty where it is skipped, 0 in padding.
        blanks: (B, T) bool: predictions that no token is aligned with.
    """

    places: Tensor
    factors: Tensor
    blanks: Tensor


def axe_loss(
    log_probs: Tensor,
    lengths: Tensor,
    tokens: Tensor,
    token_lengths: Tensor,
    blank_id: int,
    skip_penalty: float = SKIP_PENALTY,
) -> Tensor:
    """Return the aligned cross-entropy in nats for each target token: a scalar, the mean over the batch's tokens.

    Args:
        log_probs: (B, T, V) natural log; lengths: (B,) predictions, at least 1 each.
        tokens: (B, N), padding of any value; token_lengths: (B,), at least 1 each.
        blank_id: what a prediction without a token should say.
        skip_penalty: factor of the cost of a skipped target token, above 0.

    Raises:
        ValueError: an utterance has no prediction or no token.
    """
    alignment = axe_alignment(log_probs, lengths, tokens, token_lengths, blank_id, skip_penalty)
    said = log_probs.gather(1, alignment.places[:, :, None].expand(-1, -1, log_probs.shape[2]))
    safe = tokens.where(alignment.factors > 0, 0)
    cost = -(said.gather(2, safe[:, :, None])[:, :, 0] * alignment.factors).sum()
    cost = cost - (log_probs[:, :, blank_id] * alignment.blanks).sum()
    return cost / token_lengths.sum()


@torch.no_grad()
def axe_alignment(
    log_probs: Tensor,
    lengths: Tensor,
    tokens: Tensor,
    token_lengths: Tensor,
    blank_id: int,
    skip_penalty: float = SKIP_PENALTY,
) -> AxeAlignment:
    """Find the cheapest monotonic alignment; the arguments are those of `axe_loss`."""
    if int(lengths.min()) < 1 or int(token_lengths.min()) < 1:
        raise ValueError("an utterance of the batch has no prediction or no target token: leave it out")
    real = length_mask(token_lengths, tokens.shape[1])
    safe = tokens.where(real, 0)
    matrix = -log_probs.float().gather(2, safe[:, None, :].expand(-1, log_probs.shape[1], -1))
    blank = -log_probs[:, :, blank_id].float()
    places = np.zeros(tokens.shape, np.int64)
    factors = np.zeros(tokens.shape, np.float32)
    blanks = np.zeros(log_probs.shape[:2], np.bool_)
    _align(  # type: ignore[call-arg]
        *(t.cpu().contiguous().numpy() for t in (matrix, blank, lengths, token_lengths)),
        skip_penalty,
        places,
        factors,
        blanks,
    )
    device = log_probs.device
    return AxeAlignment(*(torch.from_numpy(array).to(device) for array in (places, factors, blanks)))


@compiled
def _align(matrix, blank, lengths, token_lengths, penalty, places, factors, blanks):  # type: ignore[no-untyped-def]
    """Fill `places`, `factors` (B, N) and `blanks` (B, T), which begin as zeros.

    `matrix` (B, T, N) holds the cost of each token at each prediction, `blank` (B, T) that of the blank. The state
    (n, t) has n tokens and t predictions behind it.
    """
    for b in range(len(matrix)):
        n_tokens, n_places = token_lengths[b], lengths[b]
        cost = np.zeros((n_tokens + 1, n_places + 1))
        step = np.zeros((n_tokens + 1, n_places + 1), np.int8)
        for t in range(1, n_places + 1):
            cost[0, t], step[0, t] = cost[0, t - 1] + blank[b, t - 1], SKIP_PREDICTION
        for n in range(1, n_tokens + 1):
            cost[n, 0], step[n, 0] = cost[n - 1, 0] + penalty * matrix[b, 0, n - 1], SKIP_TARGET
            for t in range(1, n_places + 1):
                here = matrix[b, t - 1, n - 1]
                best, which = cost[n - 1, t - 1] + here, ALIGN
                other = cost[n, t - 1] + blank[b, t - 1]
                if other < best:
                    best, which = other, SKIP_PREDICTION
                other = cost[n - 1, t] + penalty * here
                if other < best:
                    best, which = other, SKIP_TARGET
                cost[n, t], step[n, t] = best, which
        n, t = n_tokens, n_places
        while n > 0 or t > 0:
            which = step[n, t]
            if which == SKIP_PREDICTION:
                blanks[b, t - 1] = True
                t -= 1
                continue
            places[b, n - 1] = max(t - 1, 0)
            factors[b, n - 1] = 1.0 if which == ALIGN else penalty
            n -= 1
            if which == ALIGN:
                t -= 1
