"""Glancing: how many target tokens are seen, and that chance chooses them."""

from __future__ import annotations

import pytest
import torch

from speechnar.nar.glancing import glance


@pytest.mark.parametrize("ratio, number", [(0.0, 0), (0.5, 2), (1.0, 3)])
def test_as_many_are_seen_as_the_ratio_of_wrong_ones(ratio: float, number: int) -> None:
    tokens = torch.tensor([[1, 2, 3, 4, 5, 0, 0]])
    predicted = torch.tensor([[1, 9, 9, 4, 9, 9, 9]])  # three of the five are wrong; 1.5 rounds up
    seen = glance(predicted, tokens, torch.tensor([5]), ratio)
    assert int(seen.sum()) == number and not seen[0, 5:].any()


def test_every_place_is_seen_as_often_as_any_other() -> None:
    torch.manual_seed(0)
    tokens = torch.ones(4000, 4, dtype=torch.long)
    seen = glance(torch.zeros_like(tokens), tokens, torch.full((4000,), 4), 0.5)
    assert (seen.sum(1) == 2).all()
    assert seen.float().mean(0).tolist() == pytest.approx([0.5] * 4, abs=0.04)  # five standard deviations


def test_what_is_right_needs_no_glance() -> None:
    tokens = torch.tensor([[3, 1, 2]])
    assert not glance(tokens, tokens, torch.tensor([3]), 1.0).any()
    with pytest.raises(ValueError, match="from 0 to 1"):
        glance(tokens, tokens, torch.tensor([3]), 1.5)
