"""Merge the texts of overlapping segments of speech: overlapping decoding.

A text is least certain at the edges of its segment, where words are cut. Two neighbors are aligned token by token where
they overlap, and the merged text goes over from one to the other at the aligned pair next to the middle.

Source: Wang et al. 2021, "Streaming End-to-End ASR based on Blockwise Non-Autoregressive Models", section 3.3 (dynamic
    mapping of overlapping inference); Chiu et al. 2019, "A comparison of end-to-end models for long-form speech
    recognition", section 3.2.
Differs: only equal tokens that lie at about the same time are a pair, so that repeated words are not taken for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Segment:
    """The text of a stretch of speech.

    Attributes:
        tokens: its tokens.
        times: the time of each token, ascending, in any unit.
        start, end: of the stretch, in the same unit.
    """

    tokens: tuple[int, ...]
    times: tuple[float, ...]
    start: float
    end: float


def merged(segments: Sequence[Segment], tolerance: float) -> list[int]:
    """Return the text of segments that follow one another, each with a later start and end than the one before.

    Args:
        tolerance: the most that the times of one token may differ in two segments, above 0.
    """
    whole = segments[0]
    for following in segments[1:]:
        whole = _joined(whole, following, tolerance)
    return list(whole.tokens)


def _joined(left: Segment, right: Segment, tolerance: float) -> Segment:
    middle = (right.start + left.end) / 2
    pairs = aligned(left, right, tolerance)
    if pairs:
        n, m = min(pairs, key=lambda pair: abs(left.times[pair[0]] + right.times[pair[1]] - 2 * middle))
    else:
        n = sum(time < middle for time in left.times)
        m = sum(time < middle for time in right.times)
    return Segment(left.tokens[:n] + right.tokens[m:], left.times[:n] + right.times[m:], left.start, right.end)


def aligned(left: Segment, right: Segment, tolerance: float) -> list[tuple[int, int]]:
    """Return the pairs of equal tokens of the alignment with the most of them, the nearest in time of equals.

    Returns:
        numbers of tokens of the left and of the right segment, both ascending.
    """
    first = sum(time < right.start - tolerance for time in left.times)
    last = sum(time <= left.end + tolerance for time in right.times)
    rows, columns = len(left.tokens) - first, last
    best = np.zeros((rows + 1, columns + 1))
    gains = np.full((rows, columns), -np.inf)
    for n in range(rows):
        for m in range(columns):
            apart = abs(left.times[first + n] - right.times[m])
            if left.tokens[first + n] == right.tokens[m] and apart <= tolerance:
                gains[n, m] = 1 - apart / (2 * tolerance)  # a pair is worth at least half of one without distance
            best[n + 1, m + 1] = max(best[n, m + 1], best[n + 1, m], best[n, m] + gains[n, m])
    pairs = []
    n, m = rows, columns
    while n and m:
        if best[n, m] == best[n - 1, m]:
            n -= 1
        elif best[n, m] == best[n, m - 1]:
            m -= 1
        else:
            n, m = n - 1, m - 1
            pairs.append((first + n, m))
    return pairs[::-1]
