"""Monotonic alignment of tokens with frames: the sum over all paths, for training, and the best path.

A path assigns every frame to one token, in order. Tokens that are not skippable get at least one frame. Skippable
tokens (pauses and punctuation) may get none, but no two tokens in succession are left out.

Source: One TTS Alignment To Rule Them All (Badlani et al. 2022), section 2: forward sum, beta-binomial prior and the
    binarization loss. Monotonic alignment search, Glow-TTS (Kim et al. 2020), algorithm 1.
Differs: tokens may be skipped, and the sum includes such paths and needs no blank. Both loops run on the CPU,
    compiled by Numba: twenty times as fast there as the same steps on tensors.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from speechnar.nar.compiled import compiled
from speechnar.nar.lengths import length_mask

IMPOSSIBLE = -1e9
"""A log-probability of zero that stays finite, so that its gradients are zeros and not NaN."""


class AlignmentError(ValueError):
    """Report tokens that cannot be aligned; the message names the row of the batch."""


def beta_binomial_prior(token_lengths: Tensor, mel_lengths: Tensor, scale: float = 1.0) -> Tensor:
    """Return log-probabilities of the tokens at each frame that favor the diagonal.

    Args:
        token_lengths, mel_lengths: (B,).
        scale: factor of both shape parameters; a larger one keeps closer to the diagonal.

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
    prior = choose + (k + a).lgamma() + (n - k + b).lgamma() - (n + a + b).lgamma() - log_beta(a, b)
    return torch.where(real, prior, IMPOSSIBLE).float()


def forward_sum(
    log_probs: Tensor, token_lengths: Tensor, mel_lengths: Tensor, skippable: Tensor | None = None
) -> Tensor:
    """Return the log of the sum, over all paths, of the product of their frames' probabilities.

    Its negative is the loss of an aligner.

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
    total: Tensor = _ForwardSum.apply(log_probs.float(), token_lengths, mel_lengths, may_skip)
    return total


def path_shares(
    log_probs: Tensor, token_lengths: Tensor, mel_lengths: Tensor, skippable: Tensor | None = None
) -> Tensor:
    """Return the probability of each token at each frame: the share of the paths, by their probability, that are on it.

    Args:
        log_probs, token_lengths, mel_lengths, skippable: as for `forward_sum`.

    Returns:
        (B, T_mel, T_text); each real frame sums to 1, 0 in padding.

    Raises:
        AlignmentError: an utterance has fewer frames than tokens that need one.
    """
    may_skip = _may_skip(log_probs, token_lengths, mel_lengths, skippable)
    return _sums(log_probs, token_lengths, mel_lengths, may_skip, with_shares=True)[1]


def monotonic_alignment_search(
    log_probs: Tensor, token_lengths: Tensor, mel_lengths: Tensor, skippable: Tensor | None = None
) -> Tensor:
    """Return the frames of each token on the best path.

    Args:
        log_probs, token_lengths, mel_lengths, skippable: as for `forward_sum`.

    Returns:
        (B, T_text) int64 durations; they sum to `mel_lengths`. 0 in padding.

    Raises:
        AlignmentError: an utterance has fewer frames than tokens that need one.
    """
    may_skip = _may_skip(log_probs, token_lengths, mel_lengths, skippable)
    durations = np.zeros(may_skip.shape, np.int64)
    _best_paths(*_arrays(log_probs, token_lengths, mel_lengths, may_skip), durations)  # type: ignore[call-arg]
    return torch.from_numpy(durations).to(log_probs.device)


def binarization_loss(log_probs: Tensor, durations: Tensor, mel_lengths: Tensor) -> Tensor:
    """Return minus the mean log-probability of the frames' tokens by `durations` (B, T_text), a scalar."""
    frames = torch.arange(log_probs.shape[1], device=log_probs.device)
    token = torch.searchsorted(durations.cumsum(1), frames.expand(len(durations), -1).contiguous(), right=True)
    chosen = log_probs.gather(2, token.clamp(max=log_probs.shape[2] - 1)[:, :, None])[:, :, 0]
    mask = length_mask(mel_lengths, log_probs.shape[1])
    return -(chosen * mask).sum() / mask.sum()


def _may_skip(log_probs: Tensor, token_lengths: Tensor, mel_lengths: Tensor, skippable: Tensor | None) -> Tensor:
    """Return (B, T_text) bool, all False for None; raise AlignmentError where there is no path."""
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
    """Return (B,) the largest number of tokens that a path can leave out: no two in succession, and never all."""
    before = torch.zeros(len(may_skip), dtype=torch.bool, device=may_skip.device)
    count = torch.zeros(len(may_skip), dtype=torch.int64, device=may_skip.device)
    for column in may_skip.T:
        before = column & ~before
        count = count + before
    return count


