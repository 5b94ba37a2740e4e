"""Learn from a teacher beyond a text: from its encoder's states, and from the probability of every other token.

Source: Hinton et al. 2015, section 2, at temperature 1; states, Romero et al. 2015 (FitNets), section 2.2. Of Whisper:
    Gandhi et al. 2023 (Distil-Whisper), section 3.2.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from speechnar.losses.mean import Mean
from speechnar.nar.lengths import length_mask


def states_term(states: Tensor, taught: Tensor, lengths: Tensor) -> Mean:
    """Return the squared distance of states (B, T, d) from the teacher's, relative to the energy of the teacher's.

    Args:
        taught: (B, T or more, d), the teacher's.
        lengths: (B,) states that count.
    """
    real = length_mask(lengths, states.shape[1])
    own, goal = states.float()[real], taught[:, : states.shape[1]].float()[real]
    return Mean((own - goal).square().mean() / goal.square().mean(), lengths.sum())


def distributions_term(logits: Tensor, taught: Tensor, lengths: Tensor) -> Mean:
    """Return the Kullback-Leibler divergence from the teacher's distributions, in nats a token.

    Args:
        logits, taught: (B, N, V), of the student and of the teacher.
        lengths: (B,) tokens that count, N at most.
    """
    real = length_mask(lengths, logits.shape[1])
    own, goal = logits[real].float().log_softmax(1), taught[real].float().log_softmax(1)
    return Mean(F.kl_div(own, goal, reduction="batchmean", log_target=True), lengths.sum())
