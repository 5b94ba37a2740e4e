"""Sums and best paths over directed acyclic graphs, against every path."""

from __future__ import annotations

import itertools
import math

import torch

from speechnar.nar.directed_graph import best_path, path_sum

LENGTHS, TOKENS = torch.tensor([5, 4, 1, 6]), torch.tensor([3, 4, 1, 2])


def drawn(seed: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    emissions = torch.randn(4, 6, 4, generator=generator, dtype=dtype) - 2
    transitions = torch.randn(4, 6, 6, generator=generator, dtype=dtype) - 1
    return emissions, transitions


def all_paths(emissions: torch.Tensor, transitions: torch.Tensor, row: int) -> dict[tuple[int, ...], float]:
    """The log-probability of every path of a row."""
    last, number = int(LENGTHS[row]) - 1, int(TOKENS[row])
    found = {}
    for inner in itertools.combinations(range(1, last), max(0, number - 2)):
        path = (0, *inner, last) if number > 1 else (0,)
        if path[-1] == last:
            says = sum(float(emissions[row, vertex, n]) for n, vertex in enumerate(path))
            found[path] = says + sum(float(transitions[row, a, b]) for a, b in zip(path, path[1:]))
    return found


def test_the_sum_and_the_best_path_are_those_of_all_paths() -> None:
    for seed in range(5):
        emissions, transitions = drawn(seed)
        sums = path_sum(emissions, transitions, LENGTHS, TOKENS)
        best = best_path(emissions, transitions, LENGTHS, TOKENS)
        for row in range(4):
            paths = all_paths(emissions, transitions, row)
            assert math.isclose(float(sums[row]), math.log(sum(map(math.exp, paths.values()))), abs_tol=1e-4)
            assert tuple(best[row, : int(TOKENS[row])].tolist()) == max(paths, key=paths.__getitem__)


def test_the_gradient_is_that_of_small_differences() -> None:
    emissions, transitions = drawn(7, torch.float64)
    emissions.requires_grad_()
    transitions.requires_grad_()
    assert torch.autograd.gradcheck(lambda e, t: path_sum(e, t, LENGTHS, TOKENS), (emissions, transitions))


def test_edges_that_are_impossible_and_padding_count_for_nothing() -> None:
    emissions, transitions = drawn(3)
    closed = transitions.clone()
    closed[:, 0, 2] = -torch.inf
    sums = path_sum(emissions, closed, LENGTHS, TOKENS)
    paths = {path: value for path, value in all_paths(emissions, transitions, 0).items() if path[1] != 2}
    assert math.isclose(float(sums[0]), math.log(sum(map(math.exp, paths.values()))), abs_tol=1e-4)
    padded = transitions.clone()
    padded[1, :, 4:] = padded[1, 4:] = 9.0
    assert torch.equal(
        path_sum(emissions, padded, LENGTHS, TOKENS)[1], path_sum(emissions, transitions, LENGTHS, TOKENS)[1]
    )


def test_a_text_with_more_tokens_than_vertices_has_no_path() -> None:
    emissions, transitions = drawn(0)
    assert float(path_sum(emissions, transitions, torch.tensor([3] * 4), torch.tensor([4] * 4)).max()) < -1e8
