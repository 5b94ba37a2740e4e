"""The best alignment of CTC, against every path."""

from __future__ import annotations

import itertools

import torch

from speechnar.nar.ctc import best_alignment


def spelled(path: tuple[int, ...]) -> list[int]:
    merged = [token for token, _ in itertools.groupby(path)]
    return [token for token in merged if token != 0]


def test_the_best_alignment_is_the_best_of_all_paths() -> None:
    torch.manual_seed(0)
    log_probs = torch.randn(4, 5, 3).log_softmax(2)
    lengths, token_lengths = torch.tensor([5, 4, 5, 2]), torch.tensor([2, 1, 2, 0])
    tokens = torch.tensor([[1, 2], [2, 9], [1, 1], [0, 0]])  # 9 is padding
    found = best_alignment(log_probs, lengths, tokens, token_lengths, 0)
    for row in range(4):
        frames, text = int(lengths[row]), tokens[row, : int(token_lengths[row])].tolist()
        paths = [path for path in itertools.product(range(3), repeat=frames) if spelled(path) == text]
        best = max(paths, key=lambda path: sum(float(log_probs[row, t, k]) for t, k in enumerate(path)))
        assert found[row].tolist() == [*best, *[0] * (5 - frames)]


def test_a_text_that_does_not_fit_has_blanks() -> None:
    log_probs = torch.zeros(1, 2, 3).log_softmax(2)
    one = torch.tensor([2])
    assert best_alignment(log_probs, one, torch.tensor([[1, 1]]), one, 0).tolist() == [[0, 0]]
