"""Vector quantization against loops: nearest codes, straight-through gradients, moving averages, unused codes."""

from __future__ import annotations

import pytest
import torch

from speechnar.layers.vector_quantizer import UNUSED, VectorQuantizer


def quantizer(codebook: list[list[float]], decay: float = 0.9) -> VectorQuantizer:
    made = VectorQuantizer(len(codebook), len(codebook[0]), decay)
    made.codebook.copy_(torch.tensor(codebook))
    made.sums.copy_(made.codebook)
    made.counts.fill_(1.0)
    return made


def test_each_vector_becomes_its_nearest_code() -> None:
    torch.manual_seed(0)
    made = VectorQuantizer(7, 3).eval()
    x = torch.randn(2, 5, 3)
    out = made(x)
    for row, codes, vectors in zip(x, out.codes, out.vectors):
        for vector, code, given in zip(row, codes, vectors):
            distances = [float((vector - other).norm()) for other in made.codebook]
            assert int(code) == distances.index(min(distances))
            torch.testing.assert_close(given, made.codebook[code])
    assert float(out.commitment) == pytest.approx(float(((x - made.codebook[out.codes]) ** 2).mean()))


def test_the_gradient_goes_straight_through_and_leaves_the_codebook() -> None:
    made = quantizer([[0.0, 0.0], [1.0, 1.0]]).eval()
    x = torch.tensor([[[0.2, 0.1], [0.9, 0.7]]], requires_grad=True)
    weights = torch.tensor([[[1.0, -2.0], [3.0, 5.0]]])
    (made(x).vectors * weights).sum().backward()
    assert x.grad is not None and torch.equal(x.grad, weights)
    x.grad = None
    made(x).commitment.backward()
    expected = 2 * (x.detach() - torch.tensor([[[0.0, 0.0], [1.0, 1.0]]])) / 4
    torch.testing.assert_close(x.grad, expected)
    assert not list(made.parameters())


def test_the_codebook_is_the_moving_average_of_its_vectors() -> None:
    made = quantizer([[0.0], [10.0]]).train()
    made(torch.tensor([[[1.0], [2.0], [9.0]]]))
    # counts: 0.9 * 1 + 0.1 * 2 and 0.9 * 1 + 0.1 * 1; sums: 0.9 * 0 + 0.1 * (1 + 2) and 0.9 * 10 + 0.1 * 9
    torch.testing.assert_close(made.counts, torch.tensor([1.1, 1.0]))
    torch.testing.assert_close(made.codebook, torch.tensor([[0.3 / 1.1], [9.9]]))
    before = made.codebook.clone()
    made.eval()(torch.tensor([[[1.0]]]))
    assert torch.equal(made.codebook, before)


def test_what_is_returned_does_not_change_with_the_codebook() -> None:
    made = quantizer([[0.0], [10.0]]).train()
    assert made(torch.tensor([[[1.0], [9.0]]])).vectors.tolist() == [[[0.0], [10.0]]]


def test_a_new_codebook_is_drawn_from_the_first_batch_and_unused_codes_are_drawn_anew() -> None:
    torch.manual_seed(0)
    made = VectorQuantizer(4, 2, decay=0.5).train()
    x = torch.tensor([[[100.0, 1.0], [200.0, 2.0]]])
    made(x)
    assert all(row in x[0].tolist() for row in made.codebook.tolist())
    made = quantizer([[0.0, 0.0], [500.0, 500.0]], decay=0.5).train()
    for _ in range(4):  # 1, 1/2, 1/4, 1/8, 1/16: below UNUSED before the fifth batch
        made(torch.ones(1, 3, 2))
    assert made.counts[1] == 1 / 16 < UNUSED and made.codebook[1].tolist() == [500.0, 500.0]
    made(torch.ones(1, 3, 2))
    assert made.codebook[1].tolist() == [1.0, 1.0]
