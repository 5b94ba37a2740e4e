"""Learning rates by step, by their formulas, and options that cannot be."""

from __future__ import annotations

import math

import pytest

from speechnar.train.config import LoopConfig, TrainingError


def rates(schedule: str, steps: tuple[int, ...], first_step: int = 0) -> list[float]:
    config = LoopConfig(
        max_steps=110, warmup_steps=10, learning_rate=2.0, final_learning_rate_ratio=0.1, schedule=schedule
    )
    return [config.learning_rate_at(step, first_step) for step in steps]


# After 10 steps of warm-up, 100 steps: half way at step 60, at the end at step 110.
@pytest.mark.parametrize(
    ("schedule", "half_way", "at_the_end"),
    [
        ("constant", 2.0, 2.0),
        ("linear", 1.1, 0.2),  # the middle of 2.0 and 0.2
        ("cosine", 1.1, 0.2),
        ("exponential", 2.0 * math.sqrt(0.1), 0.2),  # the geometric mean of 2.0 and 0.2
    ],
)
def test_the_rate_rises_then_follows_the_schedule(schedule: str, half_way: float, at_the_end: float) -> None:
    assert rates(schedule, (0, 4, 9, 10)) == pytest.approx([0.2, 1.0, 2.0, 2.0])
    assert rates(schedule, (60, 110, 500)) == pytest.approx([half_way, at_the_end, at_the_end])
    late = rates(schedule, (50, 59, 85, 110), first_step=50)  # the same, in what is left
    assert late == pytest.approx([0.2, 2.0, half_way, at_the_end])


def test_a_quarter_of_the_way_the_cosine_is_above_the_line() -> None:
    assert rates("linear", (35,)) == pytest.approx([2.0 * 0.775])
    assert rates("cosine", (35,)) == pytest.approx([2.0 * (0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)])


@pytest.mark.parametrize("name", ["inverse_sqrt", "noam"])
def test_inverse_square_root(name: str) -> None:
    """Vaswani et al. 2017, equation 3: proportional to min(step^-0.5, step * warmup^-1.5), steps counted from 1."""
    wanted = [min(step**-0.5, step * 10**-1.5) for step in (1, 5, 10, 40, 1000)]
    found = rates(name, (0, 4, 9, 39, 999))
    assert found == pytest.approx([2.0 * value / 10**-0.5 for value in wanted])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp8"}, "precision is 'fp8' but should be one of no, bf16, fp16"),
        ({"schedule": "cosinus"}, "schedule is 'cosinus' but should be one of constant, linear, cosine"),
        ({"best_is": "big"}, "best_is is 'big' but should be one of lowest, highest"),
        ({"max_steps": 0}, "max_steps is 0 but should be 1 or more"),
        ({"log_every": -1}, "log_every is -1 but should be 0 or more"),
        ({"accumulate": 0}, "accumulate is 0 but should be 1 or more"),
        ({"grad_clip": 0.0}, "grad_clip is 0.0 but should be above 0, or null for no clipping"),
        ({"patience": 3}, "keep_best and patience need best_by"),
        ({"average_kept": True}, "average_kept needs models to average: set keep_best or keep_last"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        LoopConfig(**options)
