"""Forced alignment and the probability of a text, against every path there is."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from speechnar.decode.forced_alignment import align, total_log_probs
from speechnar.decode.result import DecodeError

BLANK = 1


def random_log_probs(n_frames: int, n_tokens: int, seed: int = 0) -> np.ndarray:
    logits = 2 * np.random.default_rng(seed).standard_normal((n_frames, n_tokens))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def said(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token != BLANK)


@pytest.mark.parametrize("tokens", [(), (0,), (2, 0), (2, 2), (0, 2, 0), (2, 2, 0), (2, 2, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_all_paths_is_found(tokens: tuple[int, ...], seed: int) -> None:
    log_probs = random_log_probs(6, 3, seed)
    paths = [path for path in itertools.product(range(3), repeat=6) if said(path) == tokens]
    scores = [log_probs[range(6), path].sum() for path in paths]
    found = align(log_probs, tokens, BLANK)
    assert found.score == pytest.approx(max(scores))
    assert tuple(found.tokens) == tokens

    best = paths[int(np.argmax(scores))]
    runs = [(token, [n for n, _ in run]) for token, run in itertools.groupby(enumerate(best), lambda item: item[1])]
    frames = [run for token, run in runs if token != BLANK]
    assert found.starts.tolist() == [run[0] for run in frames]
    assert found.ends.tolist() == [run[-1] + 1 for run in frames]
    peaks = [max(log_probs[n, token] for n in run) for run, token in zip(frames, tokens)]
    assert found.confidences == pytest.approx(np.exp(peaks))


@pytest.mark.parametrize("seed", range(4))
def test_the_total_is_that_of_all_paths(seed: int) -> None:
    log_probs = random_log_probs(5, 3, seed)
    texts = [(), (0,), (2, 0), (2, 2), (0, 2, 0), (2, 2, 2), (0, 2, 0, 2, 0, 2)]
    totals: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(3), repeat=5):
        totals[said(path)] = totals.get(said(path), 0.0) + float(np.exp(log_probs[range(5), path].sum()))
    expected = [math.log(totals[text]) if text in totals else -math.inf for text in texts]
    assert total_log_probs(log_probs, texts, BLANK).tolist() == pytest.approx(expected)


def test_texts_of_different_frames_are_summed_as_if_alone() -> None:
    log_probs = random_log_probs(7, 3)
    texts = [(0, 2), (), (2,), (2, 2, 0), (0,), (2, 2)]
    spans = [(0, 7), (2, 4), (6, 7), (1, 6), (3, 5), (2, 4)]
    expected = [total_log_probs(log_probs[start:end], [text], BLANK)[0] for text, (start, end) in zip(texts, spans)]
    assert total_log_probs(log_probs, texts, BLANK, spans).tolist() == pytest.approx(expected)


def test_equal_neighbors_need_a_frame_between_them() -> None:
    assert align(random_log_probs(3, 3), [2, 2], BLANK).ends.tolist() == [1, 3]
    with pytest.raises(DecodeError, match="2 frames.*2 tokens, which need 3"):
        align(random_log_probs(2, 3), [2, 2], BLANK)


def test_many_units_are_found_where_they_are_likely() -> None:
    tokens = np.random.default_rng(0).choice([0, 2], size=300)
    log_probs = np.full((900, 3), -5.0)
    log_probs[1::3, :] = -9.0
    log_probs[np.arange(1, 900, 3), tokens] = -0.01
    log_probs[0::3, BLANK] = log_probs[2::3, BLANK] = -0.01
    found = align(log_probs, tokens.tolist(), BLANK)
    assert found.starts.tolist() == list(range(1, 900, 3))
    assert found.tokens.tolist() == tokens.tolist()


def test_no_frames_say_nothing() -> None:
    assert len(align(np.zeros((0, 3)), [], BLANK).tokens) == 0
