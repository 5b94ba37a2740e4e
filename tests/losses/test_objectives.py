"""The objectives by their names: each is the loss of its own module, over the texts that it can judge."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from speechnar.losses.axe import axe_loss
from speechnar.losses.oaxe import oaxe_loss
from speechnar.losses.objectives import OBJECTIVES, check_objective, text_loss

BLANK = 0


def sharp(rows: list[list[int]], probability: float) -> Tensor:
    """Logits (B, T, 4) of predictions that give a token a probability, and the three others the rest of it."""
    tokens = torch.tensor(rows)
    rest = torch.full((*tokens.shape, 4), (1 - probability) / 3)
    return rest.scatter(2, tokens[:, :, None], probability).log()


def worked(objective: str, said: list[int], target: list[int]) -> float:
    logits = sharp([said], 0.7)
    lengths, token_lengths = torch.tensor([len(said)]), torch.tensor([len(target)])
    return float(text_loss(objective, logits, lengths, torch.tensor([target]), token_lengths, BLANK))


def test_each_forgives_what_it_should() -> None:
    right, wrong = -math.log(0.7), -math.log(0.1)
    assert worked("oaxe", [2, 1], [1, 2]) == pytest.approx(right)  # another order
    assert worked("axe", [1, 2, 0], [1, 2]) == pytest.approx(1.5 * right)  # a blank at the end, a part of the cost
    assert worked("axe", [2, 1], [1, 2]) > 2 * right
    # the one pair of 1, 2 is said at the second place with 0.7 * 0.7, and at the first with 0.1 * 0.1
    assert worked("bag_of_ngrams", [3, 1, 2], [1, 2]) == pytest.approx(1 - (0.49 + 0.01), abs=1e-6)
    assert worked("edit_invariant", [3, 1, 2], [1, 2]) == pytest.approx(-math.log((0.49 + 0.01) / 2), abs=1e-5)
    # a target of one token is a bag of one token
    assert worked("bag_of_ngrams", [1], [1]) == pytest.approx(0.3, abs=1e-6)
    assert worked("oaxe", [3, 3], [1, 2]) == pytest.approx(wrong)


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name != "cross_entropy"])
def test_texts_that_cannot_be_judged_are_left_out(objective: str) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 4, 4, dtype=torch.float64, requires_grad=True)
    tokens, token_lengths = torch.randint(1, 4, (3, 3)), torch.tensor([3, 2, 0])
    lengths = torch.tensor([4, 0, 4])  # the second has no prediction, the third no token
    found = text_loss(objective, logits, lengths, tokens, token_lengths, BLANK)
    alone = text_loss(objective, logits[:1], lengths[:1], tokens[:1], token_lengths[:1], BLANK)
    assert float(found) == pytest.approx(float(alone)) and int(found.count) == 3
    found.value.backward()
    assert logits.grad is not None and logits.grad[0].any() and not logits.grad[1:].any()
    none = text_loss(objective, logits, torch.zeros(3, dtype=torch.int64), tokens, token_lengths, BLANK)
    assert float(none) == 0 and int(none.count) == 0


def test_the_names_are_those_of_the_losses() -> None:
    torch.manual_seed(1)
    logits, tokens = torch.randn(2, 5, 4), torch.randint(1, 4, (2, 3))
    lengths, token_lengths = torch.tensor([5, 4]), torch.tensor([3, 2])
    given = logits.log_softmax(2), lengths, tokens, token_lengths
    found = [text_loss(name, logits, lengths, tokens, token_lengths, BLANK) for name in ("axe", "oaxe")]
    assert torch.equal(found[0].value, axe_loss(*given, BLANK)) and torch.equal(found[1].value, oaxe_loss(*given))
    with pytest.raises(ValueError, match="the objective is 'ctc' but should be one of cross_entropy, axe, oaxe, bag"):
        check_objective("ctc")
