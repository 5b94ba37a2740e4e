"""The sum over fertilities is that of all of them, written down one by one."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from speechnar.layers.length_head import FertilityHead, length_head
from speechnar.layers.transformer import Encoded
from speechnar.nar.fertility import fertility_sums


@pytest.mark.parametrize("most", [1, 2, 3])
def test_all_fertilities_that_add_up_are_summed(most: int) -> None:
    torch.manual_seed(0)
    log_probs = torch.randn(3, 4, most + 1, dtype=torch.float64).log_softmax(2)
    lengths = [4, 1, 3]
    found = fertility_sums(log_probs, torch.tensor(lengths))
    assert found.shape == (3, 4 * most + 1)
    for row, length in enumerate(lengths):
        totals = [0.0] * (4 * most + 1)
        for fertilities in itertools.product(range(most + 1), repeat=length):
            chosen = sum(float(log_probs[row, place, each]) for place, each in enumerate(fertilities))
            totals[sum(fertilities)] += math.exp(chosen)
        assert found[row].exp().tolist() == pytest.approx(totals)
        assert (found[row, length * most + 1 :] < -1e8).all()


def test_the_gradient_is_that_of_differences() -> None:
    torch.manual_seed(1)
    logits = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    lengths, wanted = torch.tensor([3, 2]), torch.tensor([[4], [1]])
    assert torch.autograd.gradcheck(lambda x: fertility_sums(x.log_softmax(2), lengths).gather(1, wanted), logits)


def test_the_head_tells_lengths() -> None:
    torch.manual_seed(2)
    head = FertilityHead(4, 2)
    encoded = Encoded(torch.randn(2, 3, 4), torch.tensor([3, 1]))
    log_probs = head.log_probs(encoded).detach()
    assert log_probs[:, 0].tolist() == [-math.inf] * 2 and log_probs[1, 3:].tolist() == [-math.inf] * 4
    nothing = head(encoded)[:, 0].exp()
    torch.testing.assert_close(log_probs.exp().sum(1), 1 - nothing)
    # a target of 9 tokens counts as the longest that can be told, of 2
    expected = -(float(log_probs[0, 5]) + float(log_probs[1, 2])) / 2
    assert float(head.loss(encoded, torch.tensor([5, 9])).detach()) == pytest.approx(expected)
    with pytest.raises(ValueError, match="fertility is -1 but should be 0 or more"):
        length_head(4, 20, -1)
