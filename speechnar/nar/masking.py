"""Iterative refinement of token sequences by a conditional masked decoder, for a whole batch.

Sequences are (B, N) with N at least 1, also where all are empty. Mask-CTC's way: mask the tokens of which CTC is
unsure, let the decoder say how many tokens each run of masks hides (none is a deletion, several are insertions), then
fill the masks, the surest first.

Source: Mask-Predict (Ghazvininejad et al. 2019), section 4. Mask-CTC (Higuchi et al. 2020), section 3.3. Dynamic length
    prediction: Improved Mask-CTC (Higuchi et al. 2021), section 3.2.
Differs: in training both corruptions of dynamic length prediction, merged masks and masks that hide nothing, are in one
    sequence and not in two.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from speechnar.nar.lengths import length_mask

Decode = Callable[[Tensor, Tensor], Tensor]
"""(tokens (B, N), token_lengths (B,)) -> (B, N, V): log-probabilities of symbols, or of counts."""


def random_masks(tokens: Tensor, token_lengths: Tensor, mask_id: int) -> Tensor:
    """Masks from one to all tokens of each sequence, at random; an empty one stays."""
    real = length_mask(token_lengths, tokens.shape[1])
    number = (torch.rand(len(tokens), device=tokens.device) * token_lengths).long() + 1
    drawn = torch.rand(tokens.shape, device=tokens.device).masked_fill(~real, 2.0)
    rank = drawn.argsort(1).argsort(1)
    return tokens.where((rank >= number[:, None]) | ~real, mask_id)


def mask_unsure(tokens: Tensor, token_lengths: Tensor, confidences: Tensor, threshold: float, mask_id: int) -> Tensor:
    """Masks the tokens (B, N) whose confidence is below the threshold."""
    return tokens.where((confidences >= threshold) | ~length_mask(token_lengths, tokens.shape[1]), mask_id)


def merge_masks(tokens: Tensor, token_lengths: Tensor, mask_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Leaves one mask of each run of them.

    Returns:
        tokens (B, N'), token_lengths (B,), and counts (B, N'): of tokens for which each stood, 1 where it is no mask.
    """
    real = length_mask(token_lengths, tokens.shape[1])
    masks = (tokens == mask_id) & real
    kept = real.clone()
    kept[:, 1:] &= ~(masks[:, 1:] & masks[:, :-1])
    place = (kept.cumsum(1) - 1).clamp(min=0)
    counts = torch.zeros_like(tokens).scatter_add(1, place, real.long())
    packed, lengths = _packed(tokens, kept)
    return packed, lengths, counts[:, : packed.shape[1]]


def insert_masks(
    tokens: Tensor, token_lengths: Tensor, counts: Tensor, share: float, mask_id: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Puts masks that hide nothing, of count 0, before a random `share` of the tokens that no mask is beside.

    Takes and returns what `merge_masks` returns.
    """
    masks = tokens == mask_id
    beside = masks.clone()
    beside[:, 1:] |= masks[:, :-1]
    free = length_mask(token_lengths, tokens.shape[1]) & ~beside
    chosen = free & (torch.rand(tokens.shape, device=tokens.device) < share)
    pairs = torch.stack([torch.full_like(tokens, mask_id), tokens], dim=2).flatten(1)
    pair_counts = torch.stack([torch.zeros_like(counts), counts], dim=2).flatten(1)
    kept = torch.stack([chosen, length_mask(token_lengths, tokens.shape[1])], dim=2).flatten(1)
    packed, lengths = _packed(pairs, kept)
    return packed, lengths, _packed(pair_counts, kept)[0]


def expand_masks(tokens: Tensor, token_lengths: Tensor, counts: Tensor, mask_id: int) -> tuple[Tensor, Tensor]:
    """Repeats each mask as often as `counts` (B, N) says, 0 drops it; other tokens stay. The inverse of merging."""
    real = length_mask(token_lengths, tokens.shape[1])
    times = torch.where(tokens == mask_id, counts, 1) * real
    lengths = times.sum(1)
    places = torch.arange(max(1, int(lengths.max())), device=tokens.device)
    source = (places[None, :, None] >= times.cumsum(1)[:, None, :]).sum(2).clamp(max=tokens.shape[1] - 1)
    return tokens.gather(1, source), lengths


def easy_first(
    tokens: Tensor, token_lengths: Tensor, decode: Decode, iterations: int, mask_id: int, allowed: Tensor
) -> Tensor:
    """Fills the masks of each sequence in `iterations` passes at most, in each the same number, the surest first.

    Args:
        tokens: (B, N) with masks; token_lengths: (B,).
        allowed: (V,) bool, the symbols that may fill a mask.

    Returns:
        (B, N) without masks.
    """
    masks = (tokens == mask_id) & length_mask(token_lengths, tokens.shape[1])
    each = (masks.sum(1) + iterations - 1) // iterations
    while masks.any():
        sure, guess = decode(tokens, token_lengths).masked_fill(~allowed, -torch.inf).max(2)
        rank = sure.masked_fill(~masks, -torch.inf).argsort(1, descending=True).argsort(1)
        filled = masks & (rank < each[:, None])
        tokens = guess.where(filled, tokens)
        masks = masks & ~filled
    return tokens


def mask_predict(
    tokens: Tensor, token_lengths: Tensor, decode: Decode, iterations: int, mask_id: int, allowed: Tensor
) -> Tensor:
    """Fills all masks at once, then masks the least sure of these again, fewer each time, and fills them again.

    Takes and returns what `easy_first` does; tokens that were no masks at first stay.
    """
    free = (tokens == mask_id) & length_mask(token_lengths, tokens.shape[1])
    masks, sureness = free, torch.zeros(tokens.shape, device=tokens.device)
    for done in range(iterations):
        if not masks.any():
            break
        log_probs = decode(tokens.where(~masks, mask_id), token_lengths)
        sure, guess = log_probs.masked_fill(~allowed, -torch.inf).max(2)
        tokens, sureness = guess.where(masks, tokens), sure.where(masks, sureness)
        again = free.sum(1) * (iterations - 1 - done) // iterations
        rank = sureness.masked_fill(~free, torch.inf).argsort(1).argsort(1)
        masks = free & (rank < again[:, None])
    return tokens


def _packed(values: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Moves the kept values of each row of (B, N) to its front; and how many they are."""
    lengths = kept.sum(1)
    order = (~kept).long().argsort(dim=1, stable=True)
    return values.gather(1, order)[:, : max(1, int(lengths.max()))], lengths
