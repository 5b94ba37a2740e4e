"""Forced alignment against every path there is, and against what training aligns with."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from speechnar.decode.forced_alignment import align
from speechnar.decode.result import DecodeError
from speechnar.nar.ctc import forced_alignment

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


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_the_alignment_that_training_has(seed: int) -> None:
    log_probs = random_log_probs(80, 12, seed)
    tokens = np.random.default_rng(seed).choice([n for n in range(12) if n != BLANK], size=25)
    given = (torch.from_numpy(log_probs)[None], torch.tensor([80]), torch.from_numpy(tokens)[None], torch.tensor([25]))
    places = forced_alignment(*given, BLANK)[0].tolist()
    found = align(log_probs, tokens.tolist(), BLANK)
    ours = [-1] * 80
    for place, (start, end) in enumerate(zip(found.starts, found.ends)):
        ours[start:end] = [place] * (end - start)
    assert ours == places


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
