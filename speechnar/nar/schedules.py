"""Schedules of training and of decoding: one number that goes from a start to an end.

Source: the cosine mask schedule of MaskGIT (Chang et al. 2022), section 3.3; the linear one of Mask-Predict
    (Ghazvininejad et al. 2019), section 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SHAPES = ("constant", "linear", "cosine", "exponential")


@dataclass(frozen=True)
class Schedule:
    """A number by step.

    Attributes:
        start, end: values at step 0, and from step `steps` on.
        steps: from one to the other.
        shape: "constant" (`start` throughout), "linear", "cosine" (slow at the start, fast at the end) or
            "exponential" (in equal ratios; both values above 0).
    """

    start: float
    end: float
    steps: int
    shape: str = "linear"

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"the shape is {self.shape!r} but should be one of {', '.join(SHAPES)}")
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps} but should be 1 or more")
        if self.shape == "exponential" and min(self.start, self.end) <= 0:
            raise ValueError("an exponential schedule needs a start and an end above 0")

    def at(self, step: float) -> float:
        """Return the value at a step; steps below 0 and above `steps` count as these."""
        share = min(max(step / self.steps, 0.0), 1.0)
        if self.shape == "constant":
            return self.start
        if self.shape == "exponential":
            return self.start * (self.end / self.start) ** share
        if self.shape == "cosine":
            share = 1 - math.cos(math.pi / 2 * share)
        return self.start + (self.end - self.start) * share
