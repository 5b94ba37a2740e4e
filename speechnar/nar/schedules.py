"""Schedules of training and of decoding: a number that goes from a first value to a last one, and stages.

Source: the cosine mask schedule of MaskGIT (Chang et al. 2022), section 3.3; the linear one of Mask-Predict
    (Ghazvininejad et al. 2019), section 4. Stages: task-level curriculum learning (Liu et al. 2020, "Task-level
    curriculum learning for non-autoregressive neural machine translation"), section 3.2.
Differs: stages change at once, without a window in which two tasks are mixed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SHAPES = ("linear", "cosine", "exponential")


@dataclass(frozen=True)
class Schedule:
    """A number that goes from a first value to a last one.

    A config writes it as a number, which stays as it is; as its first and last value; or with the shape between them:

        glancing: 0.5
        glancing: [0.5, 0.3]
        glancing: {first: 0.5, last: 0.3, shape: cosine}

    Attributes:
        first, last: values at progress 0 and 1.
        shape: "linear", "cosine" (slow at the start, fast at the end) or "exponential" (in equal ratios; both values
            above 0).
    """

    first: float
    last: float
    shape: str = "linear"

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"the shape is {self.shape!r} but should be one of {', '.join(SHAPES)}")
        if self.shape == "exponential" and min(self.first, self.last) <= 0:
            ends = f"from {self.first} to {self.last}"
            raise ValueError(f"an exponential schedule goes {ends}: both should be above 0, or take another shape")

    def at(self, progress: float) -> float:
        """Return the value at a share of the way, in [0, 1]; shares below 0 and above 1 count as these."""
        share = min(max(progress, 0.0), 1.0)
        if self.shape == "exponential":
            return self.first * (self.last / self.first) ** share
        if self.shape == "cosine":
            share = 1 - math.cos(math.pi / 2 * share)
        return self.first + (self.last - self.first) * share

    @staticmethod
    def expanded(value: Any) -> dict[str, Any]:
        """Return the mapping that a value of a config stands for.

        Raises:
            ValueError: it is neither a number, nor a list of two, nor a mapping.
        """
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):  # YAML reads 1e-1 as text
            value = [value, value]
        if isinstance(value, (list, tuple)) and len(value) == 2:
            value = {"first": value[0], "last": value[1]}
        if not isinstance(value, dict):
            raise ValueError(f"should be a number, [first, last] or a mapping of first, last and shape, not {value!r}")
        return value

    def short(self) -> Any:
        """Return the shortest value of a config that stands for this schedule."""
        if self.shape != "linear":
            return {"first": self.first, "last": self.last, "shape": self.shape}
        return self.first if self.first == self.last else [self.first, self.last]


def check_share(name: str, schedule: Schedule) -> None:
    """Check that a schedule is of shares.

    Raises:
        ValueError: one of its values is not in [0, 1]; the message calls it `name`.
    """
    for value in (schedule.first, schedule.last):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value} but should be from 0 to 1")


def stage(values: Sequence[int], progress: float) -> int:
    """Return the value of the stage that a training is in; the stages are equally long.

    Args:
        values: one for each stage, in their order; a value that stands twice has a stage of twice the length.
        progress: share of the training that is done, in [0, 1].
    """
    return values[min(int(progress * len(values)), len(values) - 1)]
