"""Best paths through CTC distributions, for a whole batch: greedy decoding and forced alignment.

Source: Graves et al. 2006, section 3.2 (best path decoding) and section 4.1, whose forward recursion, with a maximum in
    place of the sum, finds the alignment.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from speechnar.nar.lengths import length_mask


@dataclass(frozen=True)
class BestPath:
    """The tokens of the most probable path.

    Attributes:
        tokens: (B, N) int64, padded with the blank; N is at least 1.
        token_lengths: (B,).
        confidences: (B, N) in [0, 1], the largest probability of the token in its frames; padded with 0.
    """

    tokens: Tensor
    token_lengths: Tensor
    confidences: Tensor


def best_path(log_probs: Tensor, lengths: Tensor, blank_id: int) -> BestPath:
    """Takes each frame's most probable symbol, merges repeats and drops blanks.

    Args:
        log_probs: (B, T, V); lengths: (B,) frames.
    """
    along, path = log_probs.max(2)
    path = path.where(length_mask(lengths, path.shape[1]), blank_id)
    changed = torch.ones_like(path, dtype=torch.bool)
    changed[:, 1:] = path[:, 1:] != path[:, :-1]
    begins = changed & (path != blank_id)
    token_lengths = begins.sum(1)
    # The frame's place among the tokens; a blank's, and what has no token before it, is one too many.
    place = (begins.cumsum(1) - 1).where(path != blank_id, path.shape[1])
    tokens = path.new_full((len(path), path.shape[1] + 1), blank_id).scatter(1, place, path)
    confidences = along.new_zeros(tokens.shape).scatter_reduce(1, place, along.exp(), "amax")
    longest = max(1, int(token_lengths.max()))
    return BestPath(tokens[:, :longest], token_lengths, confidences[:, :longest].clamp(max=1))


def forced_alignment(
    log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor, blank_id: int
) -> Tensor:
    """The most probable path that says the tokens.

    Args:
        log_probs: (B, T, V); lengths: (B,) frames.
        tokens: (B, N), padding of any value; token_lengths: (B,).

    Returns:
        (B, T) int64: the place in `tokens` of what each frame says, -1 for the blank and for padding.

    Raises:
        ValueError: an utterance has fewer frames than its tokens, and the blanks between equal ones, need.
    """
    batch, time, _ = log_probs.shape
    real = length_mask(token_lengths, tokens.shape[1])
    safe = tokens.where(real, blank_id)
    repeats = ((safe[:, 1:] == safe[:, :-1]) & real[:, 1:]).sum(1)
    short = (lengths < token_lengths + repeats).nonzero()[:, 0].tolist()
    if short:
        row = short[0]
        raise ValueError(
            f"utterance {row} of the batch has {int(lengths[row])} frames, too few for its {int(token_lengths[row])} "
            "tokens: check its transcript, or subsample less"
        )
    # States: blank, token, blank, token, ..., blank. One may be skipped to where another token than the last is said.
    states = torch.full((batch, 2 * tokens.shape[1] + 1), blank_id, device=tokens.device)
    states[:, 1::2] = safe
    skips = torch.zeros_like(states, dtype=torch.bool)
    skips[:, 3::2] = safe[:, 1:] != safe[:, :-1]
    scores = log_probs.new_full(states.shape, -torch.inf)
    scores[:, :2] = log_probs[:, 0].gather(1, states[:, :2])
    steps = []
    for frame in range(1, time):
        came = torch.stack([scores, _shifted(scores, 1), _shifted(scores, 2).where(skips, -torch.inf)])
        best, step = came.max(0)
        moving = (frame < lengths)[:, None]
        scores = torch.where(moving, best + log_probs[:, frame].gather(1, states), scores)
        steps.append(step * moving)
    last = 2 * token_lengths[:, None] - torch.tensor([[0, 1]], device=tokens.device)
    final = scores.gather(1, last.clamp(min=0))
    state = last.gather(1, final.argmax(1, keepdim=True)).clamp(min=0)
    path = [state]
    for step in reversed(steps):
        state = state - step.gather(1, state)
        path.append(state)
    aligned = torch.cat(path[::-1], dim=1)
    said = (aligned % 2 == 1) & length_mask(lengths, time)
    return torch.where(said, aligned // 2, -1)


def _shifted(scores: Tensor, by: int) -> Tensor:
    """(B, S) moved right by `by` places; -inf comes in."""
    moved = torch.full_like(scores, -torch.inf)
    moved[:, by:] = scores[:, :-by]
    return moved
