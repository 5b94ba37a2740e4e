"""Glancing: in training the decoder sees some of the target, the more the worse its first prediction was.

Source: GLAT (Qian et al. 2021), section 3.2, equations 5 to 7; as the sampler of Paraformer (Gao et al. 2022), section
    3.3.
"""

from __future__ import annotations

from torch import Tensor

from speechnar.nar.lengths import length_mask
from speechnar.nar.masking import random_places


def glance(predicted: Tensor, tokens: Tensor, token_lengths: Tensor, ratio: float) -> Tensor:
    """Choose target tokens for the decoder to see: `ratio` times as many as were predicted wrong, at random places.

    Args:
        predicted, tokens: (B, N), padding of any value; token_lengths: (B,).
        ratio: in [0, 1]; the number is rounded to the nearest.

    Returns:
        (B, N) bool, False in padding.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f"the glancing ratio is {ratio} but should be from 0 to 1")
    real = length_mask(token_lengths, tokens.shape[1])
    wrong = ((predicted != tokens) & real).sum(1)
    return random_places(real, (ratio * wrong + 0.5).floor().long())
