"""How sure a figure is: bootstrap intervals, and paired tests of two systems on the same utterances.

A figure is a ratio of sums over utterances, such as word errors over reference words; with denominators of 1 it is a
mean, such as a predicted MOS. Utterances of one speaker are not independent, so where speakers are known whole speakers
are drawn.

Source: Bisani & Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation"; Efron 1987,
    "Better bootstrap confidence intervals" (BCa); Gillick & Cox 1989, "Some statistical issues in the comparison of
    speech recognition algorithms" (matched pairs).
Differs: the levels of the interval are widened from the normal's to Student's t (Hesterberg 2015, "What teachers should
    know about the bootstrap", section 5.3), without which intervals over ten speakers are too short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

DRAWS = 5000
LEVEL = 0.95
BLOCK = 1 << 21  # numbers held at once while drawing


class StatisticsError(ValueError):
    """Figures that no interval or test can be computed of; the message says why."""


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """The second system's figure minus the first's, its 95 % interval, and how likely a difference as large is by
    chance.

    Attributes:
        p: two-sided, 0 to 1; below 0.05 exactly where the interval excludes 0.
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
    """The ratio of two sums, or a mean, with its 95 % bootstrap interval.

    Args:
        numerators: (N,) one number an utterance, such as its word errors.
        denominators: (N,) such as its reference words, 0 or more; by default 1, which makes a mean.
        groups: (N,) such as its speaker, to draw speakers in place of utterances.
        draws: resamples of the data.
        seed: the same number, the same interval.

    Raises:
        StatisticsError: fewer than two utterances (or groups), shapes that differ, values that are not finite, or
            denominators of which none is above 0.
    """
    units = _Units.of(numerators, denominators, groups)
    low, high = units.interval(units.resampled(draws, seed))
    return Interval(units.value, low, high)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    denominators: ArrayLike | None = None,
    groups: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """The paired bootstrap: the second system's figure minus the first's on the same utterances.

    Args:
        first, second: (N,) the systems' numerators, utterance by utterance.
        denominators, groups, draws, seed: as in `bootstrap_interval`.

    Raises:
        StatisticsError: as in `bootstrap_interval`.
    """
    before, after = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if before.shape != after.shape:
        raise StatisticsError(f"the systems have {before.size} and {after.size} utterances; compare the same ones")
    units = _Units.of(after - before, denominators, groups)
    resampled = units.resampled(draws, seed)
    low, high = units.interval(resampled)
    return Difference(units.value, low, high, units.p_of_zero(resampled))


def matched_pairs(first: ArrayLike, second: ArrayLike) -> MatchedPairs:
    """Whether two systems differ in their mean errors over the same segments, by Student's t of the differences.

    Args:
        first, second: (N,) errors of the systems in each segment; segments are to be independent of each other, as those
            of `speechnar.evaluate.wer.segments` are held to be.

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
    error = float(differences.std(ddof=1)) / np.sqrt(count) if count > 1 else np.inf
    p = 2 * special.stdtr(count - 1, -abs(mean) / error) if error > 0 else 0.0
    return MatchedPairs(count, mean, float(p) if count > 1 else 1.0)


@dataclass(frozen=True)
class _Units:
    """What is drawn, utterances or groups of them: (U,) float64 sums each."""

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
        if above.size < 2:
            kind = "utterance" if groups is None else "group"
            raise StatisticsError(f"an interval needs 2 {kind}s or more, and there is {above.size}")
        return cls(above, below)

    @property
    def value(self) -> float:
        return float(self.numerators.sum() / self.denominators.sum())

    def resampled(self, draws: int, seed: int) -> np.ndarray:
        """(draws,) the ratio over as many units drawn with replacement, sorted."""
        rng = np.random.default_rng(seed)
        size = self.numerators.size
        ratios = []
        for start in range(0, draws, max(1, BLOCK // size)):
            count = min(draws - start, max(1, BLOCK // size))
            drawn = rng.integers(size, size=(count, size), dtype=np.int32)
            below = self.denominators[drawn].sum(1)
            with np.errstate(invalid="ignore", divide="ignore"):
                ratios.append(self.numerators[drawn].sum(1) / below)
        found = np.concatenate(ratios)
        return np.sort(found[np.isfinite(found)])  # a draw of nothing but empty references says nothing

    def interval(self, resampled: np.ndarray) -> tuple[float, float]:
        """The ends of the BCa interval at levels of Student's t."""
        bias, acceleration = self._corrections(resampled)
        outer = special.stdtrit(self.numerators.size - 1, (1 - LEVEL) / 2) * self._widening
        shifted = bias + np.array([outer, -outer])
        levels = special.ndtr(bias + shifted / (1 - acceleration * shifted))
        low, high = np.quantile(resampled, np.clip(levels, 0, 1))
        return float(low), float(high)

    def p_of_zero(self, resampled: np.ndarray) -> float:
        """The level at which an end of the interval is 0, two-sided."""
        if not self.numerators.any():
            return 1.0
        bias, acceleration = self._corrections(resampled)
        shifted = special.ndtri(_share_below(resampled, 0.0)) - bias
        outer = shifted / (1 + acceleration * shifted) - bias
        return float(2 * special.stdtr(self.numerators.size - 1, -abs(outer) / self._widening))

    @property
    def _widening(self) -> float:
        """What makes up for resampling's variance, which is that of N, not N - 1."""
        return float(np.sqrt(self.numerators.size / (self.numerators.size - 1)))

    def _corrections(self, resampled: np.ndarray) -> tuple[float, float]:
        """BCa's bias in normal deviates, and its acceleration by the jackknife."""
        bias = float(special.ndtri(_share_below(resampled, self.value)))
        below = self.denominators.sum() - self.denominators
        if not (below > 0).all():  # one unit holds every word
            return bias, 0.0
        left_out = (self.numerators.sum() - self.numerators) / below
        deviations = left_out.mean() - left_out
        spread = (deviations**2).sum()
        return bias, float((deviations**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0


def _numbers(values: ArrayLike) -> np.ndarray:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise StatisticsError("figures should be one finite number an utterance")
    return numbers


def _share_below(resampled: np.ndarray, value: float) -> float:
    """The share of sorted draws below a value, half of those equal to it with them; never quite 0 or 1."""
    below, above = np.searchsorted(resampled, value, "left"), np.searchsorted(resampled, value, "right")
    share = (below + above) / (2 * resampled.size)
    return float(np.clip(share, 0.5 / resampled.size, 1 - 0.5 / resampled.size))
