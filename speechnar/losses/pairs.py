"""Hold what the losses of text models are computed from, and the cross-entropy that they share."""

from __future__ import annotations

from collections.abc import Sequence
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


def check_groups(groups: Sequence[int]) -> None:
    """Check numbers of tokens that are predicted at once.

    Raises:
        ValueError: one of them is below 1.
    """
    for group in groups:
        if group < 1:
            raise ValueError(f"a group of {group} tokens is predicted at once, but should have 1 or more")


def next_groups(tokens: Tensor, token_lengths: Tensor, group: int, symbols: Vocabulary) -> tuple[Tensor, Tensor]:
    """Return what a decoder that predicts `group` tokens at once reads, and the token it should predict at each place.

    Args:
        tokens: (B, N), padding of any value; token_lengths: (B,).

    Returns:
        Twice (B, M), M the number of tokens of whole groups that hold the longest text and its end: `group` times
        `<s>`, followed by the tokens; and the tokens, followed by `</s>` at each text's end.
    """
    whole = -(tokens.shape[1] + 1) % group + 1  # behind the longest text, `</s>` and the rest of its group
    given = F.pad(tokens, (group, whole - group), value=symbols.bos_id)
    wanted = F.pad(tokens, (0, whole)).scatter(1, token_lengths[:, None], symbols.eos_id)
    return given, wanted
