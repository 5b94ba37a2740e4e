"""Several lengths for each text, all decoded at once, and the choice among the results.

Source: length beam: Ghazvininejad et al. 2019, "Mask-Predict", section 4.3. Choice by an autoregressive model, noisy
    parallel decoding: Gu et al. 2018, section 4.2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from speechnar.decode.interface import AnyState


def likely_lengths(log_probs: np.ndarray, number: int) -> np.ndarray:
    """Return the most probable lengths (B, number) by their log-probabilities (B, L), the best first.

    A row with fewer possible lengths repeats its best one.
    """
    number = min(number, log_probs.shape[1])
    best = (-log_probs).argsort(axis=1, kind="stable")[:, :number]
    possible = np.isfinite(np.take_along_axis(log_probs, best, axis=1))
    lengths: np.ndarray = np.where(possible, best, best[:, :1])
    return lengths


def near_lengths(lengths: np.ndarray, longest: np.ndarray, number: int) -> np.ndarray:
    """Return the lengths (B, number) nearest to given ones (B,): n, n + 1, n - 1, n + 2 ...

    In place of a length below 1 or above `longest` (B,), and of all of them where n is 0, a row repeats n.
    """
    ranks = np.arange(number)
    near = lengths[:, None] + (ranks + 1) // 2 * np.where(ranks % 2, 1, -1)
    possible = (near >= 1) & (near <= longest[:, None]) & (lengths[:, None] > 0)
    found: np.ndarray = np.where(possible, near, lengths[:, None])
    return found


def best_candidates(state: AnyState, batch: int, scores: np.ndarray | None = None) -> AnyState:
    """Return the state with one of the candidates of each utterance.

    Args:
        state: of `batch` utterances with as many candidates each, those of an utterance in succession.
        scores: (rows,) of the candidates; by default the mean of their tokens' log-probabilities.
    """
    if len(state.tokens) == batch:
        return state
    if scores is None:
        real = np.arange(state.tokens.shape[1]) < state.token_lengths[:, None]
        scores = np.where(real, state.scores, 0.0).sum(axis=1) / np.maximum(state.token_lengths, 1)
    best = scores.reshape(batch, -1).argmax(axis=1) + np.arange(batch) * (len(state.tokens) // batch)
    return replace(state, tokens=state.tokens[best], token_lengths=state.token_lengths[best], scores=state.scores[best])
