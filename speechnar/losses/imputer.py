"""The loss of Imputer: CTC over the alignments that agree with the frames whose symbols are given.

    given      _ s _ _ x      `_` are masks: their frames are summed over
    sums over  ∅ s i ∅ x      and all other alignments of "six" whose second symbol is s and whose fifth is x
               s s i i x

Source: Imputer (Chan et al. 2020), section 3.1, equation 6: the sum over compatible alignments is found by CTC's
    dynamic program, in which frames that are given allow one symbol alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechnar.losses.ctc import ctc_loss
from speechnar.nar.alignment import IMPOSSIBLE


def imputer_loss(
    log_probs: Tensor,
    lengths: Tensor,
    tokens: Tensor,
    token_lengths: Tensor,
    alignment: Tensor,
    blank_id: int,
    mask_id: int,
) -> Tensor:
    """Return minus the log-probability of the masked frames, over all alignments of the tokens that fit the others.

    Args:
        log_probs: (B, T, V) float32; lengths: (B,) frames.
        tokens: (B, T_text); token_lengths: (B,).
        alignment: (B, T) a symbol of each frame, `mask_id` where it is not given. The symbols that are given should be
            those of an alignment of the tokens.

    Returns:
        A scalar: a sum divided by the number of tokens, as that of `ctc_loss`.
    """
    symbols = torch.arange(log_probs.shape[2], device=log_probs.device)
    given = alignment[:, :, None]
    only = torch.where(symbols == given, 0.0, IMPOSSIBLE)
    return ctc_loss(torch.where(given == mask_id, log_probs, only), lengths, tokens, token_lengths, blank_id)
