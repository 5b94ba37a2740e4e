"""Length regulation against plain loops."""

from __future__ import annotations

import math

import pytest
import torch

from speechnar.nar.lengths import length_mask, position_features, regulate, token_of_frame

DURATIONS = torch.tensor([[3, 0, 1, 2, 0], [1, 4, 2, 0, 3]])


def test_length_mask() -> None:
    assert length_mask(torch.tensor([0, 2, 3]), 3).tolist() == [[False] * 3, [True, True, False], [True] * 3]


def test_token_of_frame_and_regulate_repeat_each_token() -> None:
    hidden = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    n_frames = 12
    frame_tokens = token_of_frame(DURATIONS, n_frames)
    spread = regulate(hidden, frame_tokens)
    for row, durations in enumerate(DURATIONS.tolist()):
        expected = [token for token, count in enumerate(durations) for _ in range(count)]
        expected += [4] * (n_frames - len(expected))  # frames after the end take the last column
        assert frame_tokens[row].tolist() == expected
        assert torch.equal(spread[row], torch.stack([hidden[row, token] for token in expected]))


def test_regulate_sends_each_token_the_gradient_of_its_frames() -> None:
    hidden = torch.zeros(2, 5, 1, requires_grad=True)
    spread = regulate(hidden, token_of_frame(DURATIONS, 10))
    spread[:, :6].sum().backward()
    assert hidden.grad is not None
    assert hidden.grad[:, :, 0].tolist() == [[3, 0, 1, 2, 0], [1, 4, 1, 0, 0]]


def test_position_features_by_hand() -> None:
    durations = torch.tensor([[2, 0, 3]])
    features = position_features(durations, token_of_frame(durations, 5))
    ln2, ln3 = math.log(2), math.log(3)
    expected = [
        [1 / 4, 3 / 4, 0, ln2],
        [3 / 4, 1 / 4, ln2, 0],
        [1 / 6, 5 / 6, 0, ln3],
        [3 / 6, 3 / 6, ln2, ln2],
        [5 / 6, 1 / 6, ln3, 0],
    ]
    assert features.shape == (1, 5, 4) and features.dtype == torch.float32
    assert features[0].tolist() == [pytest.approx(row, abs=1e-6) for row in expected]


def test_position_features_of_padding_are_finite() -> None:
    durations = torch.tensor([[2, 0, 0], [1, 3, 2]])
    assert position_features(durations, token_of_frame(durations, 9)).isfinite().all()
