"""Masks made, merged, expanded and filled, against Python lists."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from speechnar.nar.masking import (
    easy_first,
    expand_masks,
    insert_masks,
    mask_predict,
    mask_unsure,
    merge_masks,
    random_masks,
)

MASK = 9
ROWS = [[1, MASK, MASK, 2, MASK], [MASK, MASK, MASK], [], [3, 4], [MASK]]
ALLOWED = torch.tensor([False, True, True, True, True, True, True, True, True, False])


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


def test_the_unsure_are_masked() -> None:
    confidences = torch.tensor([[0.9, 0.2, 0.5], [0.1, 0.1, 0.1]])
    tokens = torch.tensor([[1, 2, 3], [4, 5, 0]])
    made = mask_unsure(tokens, torch.tensor([3, 2]), confidences, 0.5, MASK)
    assert made.tolist() == [[1, MASK, 3], [MASK, MASK, 0]]


def test_merging_and_expanding_are_inverse() -> None:
    tokens, lengths = padded(ROWS)
    merged, merged_lengths, counts = merge_masks(tokens, lengths, MASK)
    expected = [[(s, list(run)) for s, run in itertools.groupby(row)] for row in ROWS]
    assert lists(merged, merged_lengths) == [[s for s, _ in row] for row in expected]
    assert lists(counts, merged_lengths) == [[len(run) for _, run in row] for row in expected]
    assert lists(*expand_masks(merged, merged_lengths, counts, MASK)) == ROWS


def test_equal_tokens_are_not_merged() -> None:
    merged, lengths, counts = merge_masks(*padded([[3, 3, MASK]]), MASK)
    assert lists(merged, lengths) == [[3, 3, MASK]] and lists(counts, lengths) == [[1, 1, 1]]


def test_a_count_of_zero_drops_a_mask() -> None:
    tokens, lengths = padded([[MASK, 1, MASK], [MASK]])
    counts = torch.tensor([[0, 7, 2], [0, 0, 0]])
    assert lists(*expand_masks(tokens, lengths, counts, MASK)) == [[1, MASK, MASK], []]


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


def decoder(right: Tensor, seen: list[int]) -> Callable[[Tensor, Tensor], Tensor]:
    """Knows every token, and is surer of it the further to the right it stands; likes the mask best of all."""

    def decode(tokens: Tensor, lengths: Tensor) -> Tensor:
        seen.append(int((tokens == MASK).sum()))
        sureness = torch.linspace(1, 2, tokens.shape[1])[None, :, None]
        scores = torch.nn.functional.one_hot(right, 10) * sureness
        scores[:, :, MASK] = 5.0
        return scores

    return decode


@pytest.mark.parametrize(
    ("iterations", "masks"), [(1, [8]), (2, [8, 4]), (4, [8, 6, 4, 2]), (50, [8, 7, 6, 5, 4, 3, 2, 1])]
)
def test_easy_first_fills_the_surest_first(iterations: int, masks: list[int]) -> None:
    right = torch.arange(1, 9)[None]
    seen: list[int] = []
    filled = easy_first(torch.full((1, 8), MASK), torch.tensor([8]), decoder(right, seen), iterations, MASK, ALLOWED)
    assert torch.equal(filled, right) and seen == masks


def test_easy_first_fills_rows_by_their_own_number_and_leaves_what_is_known() -> None:
    tokens, lengths = padded(ROWS)
    orders: list[list[list[int]]] = []

    def decode(tokens: Tensor, lengths: Tensor) -> Tensor:
        orders.append(lists(tokens, lengths))
        return decoder(torch.full_like(tokens, 7), [])(tokens, lengths)

    filled = easy_first(tokens, lengths, decode, 2, MASK, ALLOWED)
    assert lists(filled, lengths) == [[1, 7, 7, 2, 7], [7, 7, 7], [], [3, 4], [7]]
    assert orders == [ROWS, [[1, MASK, 7, 2, 7], [MASK, 7, 7], [], [3, 4], [7]]]


def test_mask_predict_masks_the_least_sure_again() -> None:
    right = torch.arange(1, 9)[None]
    seen: list[int] = []
    tokens = torch.full((1, 8), MASK)
    tokens[0, 0] = 1
    filled = mask_predict(tokens, torch.tensor([8]), decoder(right, seen), 4, MASK, ALLOWED)
    assert torch.equal(filled, right) and seen == [7, 5, 3, 1]
