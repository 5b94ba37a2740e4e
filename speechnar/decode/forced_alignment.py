"""The CTC lattice of a text: its most probable path (forced alignment), and the sum of all its paths.

    states of "a b b"   _ a _ b _ b _      a path stays, goes on by one state, or skips a blank between unlike tokens

Source: Graves et al. 2006, "Connectionist temporal classification", section 4.1, the forward recursion; with a maximum
    in place of the sum it finds the path that `torchaudio.functional.forced_align` finds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speechnar.decode.greedy import Alignment
from speechnar.decode.result import DecodeError

TINY = np.finfo(np.float64).tiny
UNSCALED = 4  # frames until the probabilities of paths are scaled again: of float32, these are then 1e-180 or more


def align(log_probs: np.ndarray, tokens: Sequence[int], blank_id: int) -> Alignment:
    """Find the frames of tokens. The work of a frame is one step over all tokens at once.

    Args:
        log_probs: (T, V) natural logarithms.
        tokens: N ids without blanks, N from 0.

    Raises:
        DecodeError: there are fewer frames than the tokens, and the blanks between equal neighbors, need.
    """
    n_frames = len(log_probs)
    states, skip = _lattice(tokens, blank_id)
    needed = len(tokens) + int(np.sum(states[3::2] == states[1:-2:2]))
    if n_frames < needed:
        raise DecodeError(f"{n_frames} frames are too few for {len(tokens)} tokens, which need {needed}")
    if not n_frames:
        return Alignment.of_path(states[:0], log_probs, blank_id)

    best = np.full((n_frames, len(states) + 2), -np.inf)  # of the paths to each state, behind two that are none
    best[0, 2:4] = log_probs[0, states[:2]]
    best[1:, 2:] = log_probs[1:, states]
    reached = np.empty(len(states))
    for before, after in zip(best, best[1:]):
        np.add(before[:-2], skip, out=reached)
        np.maximum(reached, before[1:-1], out=reached)
        np.maximum(reached, before[2:], out=reached)
        after[2:] += reached

    path = np.empty(n_frames, dtype=np.int64)
    state = len(states) - 1
    if len(states) > 1 and best[-1, -2] > best[-1, -1]:
        state -= 1
    path[-1] = states[state]
    for frame in range(n_frames - 2, -1, -1):
        two_back, one_back, here = best[frame, state : state + 3]
        state -= 2 if two_back + skip[state] > max(here, one_back) else int(one_back > here)
        path[frame] = states[state]
    return Alignment.of_path(path, log_probs, blank_id)


def total_log_probs(
    log_probs: np.ndarray,
    texts: Sequence[Sequence[int]],
    blank_id: int,
    spans: Sequence[tuple[int, int]] | None = None,
) -> np.ndarray:
    """Return the natural log-probability of each text, the sum over all its paths; -inf where there is none.

    Args:
        log_probs: (T, V) float32 natural logarithms, T from 1; those below -103 count as impossible.
        texts: ids without blanks, of any lengths.
        spans: the first frame of each text, and the one after its last; by default, all frames.
    """
    starts, ends = np.array([(0, len(log_probs))] * len(texts) if spans is None else spans).T
    lengths = np.array([len(text) for text in texts])
    tokens = np.full((lengths.max(), len(texts)), blank_id)
    for column, text in zip(tokens.T, texts):
        column[: len(text)] = text
    states = np.full((2 * len(tokens) + 1, len(texts)), blank_id)  # a row for each state: faster than a column
    states[1::2] = tokens
    skip = np.zeros(states.shape)
    skip[1:2] = 1.0
    skip[3::2] = tokens[1:] != tokens[:-1]
    probs = np.exp(log_probs).astype(np.float64)
    longest = int((ends - starts).max())
    frames = ends - longest + np.arange(longest)[:, None]  # of each step and text: all end at the same step
    rows = np.maximum(frames, 0) * probs.shape[1]
    padded = np.zeros((len(states) + 2, len(texts)))
    two_back, one_back, here = padded[:-2], padded[1:-1], padded[2:]
    log_scale, reached, places = np.zeros(len(texts)), np.empty(states.shape), np.empty(states.shape, np.int64)
    for n, (begins, row) in enumerate(zip(frames == starts, rows)):  # plain numbers: faster than logarithms
        padded[1] = begins  # a path begins with a blank or a token
        np.multiply(two_back, skip, out=reached)
        reached += one_back
        reached += here
        np.add(states, row, out=places)
        np.multiply(reached, probs.take(places), out=here)
        if n % UNSCALED == 0 or n == longest - 1:
            scale = here.max(axis=0)
            scale[scale < TINY] = 1.0
            here /= scale
            log_scale += np.log(scale)
    columns = np.arange(len(texts))
    total = here[2 * lengths, columns] + np.where(lengths > 0, here[2 * lengths - 1, columns], 0.0)
    return np.where(total > 0, np.log(np.maximum(total, TINY)) + log_scale, -np.inf)


def _lattice(tokens: Sequence[int], blank_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the states of a text, (2 N + 1,) ids: blank, token, blank, ..., blank; and the cost of skipping a blank.

    The cost, in nats, is that of entering each state from two states back: 0 between unlike tokens, else -inf.
    """
    states = np.full(2 * len(tokens) + 1, blank_id)
    states[1::2] = tokens
    skip = np.full(len(states), -np.inf)
    skip[3::2][states[3::2] != states[1:-2:2]] = 0.0
    return states, skip
