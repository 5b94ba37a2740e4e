"""Fertilities: each source token stands for some target tokens; the sum over all ways to add up to a length.

    source        we   have   gone       probability of 4 target tokens: p(1, 2, 1) + p(1, 1, 2) + p(0, 2, 2) + ...
    fertilities    1     2      1

Source: Gu et al. 2018, "Non-Autoregressive Neural Machine Translation", section 3.3, the fertility of a source token.
Differs: the paper learns the fertilities of an external aligner; here none is chosen, and all that add up to the number
    of target tokens are summed over, as the forward sum of an alignment does (`speechnar.nar.alignment`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from speechnar.nar.alignment import IMPOSSIBLE


def fertility_sums(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Return the log-probability of each number of target tokens, over all fertilities that add up to it.

    Args:
        log_probs: (B, S, K + 1) natural log-probabilities of the fertilities 0 to K of each source token, K at least 1.
        lengths: (B,) source tokens.

    Returns:
        (B, S * K + 1) natural log, of the sums 0 to S * K; below -1e8 for those above `lengths` * K.
    """
    batch, size, most = log_probs.shape[0], log_probs.shape[1], log_probs.shape[2] - 1
    sums = log_probs.new_full((batch, size * most + 1), IMPOSSIBLE)
    sums[:, 0] = 0.0  # of no source token
    for place in range(size):
        before = F.pad(sums, (most, 0), value=IMPOSSIBLE).unfold(1, most + 1, 1)  # (B, sums, fertilities K to 0)
        after = (before + log_probs[:, place, None].flip(2)).logsumexp(2)
        sums = torch.where((place < lengths)[:, None], after, sums)
    return sums
