"""Schedules at their ends and in the middle, worked by hand."""

from __future__ import annotations

import math

import pytest

from speechnar.nar.schedules import Schedule


@pytest.mark.parametrize(
    "shape, middle", [("constant", 4.0), ("linear", 2.5), ("cosine", 1 + 3 * math.sqrt(0.5)), ("exponential", 2.0)]
)
def test_schedules_go_from_start_to_end(shape: str, middle: float) -> None:
    schedule = Schedule(4.0, 1.0, 10, shape)
    assert schedule.at(0) == schedule.at(-5) == 4.0
    assert schedule.at(5) == pytest.approx(middle)
    assert schedule.at(10) == schedule.at(99) == pytest.approx(4.0 if shape == "constant" else 1.0)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"shape": "round"}, "'round' but should be one of constant"),
        ({"steps": 0}, "steps is 0"),
        ({"end": 0.0, "shape": "exponential"}, "above 0"),
    ],
)
def test_what_is_no_schedule_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Schedule(**({"start": 1.0, "end": 0.5, "steps": 4} | fields))
