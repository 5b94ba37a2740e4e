"""The two terms of a teacher against their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from speechnar.losses.distillation import distributions_term, states_term


def test_states_are_compared_where_there_is_speech() -> None:
    taught = torch.ones(2, 4, 3)
    states = taught[:, :3].clone()
    states[0, 0] = 3.0  # of 3 states that count, one is off by 2 in each place
    states[1, 1:] = 99.0
    term = states_term(states, taught, torch.tensor([2, 1]))
    assert float(term.value) == pytest.approx(4 / 3) and int(term.count) == 3


def test_distributions_are_compared_by_their_divergence_in_nats_a_token() -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    taught = torch.tensor([[0.25, 0.5, 0.25], [0.1, 0.8, 0.1]])
    by_hand = sum(q * math.log(q / p) for q, p in zip(taught[0].tolist(), probabilities[0].tolist()))
    logits = torch.cat([probabilities.log() + 5, torch.randn(1, 3)])[None]  # of the last token nothing counts
    goal = torch.cat([taught.log() - 3, torch.randn(1, 3)])[None]
    term = distributions_term(logits, goal, torch.tensor([2]))
    assert float(term.value) == pytest.approx(by_hand / 2, rel=1e-5) and int(term.count) == 2


def test_only_the_learner_gets_a_gradient_and_none_where_it_agrees() -> None:
    logits = torch.randn(1, 3, 5, requires_grad=True)
    distributions_term(logits, logits.detach().clone(), torch.tensor([3])).value.backward()
    assert logits.grad is not None and float(logits.grad.abs().max()) < 1e-6
