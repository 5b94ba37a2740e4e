"""The loss of the conditional random field, and its search, against all texts one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from speechnar.decode.crf import CRFDecoder, viterbi
from speechnar.decode.interface import DecoderInput, refine
from speechnar.losses.crf import crf_loss
from speechnar.text.symbols import Vocabulary

SYMBOLS, RANK = 5, 2
TOKENS = torch.tensor([[1, 4, 2], [3, 3, 0], [2, 0, 0], [0, 0, 0]])
LENGTHS = torch.tensor([3, 2, 1, 0])


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    logits = torch.randn(4, 3, SYMBOLS, requires_grad=True)
    left, right = (torch.randn(SYMBOLS, RANK, requires_grad=True) for _ in range(2))
    return logits, left, right


def score(log_probs: Tensor, text: tuple[int, ...], left: Tensor, right: Tensor) -> Tensor:
    total = torch.zeros(())
    for n, token in enumerate(text):
        total = total + log_probs[n, token]
        if n:
            total = total + left[text[n - 1]] @ right[token]
    return total


@pytest.mark.parametrize("beam", [2, 3, SYMBOLS])
def test_the_loss_and_its_gradients_are_those_of_the_sum_over_all_texts(beam: int) -> None:
    logits, left, right = drawn()
    log_probs = logits.log_softmax(2)
    found = crf_loss(log_probs, LENGTHS, TOKENS, left, right, beam)
    expected = []
    for row, length in enumerate(LENGTHS.tolist()):
        target = tuple(TOKENS[row, :length].tolist())
        allowed = []
        for n, token in enumerate(target):
            others = sorted(set(range(SYMBOLS)) - {token}, key=lambda v: -float(log_probs[row, n, v].detach()))
            allowed.append([token, *others[: beam - 1]])
        totals = torch.stack([score(log_probs[row], text, left, right) for text in itertools.product(*allowed)])
        expected.append(totals.logsumexp(0) - score(log_probs[row], target, left, right))
    torch.testing.assert_close(found, torch.stack(expected))
    for weight in (logits, left, right):
        ours, theirs = (
            torch.autograd.grad(loss, weight, retain_graph=True)[0]
            for loss in (found.sum(), torch.stack(expected).sum())
        )
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("candidates", [1, 2, SYMBOLS])
def test_the_search_finds_the_best_text(candidates: int) -> None:
    logits, left, right = (tensor.detach() for tensor in drawn())
    log_probs = logits.log_softmax(2)
    for row in range(4):
        allowed = log_probs[row].argsort(1, descending=True)[:, :candidates].tolist()
        best = max(itertools.product(*allowed), key=lambda text: float(score(log_probs[row], text, left, right)))
        found = viterbi(log_probs[row].numpy(), left.numpy(), right.numpy(), candidates)
        assert tuple(found) == best
    assert viterbi(log_probs[0, :0].numpy(), left.numpy(), right.numpy(), candidates) == []


def test_transitions_decide_between_tokens_that_are_as_probable() -> None:
    vocabulary = Vocabulary(("<blank>", "a", "b", "c"))

    class Reader:
        def predict(self) -> tuple[np.ndarray, np.ndarray]:
            probs = np.array([[[0.5, 0.3, 0.2, 0.0], [0.5, 0.25, 0.25, 0.0]]]) + 1e-9
            return np.log(probs), np.array([2])

        def transitions(self) -> tuple[np.ndarray, np.ndarray]:
            left, right = np.zeros((4, 1)), np.zeros((4, 1))
            left[1] = right[2] = 1.0  # b follows a
            return left, right

    given = DecoderInput(np.zeros((1, 2, 4)), np.array([2]), Reader())
    assert refine(CRFDecoder(vocabulary), given).sequences() == [[1, 2]]
