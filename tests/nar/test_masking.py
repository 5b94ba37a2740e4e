"""Masks drawn, merged and inserted, against Python lists."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from speechnar.nar.masking import insert_masks, merge_masks, random_masks, random_places

MASK = 9
ROWS = [[1, MASK, MASK, 2, MASK], [MASK, MASK, MASK], [], [3, 4], [MASK]]


def padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows]), torch.tensor([len(row) for row in rows])


def lists(tokens: Tensor, lengths: Tensor) -> list[list[int]]:
    return [row[:n] for row, n in zip(tokens.tolist(), lengths.tolist())]


def test_random_masks_hide_one_to_all() -> None:
    torch.manual_seed(0)
    tokens = torch.arange(1, 5).repeat(400, 1)
    lengths = torch.arange(5).repeat(80)
    hidden = random_masks(tokens, lengths, MASK)
    masks = hidden == MASK
    for length in range(5):
        counts = masks[lengths == length].sum(1)
        assert set(counts.tolist()) == (set(range(1, length + 1)) if length else {0})
        assert not masks[lengths == length, length:].any()
    assert torch.equal(hidden[~masks], tokens[~masks])
    assert masks[lengths == 4].float().mean(0).sub(0.625).abs().max() < 0.2  # every place alike


def test_random_places_are_real_and_as_many_as_asked() -> None:
    real = torch.tensor([[False, True, True, False, True]] * 300)
    chosen = random_places(real, torch.arange(300) % 5)
    assert not (chosen & ~real).any()
    assert chosen.sum(1).tolist() == [min(n % 5, 3) for n in range(300)]


def test_a_run_of_masks_becomes_one() -> None:
    tokens, lengths = padded(ROWS)
    merged, merged_lengths, counts = merge_masks(tokens, lengths, MASK)
    expected = [[(s, list(run)) for s, run in itertools.groupby(row)] for row in ROWS]
    assert lists(merged, merged_lengths) == [[s for s, _ in row] for row in expected]
    assert lists(counts, merged_lengths) == [[len(run) for _, run in row] for row in expected]


def test_equal_tokens_are_not_merged() -> None:
    merged, lengths, counts = merge_masks(*padded([[3, 3, MASK]]), MASK)
    assert lists(merged, lengths) == [[3, 3, MASK]] and lists(counts, lengths) == [[1, 1, 1]]


def test_inserted_masks_hide_nothing_and_stand_apart() -> None:
    torch.manual_seed(0)
    tokens, lengths = padded([[1, 2, MASK, 3, 4, 5]] * 300 + [[]])
    counts = torch.where(tokens == MASK, 2, 1)
    made, made_lengths, made_counts = insert_masks(tokens, lengths, counts, 0.3, MASK)
    before = 0
    for row, found in zip(lists(made, made_lengths), lists(made_counts, made_lengths)):
        if not row:
            continue
        assert [s for s, n in zip(row, found) if n] == [1, 2, MASK, 3, 4, 5]
        assert all(s == MASK for s, n in zip(row, found) if not n)
        assert all(not (a == MASK and b == MASK) for a, b in zip(row, row[1:]))
        before += found.count(0)
    assert before == pytest.approx(0.3 * 4 * 300, rel=0.15)  # before 1, 2, 4 and 5


def test_a_cosine_draws_many_masks_more_often() -> None:
    """The number of masks is at most n of 10 where cos(pi r / 2) < n / 10, with probability 1 - 2 acos(n / 10) / pi."""
    torch.manual_seed(0)
    tokens = torch.zeros(8000, 10, dtype=torch.int64)
    counts = (random_masks(tokens, torch.full((8000,), 10), MASK, "cosine") == MASK).sum(1)
    assert counts.min() >= 1
    for n in (3, 5, 8):
        expected = 1 - 2 * math.acos(n / 10) / math.pi
        assert float((counts <= n).float().mean()) == pytest.approx(expected, abs=0.02)


def test_a_least_share_is_masked() -> None:
    torch.manual_seed(0)
    tokens = torch.zeros(500, 8, dtype=torch.int64)
    for least, fewest in ((0.5, 5), (1.0, 8)):  # one more than the whole number of least * 8
        counts = (random_masks(tokens, torch.full((500,), 8), MASK, least=least) == MASK).sum(1)
        assert counts.min() == fewest and counts.max() == 8
