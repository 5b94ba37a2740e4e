"""Overlapping decoding: texts that were cut anywhere come back whole."""

from __future__ import annotations

import random

import pytest

from speechnar.decode.overlap import Segment, aligned, merged


def cut(tokens: list[int], times: list[float], start: float, end: float, shift: float = 0.0) -> Segment:
    inside = [(token, time + shift) for token, time in zip(tokens, times) if start <= time < end]
    return Segment(tuple(t for t, _ in inside), tuple(time for _, time in inside), start, end)


@pytest.mark.parametrize("symbols", [1, 2, 20])  # a single symbol repeated is the hardest: only times tell tokens apart
@pytest.mark.parametrize(("shift", "tolerance"), [(0.0, 2.0), (0.2, 0.45)])  # the shifts differ by 0.4 at most
def test_a_text_that_is_split_anywhere_comes_back(symbols: int, shift: float, tolerance: float) -> None:
    rng = random.Random(symbols)
    for _ in range(150):
        number = rng.randrange(1, 25)
        tokens = [rng.randrange(symbols) for _ in range(number)]
        times = sorted(rng.sample(range(40), number))
        segments, start, end = [], 0, rng.randrange(8, 16)
        while True:
            segments.append(cut(tokens, times, start, end, shift * rng.choice((-1, 1))))
            if end >= 40:
                break
            start, end = rng.randrange(start + 1, end - 4), end + rng.randrange(2, 12)
        assert merged(segments, tolerance) == tokens


def test_errors_at_the_edges_are_left_out() -> None:
    left = Segment((1, 2, 3, 4, 9), (0, 2, 4, 6, 8), 0, 9)
    right = Segment((8, 3, 4, 5, 6), (2, 4, 6, 8, 10), 2, 12)
    assert aligned(left, right, 1.0) == [(2, 1), (3, 2)]
    assert merged([left, right], 1.0) == [1, 2, 3, 4, 5, 6]


def test_equal_tokens_of_another_time_are_no_pair() -> None:
    left = Segment((1, 7), (0, 3), 0, 8)
    right = Segment((7, 2), (7, 9), 2, 12)
    assert aligned(left, right, 1.0) == []
    assert merged([left, right], 1.0) == [1, 7, 7, 2]


def test_without_pairs_the_middle_divides() -> None:
    left, right = Segment((1, 2, 3), (0, 4, 6), 0, 8), Segment((5, 6, 7), (3, 6.5, 9), 2, 10)
    assert merged([left, right], 1.0) == [1, 2, 6, 7]
    assert merged([Segment((), (), 0, 4), right], 1.0) == [5, 6, 7]
    assert merged([left], 1.0) == [1, 2, 3]
