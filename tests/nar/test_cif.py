"""Integrate-and-fire against the loop of the paper, frame by frame."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from speechnar.nar.cif import integrate_and_fire, quantity_loss


def fired_frame_by_frame(hidden: Tensor, weights: Tensor) -> list[Tensor]:
    """Algorithm of the paper, section 3.1: one utterance (T, C), (T,); the tail fires from 0.5 on."""
    tokens, total, vector = [], 0.0, torch.zeros_like(hidden[0])
    for frame, weight in zip(hidden, weights.tolist()):
        while total + weight >= 1.0:
            tokens.append(vector + (1.0 - total) * frame)
            weight -= 1.0 - total
            total, vector = 0.0, torch.zeros_like(frame)
        total += weight
        vector = vector + weight * frame
    return tokens + ([vector] if total >= 0.5 else [])


@pytest.mark.parametrize("seed", range(5))
def test_it_equals_the_loop(seed: int) -> None:
    torch.manual_seed(seed)
    hidden, weights = torch.randn(3, 9, 4), torch.rand(3, 9)
    weights[0, 3] = 2.3  # two tokens and more in one frame
    lengths = torch.tensor([9, 6, 2])
    fired = integrate_and_fire(hidden, weights, lengths)
    for row, length in enumerate(lengths.tolist()):
        expected = fired_frame_by_frame(hidden[row, :length], weights[row, :length])
        assert int(fired.lengths[row]) == len(expected)
        for n, vector in enumerate(expected):
            torch.testing.assert_close(fired.vectors[row, n], vector, atol=1e-5, rtol=0)
        assert not fired.vectors[row, len(expected) :].any()


def test_training_fires_as_many_tokens_as_there_are_and_uses_every_weight() -> None:
    torch.manual_seed(0)
    weights, numbers = torch.rand(2, 7), torch.tensor([3, 5])
    fired = integrate_and_fire(torch.ones(2, 7, 1), weights, torch.tensor([7, 5]), numbers)
    assert fired.lengths.tolist() == [3, 5]
    for row, number in enumerate(numbers.tolist()):
        torch.testing.assert_close(fired.shares[row, :, :number].sum(0), torch.ones(number))
        assert not fired.shares[row, :, number:].any()


def test_padding_has_no_effect_and_gradients_reach_weights_and_vectors() -> None:
    torch.manual_seed(1)
    hidden, weights = torch.randn(1, 6, 4, requires_grad=True), torch.rand(1, 6, requires_grad=True)
    fired = integrate_and_fire(hidden, weights, torch.tensor([4]), torch.tensor([2]))
    alone = integrate_and_fire(hidden[:, :4], weights[:, :4], None, torch.tensor([2]))
    torch.testing.assert_close(fired.vectors, alone.vectors)
    (fired.vectors.square().sum() + quantity_loss(weights, torch.tensor([4]), torch.tensor([2]))).backward()
    assert weights.grad is not None and weights.grad[0, :4].all() and not weights.grad[0, 4:].any()
    assert hidden.grad is not None and hidden.grad[0, :4].any(1).all() and not hidden.grad[0, 4:].any()


def test_quantity_is_the_distance_of_sums() -> None:
    weights = torch.tensor([[0.5, 0.5, 9.0], [1.0, 1.0, 1.0]])
    assert float(quantity_loss(weights, torch.tensor([2, 3]), torch.tensor([3, 1]))) == pytest.approx((2 + 2) / 2)
