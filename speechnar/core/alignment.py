"""Monotonic alignment of tokens with frames: the sum over all paths to learn by, and the best path to use.

A path gives every frame to one token, in order. Tokens that are not skippable get at least one frame; of skippable
ones (pauses and punctuation) no two that follow one another are both left out.

Source: One TTS Alignment To Rule Them All (Badlani et al. 2022), section 2: forward sum, beta-binomial prior and the
    binarisation loss. Monotonic alignment search, Glow-TTS (Kim et al. 2020), algorithm 1.
Differs: tokens may be skipped, and the sum is over such paths and needs no blank.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechnar.core.lengths import length_mask

IMPOSSIBLE = -1e9
"""A log-probability of zero that stays finite, so that its gradients are zeros and not NaN."""


class AlignmentError(ValueError):
    """Tokens that cannot be aligned; the message names the place in the batch."""


def beta_binomial_prior(token_lengths: Tensor, mel_lengths: Tensor, scale: float = 1.0) -> Tensor:
    """Log-probabilities of the tokens at each frame that favour the diagonal.

    Args:
        token_lengths, mel_lengths: (B,).
        scale: of both shape parameters; larger is closer to the diagonal.

    Returns:
        (B, T_mel, T_text); each real frame sums to 1 over its real tokens, `IMPOSSIBLE` elsewhere.
    """
    n = (token_lengths - 1).double()[:, None, None]
    frames = mel_lengths.double()[:, None, None]
    t = torch.arange(1, int(mel_lengths.max()) + 1, device=mel_lengths.device).double()[None, :, None]
    k = torch.arange(int(token_lengths.max()), device=mel_lengths.device).double()[None, None, :]
    real = length_mask(mel_lengths, t.shape[1])[:, :, None] & length_mask(token_lengths, k.shape[2])[:, None, :]
    a, b, k = scale * t, (scale * (frames - t + 1)).clamp(min=scale), torch.minimum(k, n)

    def log_beta(x: Tensor, y: Tensor) -> Tensor:
        return x.lgamma() + y.lgamma() - (x + y).lgamma()

    choose = (n + 1).lgamma() - (k + 1).lgamma() - (n - k + 1).lgamma()
    prior = choose + log_beta(k + a, n - k + b) - log_beta(a, b)
    return torch.where(real, prior, IMPOSSIBLE).float()


def forward_sum(
    log_probs: Tensor, token_lengths: Tensor, mel_lengths: Tensor, skippable: Tensor | None = None
) -> Tensor:
    """The log of the sum, over all paths, of the product of their frames' probabilities.

    Its negative is the loss that teaches an alignment.

    Args:
        log_probs: (B, T_mel, T_text) of each token at each frame.
        token_lengths, mel_lengths: (B,).
        skippable: (B, T_text) bool; None if no token may be left out.

    Returns:
        (B,) natural log.

    Raises:
        AlignmentError: an utterance has fewer frames than tokens that need one.
    """
    may_skip = _may_skip(log_probs, token_lengths, mel_lengths, skippable)
    log_probs = log_probs.double()  # in float32 the sums of thousands of frames have few digits left
    alpha = _start(log_probs[:, 0], may_skip)
    for t in range(1, log_probs.shape[1]):
        ways = torch.stack(_ways(alpha, may_skip))
        alpha = torch.where((mel_lengths > t)[:, None], ways.logsumexp(0) + log_probs[:, t], alpha)
    return torch.stack(_ends(alpha, token_lengths, may_skip)).logsumexp(0).float()


def monotonic_alignment_search(
    log_probs: Tensor, token_lengths: Tensor, mel_lengths: Tensor, skippable: Tensor | None = None
) -> Tensor:
    """The frames of each token on the best path.

    Args:
        log_probs, token_lengths, mel_lengths, skippable: as for `forward_sum`.

    Returns:
        (B, T_text) int64 durations; they sum to `mel_lengths`. 0 in padding.

    Raises:
        AlignmentError: an utterance has fewer frames than tokens that need one.
    """
    may_skip = _may_skip(log_probs, token_lengths, mel_lengths, skippable)
    best, steps = _start(log_probs[:, 0].float(), may_skip), []
    for t in range(1, log_probs.shape[1]):
        value, step = torch.stack(_ways(best, may_skip)).max(0)
        best = torch.where((mel_lengths > t)[:, None], value + log_probs[:, t].float(), best)
        steps.append(step)
    token = token_lengths - 1 - torch.stack(_ends(best, token_lengths, may_skip)).argmax(0)
    durations = torch.zeros(log_probs.shape[0], log_probs.shape[2], dtype=torch.int64, device=log_probs.device)
    durations.scatter_add_(1, token[:, None], torch.ones_like(token)[:, None])
    for t in range(log_probs.shape[1] - 1, 0, -1):
        real = mel_lengths > t
        token = torch.where(real, token - steps[t - 1].gather(1, token[:, None])[:, 0], token)
        durations.scatter_add_(1, token[:, None], real.long()[:, None])
    return durations


def binarisation_loss(log_probs: Tensor, durations: Tensor, mel_lengths: Tensor) -> Tensor:
    """Minus the mean log-probability of the tokens that `durations` (B, T_text) give to the real frames; a scalar."""
    frames = torch.arange(log_probs.shape[1], device=log_probs.device)
    token = torch.searchsorted(durations.cumsum(1), frames.expand(len(durations), -1).contiguous(), right=True)
    chosen = log_probs.gather(2, token.clamp(max=log_probs.shape[2] - 1)[:, :, None])[:, :, 0]
    mask = length_mask(mel_lengths, log_probs.shape[1])
    return -(chosen * mask).sum() / mask.sum()


def _may_skip(log_probs: Tensor, token_lengths: Tensor, mel_lengths: Tensor, skippable: Tensor | None) -> Tensor:
    """(B, T_text) bool, all False if None was given; refuses what has no path."""
    shape = (log_probs.shape[0], log_probs.shape[2])
    may_skip = torch.zeros(shape, dtype=torch.bool, device=log_probs.device) if skippable is None else skippable
    needed = token_lengths - _left_out(may_skip & length_mask(token_lengths, shape[1]))
    short = (needed > mel_lengths) | (mel_lengths < 1) | (token_lengths < 1)
    if short.any():
        n = int(short.nonzero()[0])
        frames, tokens = int(mel_lengths[n]), int(needed[n])
        raise AlignmentError(f"utterance {n} of the batch has {frames} frames for {tokens} tokens: leave it out")
    return may_skip


def _left_out(may_skip: Tensor) -> Tensor:
    """(B,): how many tokens a path can leave out at most, no two in a row and never all."""
    before = torch.zeros(len(may_skip), dtype=torch.bool, device=may_skip.device)
    count = torch.zeros(len(may_skip), dtype=torch.int64, device=may_skip.device)
    for column in may_skip.T:
        before = column & ~before
        count = count + before
    return count


def _start(first: Tensor, may_skip: Tensor) -> Tensor:
    """(B, T_text) of the first frame: on the first token, or on the second if the first may be left out."""
    allowed = torch.zeros_like(may_skip)
    allowed[:, 0] = True
    allowed[:, 1:2] = may_skip[:, :1]
    return torch.where(allowed, first, IMPOSSIBLE)


def _ways(value: Tensor, may_skip: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What each token (B, T_text) gets from itself, the one before, and the one before a token left out."""
    far = torch.full_like(value[:, :2], IMPOSSIBLE)
    before = torch.cat([far[:, :1], value[:, :-1]], dim=1)
    leap = torch.cat([far, value[:, :-2]], dim=1)[:, : value.shape[1]]
    passed = torch.cat([may_skip[:, :1] & False, may_skip[:, :-1]], dim=1)
    return value, before, torch.where(passed, leap, IMPOSSIBLE)


def _ends(value: Tensor, token_lengths: Tensor, may_skip: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) each: on the last token, and on the one before if the last may be left out."""
    last = (token_lengths - 1)[:, None]
    one_before = (last - 1).clamp(min=0)
    allowed = may_skip.gather(1, last) & (last > 0)
    return value.gather(1, last)[:, 0], torch.where(allowed, value.gather(1, one_before), IMPOSSIBLE)[:, 0]
