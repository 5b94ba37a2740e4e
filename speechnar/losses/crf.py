"""A conditional random field over parallel predictions: transitions of low rank, summed over a beam of candidates.

The score of a text is the sum of its tokens' log-probabilities, each predicted alone, and of a transition score for
each two neighbors, the product of a row of `left` and a row of `right`.

Source: Sun et al. 2019, "Fast Structured Decoding for Sequence Models", section 3: low-rank transition matrices
    (equation 6), and the beam approximation, which sums over the most probable tokens of each position (section 3.3).
Differs: the transition matrix is the same at all positions (without equation 8's dynamic transitions).
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechnar.nar.lengths import length_mask


def crf_loss(log_probs: Tensor, lengths: Tensor, tokens: Tensor, left: Tensor, right: Tensor, beam: int) -> Tensor:
    """Return minus the log-probability of the tokens among all texts of their length that the beam holds.

    Args:
        log_probs: (B, N, V) of the tokens alone; lengths: (B,) tokens; tokens: (B, N), padding of any token.
        left, right: (V, rank) of the first and the second of two neighbors.
        beam: candidates of each position: the most probable tokens, and always that of `tokens`.

    Returns:
        (B,) nats, 0 or more; 0 for an empty text.
    """
    real = length_mask(lengths, tokens.shape[1])
    favored = log_probs.detach().scatter(2, tokens[:, :, None], torch.inf)
    candidates = favored.topk(min(beam, log_probs.shape[2]), 2).indices  # (B, N, K); the target is the first
    emissions = log_probs.gather(2, candidates)
    transitions = left[candidates[:, :-1]] @ right[candidates[:, 1:]].transpose(2, 3)  # (B, N - 1, K, K)
    total = emissions[:, 0]
    for n in range(1, tokens.shape[1]):
        longer = (total[:, :, None] + transitions[:, n - 1]).logsumexp(1) + emissions[:, n]
        total = torch.where(real[:, n, None], longer, total)
    target = (emissions[:, :, 0] * real).sum(1) + (transitions[:, :, 0, 0] * real[:, 1:]).sum(1)
    return (total.logsumexp(1) - target) * (lengths > 0)
