"""How far a masked decoder agrees with drafts, against a loop over tokens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from speechnar.nar.rescoring import agreement

MASK = 5
DRAFTS = [[1, 2, 3, 4, 1], [4, 4], [], [3]]


def decode(tokens: Tensor, lengths: Tensor) -> Tensor:
    """A decoder for which the place, and every token that it sees, make a difference."""
    seen = torch.arange(tokens.shape[1]) < lengths[:, None]
    place = torch.arange(1, tokens.shape[1] + 1)
    whole = ((tokens + 1) ** 2 * place * seen).sum(1)
    scores = whole[:, None, None] * place[:, None] * torch.arange(1, 7) % 7
    return scores.float().log_softmax(2)


def by_hand(draft: list[int], readings: int) -> float:
    total = 0.0
    for reading in range(readings):
        read = [MASK if n % readings == reading else token for n, token in enumerate(draft)]
        if read:
            log_probs = decode(torch.tensor([read]), torch.tensor([len(read)]))[0]
            total += sum(
                float(log_probs[n, token] - max(log_probs[n])) for n, token in enumerate(draft) if read[n] == MASK
            )
    return total


@pytest.mark.parametrize("readings", [1, 2, 3, 9])
def test_each_token_is_judged_once_where_it_is_masked(readings: int) -> None:
    width = max(map(len, DRAFTS))
    tokens = torch.tensor([draft + [2] * (width - len(draft)) for draft in DRAFTS])
    calls: list[int] = []

    def counted(tokens: Tensor, lengths: Tensor) -> Tensor:
        calls.append(len(tokens))
        return decode(tokens, lengths)

    lengths = torch.tensor([len(draft) for draft in DRAFTS])
    found = agreement(tokens, lengths, counted, readings, MASK)
    assert calls == [len(DRAFTS) * readings]
    torch.testing.assert_close(found, torch.tensor([by_hand(draft, readings) for draft in DRAFTS]))


def test_a_draft_that_the_decoder_would_write_is_agreed_with_whatever_its_length() -> None:
    def sure(tokens: Tensor, lengths: Tensor) -> Tensor:
        return torch.tensor([0.0, 3, 1, 0, 0, 0]).log_softmax(0).expand(*tokens.shape, -1)

    tokens = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 2, 0]])
    found = agreement(tokens, torch.tensor([3, 1, 2]), sure, 1, MASK)
    torch.testing.assert_close(found, torch.tensor([0.0, 0.0, -2.0]))
