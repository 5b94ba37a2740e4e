"""The pulse train against numerical integration and an explicit sum of cosines."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from speechnar.layers.excitation import frame_phases, pulse_train

HOP, RATE = 100, 8000
CONTOUR = [0.0, 0.0, 120.0, 130.0, 150.0, 0.0, 210.0, 200.0, 180.0, 180.0]


def made(f0: list[float], start: float = 0.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    hertz = torch.tensor([f0])
    edges, phases = frame_phases(hertz, torch.tensor([start]), HOP, RATE)
    return edges, phases, pulse_train(hertz, edges, phases, HOP, RATE)


def integrated(f0: list[float], start: float, fine: int) -> np.ndarray:
    """Cycles at every 1 / `fine` of a sample, by the midpoint rule; each frame glides to the next voiced one."""
    hertz = []
    for now, after in zip(f0, [*f0[1:], f0[-1]]):
        end = after if after > 0 else now
        hertz.append((now + (end - now) * (np.arange(HOP * fine) + 0.5) / (HOP * fine)) * (now > 0))
    return np.concatenate([[start], start + np.cumsum(np.concatenate(hertz)) / (RATE * fine)])


def turn_distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs((a - b + 0.5) % 1 - 0.5).max())


def test_phases_are_the_integral_of_f0() -> None:
    _, phases, _ = made(CONTOUR, start=0.3)
    expected = integrated(CONTOUR, 0.3, fine=1)[::HOP]
    assert phases.shape == (1, len(CONTOUR) + 1)
    assert ((phases >= 0) & (phases <= 1)).all()
    assert turn_distance(phases[0].numpy(), expected) < 1e-5


def test_edges_never_glide_to_or_from_silence() -> None:
    edges, _, _ = made(CONTOUR)
    assert edges[0, 4].tolist() == [150, 150] and edges[0, 1].tolist() == [0, 0]
    assert edges[0, 2].tolist() == [120, 130] and edges[0, -1].tolist() == [180, 180]


def test_pulses_are_a_sum_of_cosines_below_nyquist() -> None:
    _, _, pulses = made(CONTOUR, start=0.3)
    cycles = integrated(CONTOUR, 0.3, fine=1)[:-1].reshape(-1, HOP)
    for frame, (now, after) in enumerate(zip(CONTOUR, [*CONTOUR[1:], CONTOUR[-1]])):
        if not now:
            assert not pulses[0, frame].any()
            continue
        count = int(RATE / 2 // max(now, after))
        expected = sum(np.cos(2 * np.pi * k * cycles[frame]) for k in range(1, count + 1)) * np.sqrt(2 / count)
        np.testing.assert_allclose(pulses[0, frame].numpy(), expected, atol=0.02)


@pytest.mark.parametrize("hertz", [80.0, 137.0, 240.0])
def test_pulses_have_the_power_of_white_noise(hertz: float) -> None:
    _, _, pulses = made([hertz] * 80)
    assert float(pulses.square().mean()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("k", [1, 3, 5, 6])
def test_a_chunk_goes_on_from_the_phase_at_its_first_frame(k: int) -> None:
    _, phases, whole = made(CONTOUR, start=0.7)
    _, later_phases, chunk = made(CONTOUR[k:], start=float(phases[0, k]))
    assert turn_distance(later_phases[0].numpy(), phases[0, k:].numpy()) < 1e-5
    torch.testing.assert_close(chunk, whole[:, k:], atol=1e-2, rtol=0)


def test_ten_minutes_of_frames_do_not_drift() -> None:
    n = 48000
    _, phases, _ = made([123.4] * n)
    expected = float(np.float32(123.4)) * HOP / RATE * np.arange(n + 1)
    assert turn_distance(phases[0].double().numpy(), expected) < 1e-4
