"""Order-agnostic cross-entropy: the cross-entropy under the best assignment of target tokens to predictions.

Source: Du, Tu and Jiang 2021, "Order-agnostic cross entropy for non-autoregressive machine translation", section 3:
    equation 5, and loss truncation, equation 7.
Differs: there may be more predictions than tokens; those without a token should say the blank.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechnar.nar.lengths import length_mask


def oaxe_loss(
    log_probs: Tensor,
    lengths: Tensor,
    tokens: Tensor,
    token_lengths: Tensor,
    blank_id: int | None = None,
    margin: float = 0.0,
) -> Tensor:
    """Return the order-agnostic cross-entropy in nats for each target token: a scalar, the mean over the batch.

    Args:
        log_probs: (B, T, V) natural log; lengths: (B,) predictions.
        tokens: (B, N), padding of any value; token_lengths: (B,), at most `lengths`.
        blank_id: what predictions without a token should say; None leaves them alone.
        margin: tokens whose probability is below it are left out, in [0, 1): early in training the best assignment is
            wrong where nothing is likely.

    Raises:
        ValueError: an utterance has fewer predictions than tokens, or none has a token.
    """
    places = best_assignment(log_probs, lengths, tokens, token_lengths)
    real = length_mask(token_lengths, tokens.shape[1])
    rows = log_probs.gather(1, places[:, :, None].expand(-1, -1, log_probs.shape[2]))
    said = rows.gather(2, tokens.where(real, 0)[:, :, None])[:, :, 0]
    kept = real & (said.detach().exp() >= margin)
    cost = -(said * kept).sum()
    if blank_id is not None:
        free = length_mask(lengths, log_probs.shape[1]).long()
        free = free.scatter_add(1, places, -real.long())  # padding's place is 0, of which nothing is taken
        cost = cost - (log_probs[:, :, blank_id] * free).sum()
    return cost / token_lengths.sum()


@torch.no_grad()
def best_assignment(log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor) -> Tensor:
    """Assign each target token a prediction of its own, so that the sum of log-probabilities is the largest.

    Args:
        log_probs, lengths, tokens, token_lengths: as for `oaxe_loss`.

    Returns:
        (B, N) int64 places among the predictions; 0 in padding.
    """
    from scipy.optimize import linear_sum_assignment

    if int(token_lengths.sum()) < 1:
        raise ValueError("no utterance of the batch has a target token: leave the batch out")
    short = (lengths < token_lengths).nonzero()[:, 0].tolist()
    if short:
        row = short[0]
        raise ValueError(
            f"utterance {row} of the batch has {int(lengths[row])} predictions for {int(token_lengths[row])} tokens: "
            "predict more, or leave it out"
        )
    places = torch.zeros_like(tokens)
    for row, (length, number) in enumerate(zip(lengths.tolist(), token_lengths.tolist())):
        costs = -log_probs[row, :length].float().index_select(1, tokens[row, :number]).T
        _, columns = linear_sum_assignment(costs.cpu().numpy())
        places[row, :number] = torch.from_numpy(columns).to(places.device)
    return places
