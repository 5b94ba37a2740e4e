"""Schedules at their ends and in the middle, worked by hand, and as configs write them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from speechnar import config
from speechnar.config import ConfigError
from speechnar.nar.schedules import Schedule, check_share, stage
from speechnar.train.provenance import settings_of


@pytest.mark.parametrize("shape, middle", [("linear", 2.5), ("cosine", 1 + 3 * math.sqrt(0.5)), ("exponential", 2.0)])
def test_schedules_go_from_start_to_end(shape: str, middle: float) -> None:
    schedule = Schedule(4.0, 1.0, shape)
    assert schedule.at(0) == schedule.at(-0.5) == 4.0
    assert schedule.at(0.5) == pytest.approx(middle)
    assert schedule.at(1) == schedule.at(9.9) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"shape": "round"}, "'round' but should be one of linear"),
        ({"last": 0.0, "shape": "exponential"}, "from 1.0 to 0.0: both should be above 0"),
    ],
)
def test_what_is_no_schedule_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Schedule(**({"first": 1.0, "last": 0.5} | fields))


@dataclass(frozen=True)
class Training:
    glancing: Schedule | None = None


@dataclass(frozen=True)
class FormerTraining:
    glancing: tuple[float, float] | None = None


@pytest.mark.parametrize(
    ("text", "schedule", "short"),
    [
        ("0.5", Schedule(0.5, 0.5), 0.5),
        ("1", Schedule(1.0, 1.0), 1.0),
        ("1e-1", Schedule(0.1, 0.1), 0.1),
        ("[1e-1, 0.3]", Schedule(0.1, 0.3), [0.1, 0.3]),
        ("[0.5, 0.3]", Schedule(0.5, 0.3), [0.5, 0.3]),
        ("{first: 0.5, last: 0.3}", Schedule(0.5, 0.3), [0.5, 0.3]),
        (
            "{first: 0.5, last: 0.3, shape: cosine}",
            Schedule(0.5, 0.3, "cosine"),
            {"first": 0.5, "last": 0.3, "shape": "cosine"},
        ),
        ("null", None, None),
    ],
)
def test_a_config_writes_a_schedule_in_three_ways(
    tmp_path: Path, text: str, schedule: Schedule | None, short: Any
) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(f"glancing: {text}\n")
    read = config.load(Training, path)
    assert read == Training(schedule) and config.to_dict(read) == {"glancing": short}
    config.save(read, tmp_path / "saved.yaml")
    assert config.load(Training, tmp_path / "saved.yaml") == read


@pytest.mark.parametrize("value", [[0.5], [0.5, 0.3, 0.1], True])
def test_what_a_config_does_not_mean_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"config: glancing should be a number, \[first, last\] or a mapping"):
        config.from_dict(Training, {"glancing": value})
    for value in ("a", ["a", 0.3]):
        with pytest.raises(ConfigError, match="config: glancing: first should be float but is 'a'"):
            config.from_dict(Training, {"glancing": value})


def test_a_run_that_was_begun_with_a_first_and_last_value_goes_on() -> None:
    assert settings_of(Training(Schedule(0.5, 0.3))) == settings_of(FormerTraining((0.5, 0.3)))
    assert settings_of(Training(Schedule(0.5, 0.3))) != settings_of(Training(Schedule(0.5, 0.3, "cosine")))


def test_shares_are_from_0_to_1() -> None:
    check_share("glancing", Schedule(0.0, 1.0))
    for schedule in (Schedule(1.5, 0.3), Schedule(0.5, -0.1)):
        with pytest.raises(ValueError, match=r"glancing is (1.5|-0.1) but should be from 0 to 1"):
            check_share("glancing", schedule)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((4,), [4, 4, 4, 4, 4]),
        ((1, 4), [1, 1, 4, 4, 4]),
        ((1, 1, 2, 4), [1, 1, 2, 4, 4]),
    ],
)
def test_stages_are_equally_long(values: tuple[int, ...], found: list[int]) -> None:
    assert [stage(values, progress) for progress in (0.0, 0.25, 0.5, 0.75, 1.0)] == found
