"""Bootstrap intervals of metrics, and paired tests of two systems on the same utterances.

A metric is a ratio of sums over utterances, such as word errors over reference words; with denominators of 1 it is a
mean, such as a predicted MOS. Utterances of one speaker are not independent, so where speakers are known whole speakers
are drawn.

Source: Bisani & Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation"; Davison &
    Hinkley 1997, "Bootstrap methods and their application", sections 2.4 (the studentized interval) and 5.2.1; Gillick
    & Cox 1989, "Some statistical issues in the comparison of speech recognition algorithms" (matched pairs).
Differs: Bisani & Ney take percentiles of the resampled metric, an interval that is too short over few or unequal units;
    here each draw is studentized. The matched-pairs test takes Student's t for the normal distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

DRAWS = 5000
LEVEL = 0.95
FEWEST = 5  # units below which draws are too similar for an interval
BLOCK = 1 << 20  # numbers held at once while drawing


class StatisticsError(ValueError):
    """Metrics for which no interval or test can be computed; the message says why."""


@dataclass(frozen=True)
class Interval:
    """A metric and the ends of its 95 % interval, which are nan where there are fewer than `FEWEST` units to draw."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """The metric of the second system minus that of the first, with its 95 % interval and p.

    Attributes:
        low, high, p: nan where fewer than `FEWEST` units were there to draw.
        p: two-sided, 0 to 1; the interval excludes 0 where it is below 0.05.
    """

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class MatchedPairs:
    """The matched-pairs test of two systems.

    Attributes:
        segments: how many were compared.
        value: the mean over segments of the second system's errors minus the first's.
        p: two-sided, 0 to 1.
    """

    segments: int
    value: float
    p: float


def bootstrap_interval(
    numerators: ArrayLike,
    denominators: ArrayLike | None = None,
    groups: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Return the ratio of two sums, or a mean, with its 95 % bootstrap interval.

    Args:
        numerators: (N,) one number an utterance, such as its word errors.
        denominators: (N,) such as its reference words, 0 or more; by default 1, which makes a mean.
        groups: (N,) such as its speaker, to draw speakers in place of utterances.
        draws: resamples of the data.
        seed: the same number, the same interval.

    Raises:
        StatisticsError: shapes that differ, values that are not finite, or denominators of which none is above 0.
    """
    units = _Units.of(numerators, denominators, groups)
    if units.size < FEWEST:
        return Interval(units.ratio, np.nan, np.nan)
    low, high = units.interval(units.studentized(draws, seed))
    return Interval(units.ratio, max(low, 0.0) if units.numerators.min() >= 0 else low, high)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    denominators: ArrayLike | None = None,
    groups: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """Return the second system's metric minus the first's on the same utterances, by the paired bootstrap.

    Args:
        first, second: (N,) the systems' numerators, utterance by utterance.
        denominators, groups, draws, seed: as in `bootstrap_interval`.

    Raises:
        StatisticsError: as in `bootstrap_interval`.
    """
    before, after = _numbers(first), _numbers(second)
    if before.shape != after.shape:
        raise StatisticsError(f"the systems have {before.size} and {after.size} utterances; compare the same ones")
    units = _Units.of(after - before, denominators, groups)
    if units.size < FEWEST:
        return Difference(units.ratio, np.nan, np.nan, np.nan)
    studentized = units.studentized(draws, seed)
    low, high = units.interval(studentized)
    return Difference(units.ratio, low, high, units.p_of_zero(studentized))


def matched_pairs(first: ArrayLike, second: ArrayLike) -> MatchedPairs:
    """Test the difference of two systems' mean errors over the same segments, by Student's t of the differences.

    Args:
        first, second: (N,) errors of the systems in each segment; what happens in one segment should not depend on the
            others, as is assumed of those that `speechnar.evaluate.wer.error_rate.segments` finds.

    Raises:
        StatisticsError: lengths that differ, or values that are not finite.
    """
    before, after = _numbers(first), _numbers(second)
    if before.shape != after.shape:
        raise StatisticsError(f"the systems have {before.size} and {after.size} segments; compare the same ones")
    differences = after - before
    count = differences.size
    if not differences.any():
        return MatchedPairs(count, 0.0, 1.0)
    mean = float(differences.mean())
    if np.ptp(differences) == 0:  # no variance to judge by: the chance that all signs agree
        return MatchedPairs(count, mean, 2.0 ** (1 - count))
    error = differences.std(ddof=1) / np.sqrt(count)
    return MatchedPairs(count, mean, float(2 * special.stdtr(count - 1, -abs(mean) / error)))


