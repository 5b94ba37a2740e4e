"""The loss of Imputer equals the sum over all alignments that fit, one by one; best paths are the best of these."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from speechnar.losses.ctc import best_paths, ctc_loss
from speechnar.losses.imputer import imputer_loss

BLANK, MASK = 0, 3
TOKENS = torch.tensor([[1, 2], [1, 1], [2, 0]])
TOKEN_LENGTHS = torch.tensor([2, 2, 1])
LENGTHS = torch.tensor([5, 4, 3])
GIVEN = torch.tensor([[3, 1, 3, 3, 2], [1, 3, 3, 3, 3], [3, 3, 3, 3, 3]])


def alignments(row: int) -> list[tuple[int, ...]]:
    """All alignments of the tokens of a row."""
    wanted = TOKENS[row, : TOKEN_LENGTHS[row]].tolist()
    found = []
    for path in itertools.product(range(3), repeat=int(LENGTHS[row])):
        merged = [symbol for symbol, _ in itertools.groupby(path) if symbol != BLANK]
        if merged == wanted:
            found.append(path)
    return found


def by_enumeration(log_probs: Tensor, given: Tensor) -> Tensor:
    total = torch.zeros(())
    for row in range(len(TOKENS)):
        terms = [
            sum(log_probs[row, t, symbol] for t, symbol in enumerate(path) if given[row, t] == MASK)
            for path in alignments(row)
            if all(given[row, t] in (MASK, symbol) for t, symbol in enumerate(path))
        ]
        total = total - torch.stack([torch.as_tensor(term) for term in terms]).logsumexp(0)
    return total / TOKEN_LENGTHS.sum()


def test_the_loss_and_its_gradient_are_those_of_the_sum_over_all_alignments() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 5, 4, requires_grad=True)
    losses = [
        imputer_loss(logits.log_softmax(2), LENGTHS, TOKENS, TOKEN_LENGTHS, GIVEN, BLANK, MASK),
        by_enumeration(logits.log_softmax(2), GIVEN),
    ]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
    found, expected = (torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in losses)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert not found[0, 1].any() and found[0, 0].any()  # a frame that is given learns nothing


def test_with_all_frames_masked_it_is_ctc() -> None:
    torch.manual_seed(1)
    log_probs = torch.randn(3, 5, 4).log_softmax(2)
    masks = torch.full_like(GIVEN, MASK)
    found = imputer_loss(log_probs, LENGTHS, TOKENS, TOKEN_LENGTHS, masks, BLANK, MASK)
    assert found.item() == pytest.approx(ctc_loss(log_probs, LENGTHS, TOKENS, TOKEN_LENGTHS, BLANK).item(), rel=1e-6)


def test_best_paths_are_the_most_probable_alignments() -> None:
    torch.manual_seed(2)
    log_probs = torch.randn(3, 5, 4).log_softmax(2)
    paths = best_paths(log_probs, LENGTHS, TOKENS, TOKEN_LENGTHS, BLANK)
    for row, frames in enumerate(LENGTHS.tolist()):
        best = max(alignments(row), key=lambda path: sum(float(log_probs[row, t, s]) for t, s in enumerate(path)))
        assert tuple(paths[row, :frames].tolist()) == best and not paths[row, frames:].any()
    short = best_paths(log_probs[1:2], torch.tensor([2]), TOKENS[1:2], TOKEN_LENGTHS[1:2], BLANK)
    assert not short.any()  # `1 1` needs three frames
