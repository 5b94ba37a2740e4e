"""Order-agnostic cross-entropy against all assignments."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from speechnar.losses.oaxe import oaxe_loss


def random_case(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    log_probs = (3 * torch.randn(3, 5, 6, generator=generator, dtype=torch.float64)).log_softmax(2)
    tokens = torch.randint(1, 6, (3, 4), generator=generator)
    return log_probs, torch.tensor([5, 4, 2]), tokens, torch.tensor([4, 4, 1])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("blank", [None, 0])
def test_it_is_the_best_of_all_assignments(seed: int, blank: int | None) -> None:
    log_probs, lengths, tokens, token_lengths = random_case(seed)
    total = 0.0
    for row, (length, number) in enumerate(zip(lengths.tolist(), token_lengths.tolist())):
        said = log_probs[row, :length]
        best = max(
            itertools.permutations(range(length), number),
            key=lambda places: sum(float(said[p, t]) for p, t in zip(places, tokens[row, :number])),
        )
        total -= sum(float(said[p, t]) for p, t in zip(best, tokens[row, :number]))
        if blank is not None:
            total -= sum(float(said[p, blank]) for p in set(range(length)) - set(best))
    loss = oaxe_loss(log_probs, lengths, tokens, token_lengths, blank)
    assert float(loss) == pytest.approx(total / int(token_lengths.sum()), rel=1e-9)


def test_order_does_not_matter() -> None:
    log_probs, lengths, tokens, token_lengths = random_case(0)
    turned = tokens.clone()
    turned[:2] = tokens[:2].flip(1)
    assert float(oaxe_loss(log_probs, lengths, tokens, token_lengths)) == pytest.approx(
        float(oaxe_loss(log_probs, lengths, turned, token_lengths))
    )


def test_tokens_below_the_margin_are_left_out() -> None:
    log_probs = torch.tensor([[[0.9, 0.1], [0.95, 0.05]]]).log()
    lengths, tokens = torch.tensor([2]), torch.tensor([[0, 1]])
    kept = oaxe_loss(log_probs, lengths, tokens, torch.tensor([2]), margin=0.2)
    assert float(kept) == pytest.approx(-torch.tensor(0.95).log() / 2)


def test_the_gradient_is_that_of_finite_differences_and_reaches_no_padding() -> None:
    log_probs, lengths, tokens, token_lengths = random_case(2)
    given = log_probs.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: oaxe_loss(x, lengths, tokens, token_lengths, 0), given)
    oaxe_loss(given, lengths, tokens, token_lengths, 0).backward()
    assert given.grad is not None and not given.grad[1, 4:].any() and not given.grad[2, 2:].any()


def test_too_few_predictions_are_refused() -> None:
    log_probs, _, tokens, token_lengths = random_case(0)
    with pytest.raises(ValueError, match="utterance 1 of the batch has 3 predictions for 4 tokens"):
        oaxe_loss(log_probs, torch.tensor([5, 3, 2]), tokens, token_lengths)
