"""Forced alignment: the most probable CTC path that says given units.

Source: Graves et al. 2006, "Connectionist temporal classification", section 4.1, the recursion over units with blanks
    between them, with max in the place of the sum; the same path as `torchaudio.functional.forced_align`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speechnar.decode.greedy import Alignment
from speechnar.decode.result import DecodeError


def align(log_probs: np.ndarray, tokens: Sequence[int], blank_id: int) -> Alignment:
    """Finds the frames of units. A frame's work is one step over all units at once.

    Args:
        log_probs: (T, V) natural logarithms.
        tokens: N unit ids without blanks, N from 0.

    Raises:
        DecodeError: the frames are too few for the units and the blanks that equal neighbors need.
    """
    n_frames = len(log_probs)
    states = np.full(2 * len(tokens) + 1, blank_id)  # blank, unit, blank, unit, ..., blank
    states[1::2] = tokens
    needed = len(tokens) + int(np.sum(states[3::2] == states[1:-2:2]))
    if n_frames < needed:
        raise DecodeError(f"{n_frames} frames are too few for {len(tokens)} units, which need {needed}")
    if not n_frames:
        return Alignment.of_path(states[:0], log_probs, blank_id)

    skip = np.full(len(states), -np.inf)  # what it costs to leave out the blank before a unit
    skip[3::2][states[3::2] != states[1:-2:2]] = 0.0  # nothing, if the unit before it is another
    scores = log_probs[:, states].astype(np.float64)
    padded = np.full(len(states) + 2, -np.inf)
    two, one, best = padded[:-2], padded[1:-1], padded[2:]  # views: of two states back, one back, the same
    best[:2] = scores[0, :2]
    came = np.zeros((n_frames, len(states)), dtype=np.int8)  # how many states back
    for frame in range(1, n_frames):
        skipping = two + skip
        reached = np.maximum(best, one)
        came[frame] = np.where(skipping > reached, 2, one > best)
        best[:] = np.maximum(reached, skipping) + scores[frame]

    path = np.empty(n_frames, dtype=np.int64)
    state = len(states) - 1
    if len(states) > 1 and best[-2] > best[-1]:
        state -= 1
    for frame in range(n_frames - 1, -1, -1):
        path[frame] = states[state]
        state -= int(came[frame, state])
    return Alignment.of_path(path, log_probs, blank_id)