class _ForwardSum(torch.autograd.Function):
    """Forward sum; its gradient by a log-probability is the share of all paths, by their weight, that contain it."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, token_lengths: Tensor, mel_lengths: Tensor, may_skip: Tensor) -> Tensor:
        totals, shares = _sums(log_probs, token_lengths, mel_lengths, may_skip, ctx.needs_input_grad[0])
        ctx.save_for_backward(shares)
        return totals

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return grad[:, None, None] * ctx.saved_tensors[0], None, None, None


def _sums(
    log_probs: Tensor, token_lengths: Tensor, mel_lengths: Tensor, may_skip: Tensor, with_shares: bool
) -> tuple[Tensor, Tensor]:
    """Return the log of the sum over all paths, (B,), and on request the shares of `path_shares`, else zeros."""
    arrays = _arrays(log_probs, token_lengths, mel_lengths, may_skip)
    totals, shares = np.zeros(len(arrays[0])), np.zeros_like(arrays[0])
    _sums_of_paths(*arrays, with_shares, totals, shares)  # type: ignore[call-arg]
    return torch.from_numpy(totals).to(log_probs), torch.from_numpy(shares).to(log_probs)


def _arrays(log_probs: Tensor, token_lengths: Tensor, mel_lengths: Tensor, may_skip: Tensor) -> tuple[np.ndarray, ...]:
    """Return NumPy arrays for the loops below, log-probabilities in float32."""
    return tuple(
        t.detach().cpu().contiguous().numpy() for t in (log_probs.float(), token_lengths, mel_lengths, may_skip)
    )


@compiled
def _log_add(a: float, b: float) -> float:
    larger, difference = max(a, b), abs(a - b)
    return larger if difference > 40 else larger + math.log1p(math.exp(-difference))


@compiled
def _sums_of_paths(log_probs, token_lengths, mel_lengths, may_skip, with_shares, totals, shares):  # type: ignore
    """Fill `totals` (B,) and, on request, `shares` (B, T_mel, T_text), which begins as zeros."""
    for b in range(len(log_probs)):
        n_tokens, n_frames = token_lengths[b], mel_lengths[b]
        skip, here = may_skip[b], log_probs[b]
        # The log sum over the paths up to each frame and token; in float64, as float32 has no digits left after a
        # thousand frames.
        before = np.full((n_frames, n_tokens), IMPOSSIBLE)
        before[0, 0] = here[0, 0]
        if skip[0] and n_tokens > 1:
            before[0, 1] = here[0, 1]
        for t in range(1, n_frames):
            for n in range(min(n_tokens, 2 * t + 2)):
                total = before[t - 1, n]
                if n > 0:
                    total = _log_add(total, before[t - 1, n - 1])
                if n > 1 and skip[n - 1]:
                    total = _log_add(total, before[t - 1, n - 2])
                before[t, n] = total + here[t, n]
        last = n_tokens - 1
        totals[b] = before[-1, last]
        if skip[last] and n_tokens > 1:
            totals[b] = _log_add(totals[b], before[-1, last - 1])
        if not with_shares:
            continue
        after, later = np.full(n_tokens, IMPOSSIBLE), np.empty(n_tokens)
        after[last] = 0.0
        if skip[last] and n_tokens > 1:
            after[last - 1] = 0.0
        for t in range(n_frames - 1, -1, -1):
            for n in range(n_tokens):
                shares[b, t, n] = math.exp(min(0.0, before[t, n] + after[n] - totals[b]))
                later[n] = after[n] + here[t, n]
            for n in range(n_tokens):
                after[n] = later[n]
                if n + 1 < n_tokens:
                    after[n] = _log_add(after[n], later[n + 1])
                if n + 2 < n_tokens and skip[n + 1]:
                    after[n] = _log_add(after[n], later[n + 2])


@compiled
def _best_paths(log_probs, token_lengths, mel_lengths, may_skip, durations):  # type: ignore
    """Fill `durations` (B, T_text), which begins as zeros."""
    for b in range(len(log_probs)):
        n_tokens, n_frames = token_lengths[b], mel_lengths[b]
        skip, here = may_skip[b], log_probs[b]
        value, following = np.full(n_tokens, IMPOSSIBLE), np.empty(n_tokens)
        steps = np.zeros((n_frames, n_tokens), np.int8)
        value[0] = here[0, 0]
        if skip[0] and n_tokens > 1:
            value[1] = here[0, 1]
        for t in range(1, n_frames):
            for n in range(n_tokens):
                best, step = value[n], 0
                if n > 0 and value[n - 1] > best:
                    best, step = value[n - 1], 1
                if n > 1 and skip[n - 1] and value[n - 2] > best:
                    best, step = value[n - 2], 2
                following[n], steps[t, n] = best + here[t, n], step
            value, following = following, value
        token = n_tokens - 1
        if skip[token] and token > 0 and value[token - 1] > value[token]:
            token -= 1
        for t in range(n_frames - 1, -1, -1):
            durations[b, token] += 1
            token -= steps[t, token]
