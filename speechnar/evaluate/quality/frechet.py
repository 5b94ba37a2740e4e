"""Compare two sets of feature vectors as two normal distributions.

Source: Fréchet inception distance, Heusel et al. 2017, equation 6; Dowson and Landau 1982.
Differs: the features are the caller's, not those of Inception, so a distance compares only with others of the same
    features and the same number of samples.
"""

from __future__ import annotations

import numpy as np


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the squared Fréchet distance of the normal distributions of two sets of features.

    Args:
        first, second: (N, D) and (M, D), N and M at least 2.

    Returns:
        |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)), 0 or more, in squared units of the features.

    Raises:
        ValueError: a set has fewer than two vectors, or the widths differ.
    """
    if first.ndim != 2 or second.ndim != 2 or min(len(first), len(second)) < 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"features are {first.shape} and {second.shape} but should be (N, D) and (M, D), N and M >= 2")
    means = first.mean(axis=0, dtype=np.float64) - second.mean(axis=0, dtype=np.float64)
    one, two = (np.atleast_2d(np.cov(x, rowvar=False, dtype=np.float64)) for x in (first, second))
    # trace((C1 C2)^(1/2)) is the sum of the roots of the eigenvalues of C1^(1/2) C2 C1^(1/2), which is symmetric.
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    product = np.sqrt(np.linalg.eigvalsh(root @ two @ root).clip(0)).sum()
    return max(0.0, float(means @ means + np.trace(one) + np.trace(two) - 2 * product))
