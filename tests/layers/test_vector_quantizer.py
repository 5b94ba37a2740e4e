"""Vector quantization against loops: nearest codes, straight-through gradients, moving averages, unused codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


PROCESS = """
import sys
import torch
import torch.distributed as dist
from speechnar.layers.vector_quantizer import VectorQuantizer

rank, store, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.manual_seed(rank)
drawn = VectorQuantizer(4, 2).train()
drawn(torch.randn(1, 6, 2))  # other vectors in each process
followed = VectorQuantizer(2, 1, decay=0.9).train()
followed.codebook.copy_(torch.tensor([[0.0], [10.0]]))
followed.sums.copy_(followed.codebook)
followed.counts.fill_(1.0)
followed(torch.tensor([[[1.0], [2.0]]] if rank == 0 else [[[9.0]]]))
torch.save([drawn.codebook, followed.codebook, followed.counts], f"{out}/{rank}.pt")
dist.barrier()  # else the process that ends first takes the other's connection away
dist.destroy_process_group()
"""


def test_two_processes_have_one_codebook_which_follows_the_vectors_of_both(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(rank), str(tmp_path / "store"), str(tmp_path)])
        for rank in range(2)
    ]
    assert [process.wait(timeout=240) for process in processes] == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for one, two in zip(first, second):
        assert torch.equal(one, two)
    torch.testing.assert_close(first[2], torch.tensor([1.1, 1.0]))  # as in one process, above
    torch.testing.assert_close(first[1], torch.tensor([[0.3 / 1.1], [9.9]]))