@dataclass(frozen=True)
class _Units:
    """The units that are drawn, utterances or groups of them: (U,) float64 sums each."""

    numerators: np.ndarray
    denominators: np.ndarray

    @classmethod
    def of(cls, numerators: ArrayLike, denominators: ArrayLike | None, groups: Sequence[str] | None) -> _Units:
        above = _numbers(numerators)
        below = np.ones_like(above) if denominators is None else _numbers(denominators)
        if above.shape != below.shape or (groups is not None and len(groups) != above.size):
            sizes = [above.size, below.size] + ([len(groups)] if groups is not None else [])
            raise StatisticsError(f"numerators, denominators and groups have {sizes} values but should have as many")
        if (below < 0).any() or not below.any():
            raise StatisticsError("denominators should be 0 or more, and one at least above 0")
        if groups is not None:
            _, index = np.unique(np.asarray(groups), return_inverse=True)
            above, below = np.bincount(index, above), np.bincount(index, below)
        return cls(above, below)

    @property
    def size(self) -> int:
        return self.numerators.size

    @property
    def ratio(self) -> float:
        return float(self.numerators.sum() / self.denominators.sum())

    @property
    def residuals(self) -> np.ndarray:
        """Return (U,) the excess of each unit over its share; the sum is 0."""
        return self.numerators - self.ratio * self.denominators

    @property
    def error(self) -> float:
        """Return the standard error of the ratio, by linearization."""
        return float(np.sqrt((self.residuals**2).sum() * self.size / (self.size - 1)) / self.denominators.sum())

    def studentized(self, draws: int, seed: int) -> np.ndarray:
        """Return (draws,) sorted distances of the draws' ratios from the data's, in standard errors of the draw."""
        rng = np.random.default_rng(seed)
        rows = max(1, BLOCK // self.size)
        blocks = [self._studentized(rng, min(rows, draws - start)) for start in range(0, draws, rows)]
        return np.sort(np.concatenate(blocks))

    def _studentized(self, rng: np.random.Generator, draws: int) -> np.ndarray:
        drawn = rng.integers(self.size, size=(draws, self.size)) + self.size * np.arange(draws)[:, None]
        times = np.bincount(drawn.ravel(), minlength=draws * self.size).reshape(draws, self.size)
        rest, below = self.residuals, self.denominators
        sums = times @ np.stack([rest, below, rest**2, rest * below, below**2], axis=1)
        total_rest, total, squares, products, weights = sums[
            sums[:, 1] > 0
        ].T  # without draws of empty references alone
        shifts = total_rest / total  # the draw's ratio minus the data's
        spread = squares - 2 * shifts * products + shifts**2 * weights
        errors = np.sqrt(np.maximum(spread, 0) * self.size / (self.size - 1)) / total
        alike = errors <= 1e-6 * self.error  # a draw of one unit alone, or of those without errors, has no spread
        return shifts / np.where(alike, self.error or 1.0, errors)

    def interval(self, studentized: np.ndarray) -> tuple[float, float]:
        below, above = np.quantile(studentized, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(self.ratio - above * self.error), float(self.ratio - below * self.error)

    def p_of_zero(self, studentized: np.ndarray) -> float:
        """Return the two-sided probability of a ratio at least as far from 0 if the truth were 0; it is never 0."""
        if not self.numerators.any():
            return 1.0
        distance = self.ratio / self.error if self.error > 0 else np.copysign(np.inf, self.ratio)
        beyond = min((studentized >= distance).sum(), (studentized <= distance).sum())
        return min(1.0, float(2 * (beyond + 1) / (studentized.size + 1)))


def _numbers(values: ArrayLike) -> np.ndarray:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise StatisticsError("metrics should be one finite number an utterance")
    return numbers
