"""Hold what the losses of text models are computed from, and the cross-entropy that they share."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from speechnar.losses.ctc import SMOOTHING
from speechnar.losses.mean import Mean
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True)
class Pairs:
    """Sources with their targets.

    Attributes:
        source: (B, S) int64; source_lengths: (B,).
        tokens: (B, N) int64, without `<s>` and `</s>`; token_lengths: (B,).
        symbols: the vocabulary of both.
        progress: share of the training that is done, in [0, 1], for curricula.
    """

    source: Tensor
    source_lengths: Tensor
    tokens: Tensor
    token_lengths: Tensor
    symbols: Vocabulary
    progress: float = 1.0


def cross_entropy(logits: Tensor, tokens: Tensor, chosen: Tensor) -> Mean:
    """Return the cross-entropy with smoothed targets, in nats, over the positions that are True in `chosen` (B, N).

    Args:
        logits: of the chosen positions alone, (number, V), in their order; tokens: (B, N).
    """
    return Mean(F.cross_entropy(logits, tokens[chosen], label_smoothing=SMOOTHING), chosen.sum())
