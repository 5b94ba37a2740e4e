"""The Fréchet distance against scipy's matrix root, and where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from speechnar.evaluate.quality.frechet import frechet_distance


def test_it_is_the_formula() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(50, 5)), rng.normal(size=(40, 5)) @ rng.normal(size=(5, 5)) + 1
    one, two = np.cov(first.T), np.cov(second.T)
    means = ((first.mean(0) - second.mean(0)) ** 2).sum()
    expected = means + np.trace(one + two - 2 * sqrtm(one @ two).real)
    assert frechet_distance(first, second) == pytest.approx(expected)
    assert frechet_distance(second, first) == pytest.approx(expected)


def test_it_is_zero_for_the_same_and_the_square_of_a_shift() -> None:
    x = np.random.default_rng(0).normal(size=(30, 40)).astype(np.float32)  # fewer vectors than dimensions
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(x, x + 2) == pytest.approx(4 * 40, rel=1e-4)


def test_what_has_no_covariance_is_refused() -> None:
    with pytest.raises(ValueError, match=r"features are \(1, 3\) and \(5, 3\)"):
        frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))
