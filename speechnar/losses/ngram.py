"""Losses on n-grams: of a whole sequence of parallel predictions, wherever in it an n-gram is said.

Source: bag of n-grams: Shao et al. 2020, "Minimizing the bag-of-ngrams difference for non-autoregressive neural machine
    translation", section 3.2, equations 8 to 12. Edit-invariant: Liu et al. 2022, "Don't take it literally: an
    edit-invariant sequence loss for text generation", section 3.2, equation 7.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechnar.nar.lengths import length_mask


def bag_of_ngrams_loss(log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor, order: int) -> Tensor:
    """Return the share of the target's n-grams that the predictions are not expected to say: a scalar in [0, 1].

    It is half the L1 distance between the expected bag of the predictions and that of the target, for each n-gram of
    the target, where both have the same number of n-grams.

    Args:
        log_probs: (B, T, V) natural log; lengths: (B,) predictions.
        tokens: (B, N), padding of any value; token_lengths: (B,).
        order: length of the n-grams, from 1.

    Raises:
        ValueError: no target is as long as an n-gram.
    """
    matches, real = _matches(log_probs, lengths, tokens, token_lengths, order)
    expected = matches.sum(1)
    grams = tokens.unfold(1, order, 1)
    same = (grams[:, :, None] == grams[:, None]).all(3) & real[:, :, None] & real[:, None]
    counts = same.sum(2).clamp(min=1)
    found = (torch.minimum(expected, counts.to(expected.dtype)) / counts * real).sum()
    return 1 - found / real.sum()


def edit_invariant_loss(
    log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor, order: int
) -> Tensor:
    """Return minus the log of the mean probability with which a place says each n-gram of the target: a scalar, nats.

    Args:
        log_probs, lengths, tokens, token_lengths, order: as for `bag_of_ngrams_loss`; utterances
            with fewer predictions than an n-gram are left out.

    Raises:
        ValueError: no target is as long as an n-gram.
    """
    matches, real = _matches(log_probs, lengths, tokens, token_lengths, order)
    starts = (lengths - order + 1).clamp(min=1)[:, None]
    real = real & (lengths >= order)[:, None]
    said = (matches.sum(1) / starts).clamp(min=1e-30).log()
    return -(said * real).sum() / real.sum().clamp(min=1)


def _matches(
    log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor, order: int
) -> tuple[Tensor, Tensor]:
    """Return the probability (B, T - order + 1, K) that each place begins each of the target's n-grams; 0 in padding.

    And (B, K), True for the n-grams of the target, K = N - order + 1.
    """
    if order < 1:
        raise ValueError(f"order is {order} but should be 1 or more")
    if int(token_lengths.max()) < order:
        raise ValueError(f"no target of the batch has {order} tokens, the length of an n-gram: take a lower order")
    real = length_mask(token_lengths - order + 1, tokens.shape[1] - order + 1)
    safe = tokens.where(length_mask(token_lengths, tokens.shape[1]), 0)
    starts = log_probs.shape[1] - order + 1
    if starts < 1:
        return log_probs.new_zeros(len(tokens), 1, real.shape[1]), real
    total = log_probs.new_zeros(len(tokens), starts, real.shape[1])
    for n in range(order):
        columns = safe[:, n : n + real.shape[1]]
        total = total + log_probs[:, n : n + starts].gather(2, columns[:, None].expand(-1, starts, -1))
    mask = length_mask(lengths - order + 1, starts)[:, :, None] & real[:, None]
    return total.exp() * mask, real
