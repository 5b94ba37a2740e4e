"""The number of target tokens, predicted from the encoder's output.

It is the difference from the number of source tokens (`LengthHead`), or the sum of the source tokens' fertilities
(`FertilityHead`).

Source: Gu et al. 2018, "Non-Autoregressive Neural Machine Translation", sections 3.2 and 3.3; as one classification:
    Lee et al. 2018, section 4.1. The sum over fertilities: `speechnar.nar.fertility`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.layers.transformer import Encoded
from speechnar.nar.fertility import fertility_sums
from speechnar.nar.lengths import length_mask


class LengthHead(nn.Module):
    """The distribution of the difference, from the mean of the encoder's vectors.

    Args:
        reach: the largest difference that can be told; larger ones count as this.
    """

    def __init__(self, d_model: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.out = nn.Linear(d_model, 2 * reach + 1)

    def forward(self, encoded: Encoded) -> Tensor:
        """Return logits (B, 2 * reach + 1) of the differences -reach to reach."""
        real = length_mask(encoded.lengths, encoded.hidden.shape[1])[:, :, None]
        mean = (encoded.hidden * real).sum(1) / encoded.lengths.clamp(min=1)[:, None]
        logits: Tensor = self.out(mean).float()
        return logits

    def log_probs(self, encoded: Encoded) -> Tensor:
        """Return (B, L) natural log-probabilities of 0, 1, 2 ... target tokens; those of 0 are -inf."""
        log_probs = self(encoded).log_softmax(1)
        numbers = torch.arange(encoded.hidden.shape[1] + self.reach + 1, device=log_probs.device)[None, :]
        difference = numbers - encoded.lengths[:, None]
        known = (difference.abs() <= self.reach) & (numbers > 0)
        told = log_probs.gather(1, (difference + self.reach).clamp(0, 2 * self.reach))
        return told.masked_fill(~known, -torch.inf)

    def loss(self, encoded: Encoded, token_lengths: Tensor) -> Tensor:
        """Return the cross-entropy of the true differences, in nats: a scalar, the mean over the batch."""
        difference = (token_lengths - encoded.lengths).clamp(-self.reach, self.reach)
        return F.cross_entropy(self(encoded), difference + self.reach)


class FertilityHead(nn.Module):
    """The distribution of the sum of the source tokens' fertilities, each from the encoder's vector of its token.

    Args:
        most: the largest fertility, 1 or more; longer targets count as the longest that can be told.
    """

    def __init__(self, d_model: int, most: int) -> None:
        super().__init__()
        self.most = most
        self.out = nn.Linear(d_model, most + 1)

    def forward(self, encoded: Encoded) -> Tensor:
        """Return (B, S * most + 1) natural log-probabilities of the sums of the fertilities."""
        return fertility_sums(self.out(encoded.hidden).float().log_softmax(2), encoded.lengths)

    def log_probs(self, encoded: Encoded) -> Tensor:
        """Return (B, L) natural log-probabilities of 0, 1, 2 ... target tokens; those of 0 are -inf."""
        sums = self(encoded)
        numbers = torch.arange(sums.shape[1], device=sums.device)[None, :]
        known = (numbers > 0) & (numbers <= encoded.lengths[:, None] * self.most)
        return sums.masked_fill(~known, -torch.inf)

    def loss(self, encoded: Encoded, token_lengths: Tensor) -> Tensor:
        """Return minus the log-probability of the true lengths, in nats: a scalar, the mean over the batch."""
        told = token_lengths.minimum(encoded.lengths * self.most)
        return -self(encoded).gather(1, told[:, None]).mean()


def length_head(d_model: int, reach: int, fertility: int) -> LengthHead | FertilityHead:
    """Return a head that adds up fertilities of at most `fertility`, or one of differences where `fertility` is 0.

    Raises:
        ValueError: `fertility` is below 0.
    """
    if fertility < 0:
        raise ValueError(f"fertility is {fertility} but should be 0 or more")
    return FertilityHead(d_model, fertility) if fertility else LengthHead(d_model, reach)
