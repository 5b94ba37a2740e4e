"""Aligned cross-entropy against all alignments, its gradient, and padding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from speechnar.losses.axe import axe_loss

BLANK = 0


def cheapest(costs: Tensor, blanks: Tensor, penalty: float, n: int = 0, t: int = 0) -> float:
    """The cheapest way from token n and prediction t on, by trying all three steps; costs are (T, N)."""
    places, tokens = costs.shape
    if n == tokens and t == places:
        return 0.0
    ways = []
    if n < tokens and t < places:
        ways.append(float(costs[t, n]) + cheapest(costs, blanks, penalty, n + 1, t + 1))
    if t < places:
        ways.append(float(blanks[t]) + cheapest(costs, blanks, penalty, n, t + 1))
    if n < tokens:  # the token is compared with the prediction that was read last, the first if none was
        ways.append(penalty * float(costs[max(t - 1, 0), n]) + cheapest(costs, blanks, penalty, n + 1, t))
    return min(ways)


def random_case(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    log_probs = (3 * torch.randn(3, 5, 4, generator=generator, dtype=torch.float64)).log_softmax(2)
    tokens = torch.randint(1, 4, (3, 4), generator=generator)
    return log_probs, torch.tensor([5, 3, 1]), tokens, torch.tensor([4, 4, 2])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("penalty", [0.5, 1.0, 3.0])
def test_it_is_the_cheapest_of_all_alignments(seed: int, penalty: float) -> None:
    log_probs, lengths, tokens, token_lengths = random_case(seed)
    total = 0.0
    for row, (length, number) in enumerate(zip(lengths.tolist(), token_lengths.tolist())):
        costs = -log_probs[row, :length][:, tokens[row, :number]]
        total += cheapest(costs, -log_probs[row, :length, BLANK], penalty)
    loss = axe_loss(log_probs, lengths, tokens, token_lengths, BLANK, penalty)
    assert float(loss) == pytest.approx(total / int(token_lengths.sum()), rel=1e-5)


def test_predictions_that_are_shifted_by_one_cost_one_blank_and_not_all_tokens() -> None:
    tokens = torch.tensor([[1, 2, 3]])
    said = torch.tensor([[BLANK, 1, 2, 3]])
    log_probs = (20.0 * torch.nn.functional.one_hot(said, 4)).log_softmax(2)
    assert float(axe_loss(log_probs, torch.tensor([4]), tokens, torch.tensor([3]), BLANK)) < 1e-6


def test_padding_has_no_effect_and_no_gradient() -> None:
    log_probs, lengths, tokens, token_lengths = random_case(0)
    log_probs.requires_grad_(True)
    loss = axe_loss(log_probs, lengths, tokens, token_lengths, BLANK)
    loss.backward()
    assert log_probs.grad is not None and not log_probs.grad[1, 3:].any() and not log_probs.grad[2, 1:].any()
    other = tokens.clone()
    other[2, 2:] = 99
    assert axe_loss(log_probs, lengths, other, token_lengths, BLANK).item() == loss.item()


def test_the_gradient_is_that_of_finite_differences() -> None:
    log_probs, lengths, tokens, token_lengths = random_case(1)
    given = log_probs.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: axe_loss(x, lengths, tokens, token_lengths, BLANK), given)


def test_an_utterance_without_tokens_is_refused() -> None:
    log_probs, lengths, tokens, _ = random_case(0)
    with pytest.raises(ValueError, match="no prediction or no target token"):
        axe_loss(log_probs, lengths, tokens, torch.tensor([4, 0, 2]), BLANK)
