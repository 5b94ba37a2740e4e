"""Intervals and tests against every possible draw, theory for large samples, and SciPy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from speechnar.evaluate.stats.statistics import (
    Interval,
    StatisticsError,
    bootstrap_interval,
    matched_pairs,
    paired_difference,
)

ERRORS = [1, 4, 0, 2, 5]
WORDS = [10, 9, 5, 8, 12]


def ratio_and_error(units: list[tuple[int, int]]) -> tuple[float, float]:
    """A ratio of sums and its standard error, a term at a time."""
    above, below = sum(error for error, _ in units), sum(word for _, word in units)
    squares = sum((error - above / below * word) ** 2 for error, word in units)
    return above / below, math.sqrt(len(units) / (len(units) - 1) * squares) / below


def all_studentized(errors: list[int], words: list[int]) -> list[float]:
    """Of all draws that there are, how many standard errors each ratio lies from the data's."""
    units = list(zip(errors, words))
    ratio, error = ratio_and_error(units)
    distances = []
    for drawn in itertools.product(units, repeat=len(units)):
        other, its_error = ratio_and_error(list(drawn))
        distances.append((other - ratio) / (its_error if its_error > 1e-12 else error))
    return sorted(distances)


def test_the_interval_is_that_of_all_draws() -> None:
    distances = all_studentized(ERRORS, WORDS)
    ratio, error = ratio_and_error(list(zip(ERRORS, WORDS)))
    low, high = np.quantile(distances, [0.025, 0.975])
    found = bootstrap_interval(ERRORS, WORDS, draws=200_000)
    assert found.value == ratio
    assert found.low == pytest.approx(max(0, ratio - high * error), abs=0.01)
    assert found.high == pytest.approx(ratio - low * error, rel=0.02)


def test_p_is_that_of_all_draws() -> None:
    first = [2, 1, 3, 2, 1]
    second = [3, 4, 3, 4, 6]
    change = [after - before for before, after in zip(first, second)]
    ratio, error = ratio_and_error(list(zip(change, WORDS)))
    distances = np.array(all_studentized(change, WORDS))
    beyond = min((distances >= ratio / error).mean(), (distances <= ratio / error).mean())
    found = paired_difference(first, second, WORDS, draws=200_000)
    assert found.value == pytest.approx(ratio)
    assert found.p == pytest.approx(2 * beyond, abs=0.005)
    assert 0.01 < found.p < 0.9


def test_over_many_utterances_the_interval_is_the_normal_one() -> None:
    scores = np.random.default_rng(0).normal(3.5, 0.7, 1000)
    half = 1.96 * scores.std(ddof=1) / math.sqrt(scores.size)
    found = bootstrap_interval(scores)
    assert found.value == pytest.approx(scores.mean())
    assert scores.mean() - found.low == pytest.approx(half, rel=0.05)
    assert found.high - scores.mean() == pytest.approx(half, rel=0.05)


def test_drawing_groups_is_drawing_their_sums() -> None:
    speakers = ["b", "a", "c", "b", "e", "d", "a"]
    by_speaker = bootstrap_interval([1, 2, 3, 4, 5, 6, 7], [9, 9, 8, 8, 7, 7, 20], speakers)
    assert by_speaker == bootstrap_interval([9, 5, 3, 6, 5], [29, 17, 8, 7, 7])


def test_the_second_system_is_compared_with_the_first() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(5, 30, 200)
    worse, better = rng.binomial(words, 0.2), rng.binomial(words, 0.1)
    forth, back = paired_difference(worse, better, words), paired_difference(better, worse, words)
    assert forth.low < forth.value < forth.high < 0
    assert forth.p < 0.001
    assert (back.value, back.low, back.high) == pytest.approx((-forth.value, -forth.high, -forth.low))
    assert back.p == forth.p


def test_p_is_below_5_percent_where_the_interval_leaves_0_out() -> None:
    sides = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = paired_difference(rng.normal(size=30), rng.normal(0.5, 1, 30), seed=seed)
        sides.append(found.p < 0.05)
        assert sides[-1] == (not found.low <= 0 <= found.high)
    assert 5 < sum(sides) < 35


def test_equal_systems_do_not_differ() -> None:
    found = paired_difference(ERRORS, ERRORS, WORDS)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_few_errors_have_finite_ends() -> None:
    errors = np.zeros(100)
    assert bootstrap_interval(errors, np.full(100, 20)) == Interval(0, 0, 0)
    errors[[3, 50]] = 1
    found = bootstrap_interval(errors, np.full(100, 20))
    assert 0 <= found.low < 0.001 < found.high < 0.01


def test_below_five_units_there_is_no_interval() -> None:
    few = bootstrap_interval([1, 2, 3, 4, 5], [9] * 5, ["a", "b", "c", "d", "d"])
    assert few.value == 15 / 45
    assert math.isnan(few.low) and math.isnan(few.high)
    assert math.isnan(paired_difference([1, 2], [2, 3]).p)


def test_the_seed_makes_the_draws() -> None:
    scores = np.random.default_rng(0).normal(size=50)
    assert bootstrap_interval(scores, seed=1) == bootstrap_interval(scores, seed=1)
    assert bootstrap_interval(scores, seed=1) != bootstrap_interval(scores, seed=2)


def test_matched_pairs_are_students_t() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.poisson(1.0, 80), rng.poisson(1.4, 80)
    found = matched_pairs(first, second)
    assert found.segments == 80
    assert found.value == pytest.approx((second - first).mean())
    assert found.p == pytest.approx(stats.ttest_rel(first, second).pvalue)


@pytest.mark.parametrize(("first", "second", "p"), [([], [], 1), ([1], [0], 1), ([1, 1, 1], [0, 0, 0], 0.25)])
def test_matched_pairs_without_variance(first: list[int], second: list[int], p: float) -> None:
    assert matched_pairs(first, second).p == p


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1, 2], [1]), "2, 1"),
        (([1, 2], [1, 1], ["a"]), "2, 2, 1"),
        (([1, 2], [0, 0]), "above 0"),
        (([1, 2], [3, -1]), "0 or more"),
        (([1, math.nan],), "finite"),
        (([[1, 2]],), "an utterance"),
        (([],), "above 0"),
    ],
)
def test_what_cannot_be_computed_is_said(arguments: tuple, words: str) -> None:
    with pytest.raises(StatisticsError, match=words):
        bootstrap_interval(*arguments)


def test_systems_of_different_length_are_not_compared() -> None:
    with pytest.raises(StatisticsError, match="3 and 2 utterances"):
        paired_difference([1, 2, 3], [1, 2])
    with pytest.raises(StatisticsError, match="3 and 2 segments"):
        matched_pairs([1, 2, 3], [1, 2])
