"""Means of loss terms over batches, worked by hand."""

from __future__ import annotations

import torch

from speechnar.losses.mean import Mean, Means


def test_batches_count_by_their_weights() -> None:
    means = Means()
    means.add({"a": torch.tensor(1.0), "b": Mean(torch.tensor([2.0, 4.0]), torch.tensor([1, 1]))}, 3)
    means.add({"a": torch.tensor(5.0)})
    assert means.values() == {"a": 2.0, "b": 3.0}  # (3 * 1 + 5) / 4; b is in the first batch alone
