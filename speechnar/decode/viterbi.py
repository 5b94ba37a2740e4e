"""Forced alignment: the most probable CTC path that says given units.

Source: Graves et al. 2006, "Connectionist temporal classification", section 4.1, the recursion over units with blanks
    between them, with max in the place of the sum; the same path as `torchaudio.functional.forced_align`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speechnar.decode.ctc import Alignment
from speechnar.decode.result import DecodeError


def align(log_probs: np.ndarray, tokens: Sequence[int], blank_id: int) -> Alignment:
    """Finds the frames of units. A frame's work is one step over all units at once.

    Args:
        log_probs: (T, V) natural logarithms.
        tokens: N unit ids without blanks, N from 0.

    Raises:
        DecodeError: the frames are too few for the units and the blanks that equal neighbours need.
    """
    n_frames = len(log_probs)
    states = np.full(2 * len(tokens) + 1, blank_id)  # blank, unit, blank, unit, ..., blank
    states[1::2] = tokens
    needed = len(tokens) + int(np.sum(states[3::2] == states[1:-2:2]))
    if n_frames < needed:
        raise DecodeError(f"{n_frames} frames are too few for {len(tokens)} units, which need {needed}")
    if not n_frames:
        return Alignment.of_path(states[:0], log_probs, blank_id)

    may_skip = np.zeros(len(states), dtype=bool)  # the blank before a unit, if the unit before it is another
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    best = np.full(len(states), -np.inf)
    best[:2] = log_probs[0, states[:2]]
    came = np.zeros((n_frames, len(states)), dtype=np.int8)  # how many states back
    for frame in range(1, n_frames):
        one = np.concatenate(([-np.inf], best[:-1]))
        two = np.where(may_skip, np.concatenate(([-np.inf, -np.inf], best))[: len(states)], -np.inf)
        choices = np.stack((best, one, two))
        came[frame] = choices.argmax(axis=0)
        best = choices.max(axis=0) + log_probs[frame, states]

    path = np.empty(n_frames, dtype=np.int64)
    state = len(states) - 1
    if len(states) > 1 and best[-2] > best[-1]:
        state -= 1
    for frame in range(n_frames - 1, -1, -1):
        path[frame] = states[state]
        state -= int(came[frame, state])
    return Alignment.of_path(path, log_probs, blank_id)
