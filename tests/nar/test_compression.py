"""Compression equals a loop over runs, and gradients reach the frames of tokens alone."""

from __future__ import annotations

import itertools

import torch

from speechnar.nar.compression import compress


def test_each_token_is_the_mean_of_its_frames() -> None:
    torch.manual_seed(0)
    path = torch.tensor([[0, 1, 1, 0, 2, 3, 3, 0], [2, 2, 0, 2, 1, 1, 1, 0], [0, 0, 0, 0, 0, 5, 5, 5]])
    lengths = torch.tensor([8, 6, 4])
    values = torch.randn(3, 8, 5, requires_grad=True)
    found = compress(values, path, lengths, blank_id=0)
    assert found.lengths.tolist() == [3, 3, 0] and found.vectors.shape == (3, 3, 5)
    expected = torch.zeros(3, 3, 5)
    for row, length in enumerate(lengths.tolist()):
        n = 0
        for symbol, frames in itertools.groupby(range(length), key=lambda t: int(path[row, t])):
            if symbol:
                expected[row, n] = values[row, list(frames)].mean(0)
                n += 1
    torch.testing.assert_close(found.vectors, expected)
    (gradient,) = torch.autograd.grad(found.vectors.sum(), values)
    real = torch.arange(8) < lengths[:, None]
    assert torch.equal(gradient.abs().sum(2) > 0, (path != 0) & real)


def test_without_lengths_all_frames_are_real() -> None:
    values = torch.arange(6.0).view(1, 3, 2)
    found = compress(values, torch.tensor([[4, 4, 4]]), None, blank_id=0)
    assert found.vectors.tolist() == [[[2.0, 3.0]]] and found.lengths.tolist() == [1]
