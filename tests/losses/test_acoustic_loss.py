"""FastSpeech 2's terms by hand; padding never counts."""

from __future__ import annotations

import math

import pytest
import torch

from speechnar.losses.acoustic import fastspeech2_loss, masked_mean
from speechnar.models.tts.fastspeech2 import FastSpeech2Output, Prosody

DURATIONS = torch.tensor([[2, 1, 0], [1, 2, 2]])
LENGTHS = (torch.tensor([2, 3]), torch.tensor([3, 5]))


def example() -> tuple[FastSpeech2Output, torch.Tensor, Prosody]:
    torch.manual_seed(0)
    voiced = torch.tensor([[1.0, 0, 1, 0, 0], [0, 1, 1, 1, 0]])
    given = Prosody(torch.randn(2, 5), voiced, torch.randn(2, 5))
    predicted = Prosody(torch.randn(2, 5), torch.randn(2, 5), torch.randn(2, 5))
    return FastSpeech2Output(torch.randn(2, 5, 4), torch.randn(2, 3), predicted), torch.randn(2, 5, 4), given


def test_masked_mean() -> None:
    assert float(masked_mean(torch.tensor([[1.0, 3, 100]]), torch.tensor([[True, True, False]]))) == 2
    assert float(masked_mean(torch.ones(1, 3), torch.zeros(1, 3))) == 0


def test_terms_by_hand() -> None:
    output, mel, given = example()
    frames = [(0, t) for t in range(3)] + [(1, t) for t in range(5)]
    tokens = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    predicted = output.prosody

    def entropy(logit: float, wanted: float) -> float:
        p = 1 / (1 + math.exp(-logit))
        return -math.log(p if wanted else 1 - p)

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    expected = {
        "mel": mean([float(abs(output.mel[b, t, c] - mel[b, t, c])) for b, t in frames for c in range(4)]),
        "duration": mean([(float(output.log_durations[i]) - math.log(1 + int(DURATIONS[i]))) ** 2 for i in tokens]),
        "log_f0": mean([float(abs(predicted.log_f0[i] - given.log_f0[i])) for i in frames if given.voiced[i]]),
        "voiced": mean([entropy(float(predicted.voiced[i]), float(given.voiced[i])) for i in frames]),
        "energy": mean([float(abs(predicted.energy[i] - given.energy[i])) for i in frames]),
    }
    terms = fastspeech2_loss(output, mel, given, DURATIONS, LENGTHS)
    assert {name: float(value) for name, value in terms.items()} == pytest.approx(expected, rel=1e-5)


def test_padding_is_ignored() -> None:
    output, mel, given = example()
    before = fastspeech2_loss(output, mel, given, DURATIONS, LENGTHS)
    output.log_durations[0, 2:] = 50.0
    for values in (output.mel, mel, *vars(output.prosody).values(), *vars(given).values()):
        values[0, 3:] = torch.randn_like(values[0, 3:]) * 100
    after = fastspeech2_loss(output, mel, given, DURATIONS, LENGTHS)
    assert {n: float(v) for n, v in after.items()} == {n: float(v) for n, v in before.items()}


def test_speech_without_a_voiced_frame_has_no_f0_loss() -> None:
    output, mel, given = example()
    given.voiced.zero_()
    assert float(fastspeech2_loss(output, mel, given, DURATIONS, LENGTHS)["log_f0"]) == 0
