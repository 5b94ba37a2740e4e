"""Greedy CTC decoding, and words from units that have a place in time.

Source: Graves et al. 2006, "Connectionist temporal classification", section 3.2, best path decoding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from speechnar.decode.result import DecodeError, Hypothesis, Word
from speechnar.decode.units import Units


@dataclass(frozen=True, eq=False)
class Alignment:
    """Units, each with the frames that it is said in; all arrays are (N,), in order of time.

    Attributes:
        tokens: int64 unit ids, without blanks.
        starts, ends: int64 first frame, and the frame after the last.
        confidences: in [0, 1], the largest probability of the unit in its frames.
        score: natural log-probability of the whole path, blanks included.
    """

    tokens: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    confidences: np.ndarray
    score: float

    @classmethod
    def of_path(cls, path: np.ndarray, log_probs: np.ndarray, blank_id: int) -> Alignment:
        """Merges repeats of a path, (T,) unit ids, and drops its blanks."""
        changes = np.flatnonzero(np.diff(path, prepend=-1))
        along = np.take_along_axis(log_probs, path[:, None], axis=1)[:, 0]
        peaks = np.exp(np.maximum.reduceat(along, changes)) if len(path) else along
        ends = np.append(changes[1:], len(path))[: len(changes)]
        kept = path[changes] != blank_id
        return cls(
            path[changes][kept], changes[kept], ends[kept], np.minimum(peaks[kept], 1.0), float(along.sum(dtype=float))
        )


def greedy(log_probs: np.ndarray, units: Units, frame_seconds: float) -> Hypothesis:
    """The words of the most probable path.

    Args:
        log_probs: (T, V) natural logarithms, T from 0; V is the number of units.
        frame_seconds: seconds from one frame to the next.

    Raises:
        DecodeError: the shape does not fit the units, or a value is not a number.
    """
    check(log_probs, units)
    alignment = Alignment.of_path(log_probs.argmax(axis=1), log_probs, units.blank_id)
    return Hypothesis(words(alignment, units, frame_seconds), alignment.score)


def words(alignment: Alignment, units: Units, frame_seconds: float) -> tuple[Word, ...]:
    """Joins units to words, each from its first unit's first frame to the end of its last unit.

    A unit that spells nothing, such as a `▁` that stands alone, divides words and is in none.
    """
    found: list[Word] = []
    text, first, last, confidence = "", 0, 0, 1.0

    def close() -> None:
        if text:
            found.append(Word(text, first * frame_seconds, last * frame_seconds, confidence))

    for token, start, end, sure in zip(
        alignment.tokens.tolist(), alignment.starts.tolist(), alignment.ends.tolist(), alignment.confidences.tolist()
    ):
        if units.begins_word[token]:
            close()
            text, confidence = "", 1.0
        if spelling := units.spellings[token]:
            first = first if text else start
            text, last, confidence = text + spelling, end, min(confidence, sure)
    close()
    return tuple(found)


def check(log_probs: np.ndarray, units: Units) -> None:
    """Raises DecodeError for anything but (T, V) log-probabilities of these units."""
    if log_probs.ndim != 2 or log_probs.shape[1] != len(units):
        raise DecodeError(f"log_probs have shape {log_probs.shape} but should be (frames, {len(units)} units)")
    if np.isnan(log_probs).any():
        raise DecodeError("log_probs hold values that are not numbers: is the audio finite?")
