"""Corrupt token sequences for the training of masked decoders, a whole batch at once.

Sequences are (B, N) with N at least 1, also where all are empty. The masks of decoding are in `speechnar.decode`:
`mask_predict` and `mask_ctc`.

Source: Mask-Predict (Ghazvininejad et al. 2019), section 3, random masks. Their number by a cosine: MaskGIT (Chang et
    al. 2022), section 3.1. Dynamic length prediction: Improved Mask-CTC
    (Higuchi et al. 2021), section 3.2.
Differs: both corruptions of dynamic length prediction, merged masks and masks that hide nothing, are in one sequence
    and not in two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechnar.nar.lengths import length_mask
from speechnar.nar.schedules import Schedule


def random_masks(
    tokens: Tensor, token_lengths: Tensor, mask_id: int, schedule: str = "linear", least: float = 0.0
) -> Tensor:
    """Mask from one to all tokens of each sequence, at random; an empty sequence stays empty.

    Args:
        schedule: shape of the schedule from all tokens to none, of which a point is drawn: with "linear" all numbers of
            masks are equally probable, with "cosine" large ones are more so.
        least: smallest share of the tokens that is masked, in [0, 1]; of 1, all tokens are.
    """
    real = length_mask(token_lengths, tokens.shape[1])
    share = Schedule(1.0, least, schedule)
    drawn = torch.tensor([share.at(point) for point in torch.rand(len(tokens)).tolist()], device=tokens.device)
    number = (drawn * token_lengths).long() + 1
    return tokens.where(~random_places(real, number), mask_id)


def random_places(real: Tensor, number: Tensor) -> Tensor:
    """Choose `number` (B,) of the positions of each row that are True in `real` (B, N), or all where there are fewer.

    Returns:
        (B, N) bool.
    """
    drawn = torch.rand(real.shape, device=real.device).masked_fill(~real, 2.0)
    return (drawn.argsort(1).argsort(1) < number[:, None]) & real


def merge_masks(tokens: Tensor, token_lengths: Tensor, mask_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Merge each run of masks into one mask.

    Returns:
        tokens (B, N'), token_lengths (B,), and counts (B, N'): the number of tokens that each mask stands for, 1 for
        other tokens.
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
    """Insert masks that hide nothing, of count 0, before a random `share` of the tokens that have no mask beside them.

    Arguments and results are those that `merge_masks` returns.
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


def _packed(values: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Return the kept values of each row of (B, N), moved to its front, and their number."""
    lengths = kept.sum(1)
    order = (~kept).long().argsort(dim=1, stable=True)
    return values.gather(1, order)[:, : max(1, int(lengths.max()))], lengths
