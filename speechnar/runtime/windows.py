"""Long audio in windows that overlap, and what a model makes of them joined in a pause.

    window 1    |---------------------------|
    window 2                         |---------------------------|
    joined      [======================][======================= and so on
                                     ^^^^^^^ overlap: joined at the quietest place of its middle half

Each joined piece begins with a word and ends with one, so that pieces can be decoded one by one. The edges of windows,
where the model lacks context, are thrown away, but for those of the recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from speechnar.decode.units import Units

SMOOTHING = 5  # frames; a pause is longer than the blanks within a word
FLOOR = -50.0  # below it one improbable blank is as bad as another
NOT_BETWEEN_WORDS = 4 * FLOOR  # what a word costs that would be cut in two


@dataclass(frozen=True, eq=False)
class Heard:
    """What a model makes of a stretch of audio.

    Attributes:
        log_probs: (T, V).
        memory: what a decoder reads, (layers * 2, heads, n * T or a little less, d_head), n to a frame; or None.
        per_frame: n.
    """

    log_probs: np.ndarray
    memory: np.ndarray | None = None
    per_frame: int = 1

    def __len__(self) -> int:
        return len(self.log_probs)

    def part(self, start: int, end: int | None = None) -> Heard:
        """The frames from `start` to before `end`."""
        n = self.per_frame
        memory = None if self.memory is None else self.memory[:, :, n * start : None if end is None else n * end]
        return Heard(self.log_probs[start:end], memory, n)


def windows(blocks: Iterable[np.ndarray], size: int, hop: int) -> Iterator[tuple[int, np.ndarray]]:
    """Cuts a stream of samples into windows of `size`, each `hop` after the one before; the last holds what is left.

    Yields:
        The first sample's place in the stream, and (T_wav,) samples: more than `size - hop` but in a lone window.
    """
    start, held = 0, np.empty(0, np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) > size:
            yield start, held[:size]
            start, held = start + hop, held[hop:]
    yield start, held


def joined(parts: Iterable[Heard], hop: int, units: Units) -> Iterator[tuple[int, Heard]]:
    """Joins what windows gave.

    Args:
        parts: of each window.
        hop: frames from a window's beginning to the next one's; at least half of a window's.

    Yields:
        The first frame's place in the recording, and a piece of each window, without overlap.
    """
    start, held = 0, None  # what is not yet given out, and the place where it begins
    for n, part in enumerate(parts):
        if held is None:
            held = part
            continue
        overlap = held.log_probs[n * hop - start :]
        at = quietest(overlap, part.log_probs[: len(overlap)], units)
        yield start, held.part(0, n * hop - start + at)
        start, held = n * hop + at, part.part(at)
    if held is not None:
        yield start, held


def stretches(heard: Heard, units: Units, longest: int, pause: int) -> Iterator[tuple[int, Heard]]:
    """Cuts what is longer than a decoder reads well, at its longest pause between words, and so on with the parts.

    Args:
        longest: frames that need no cut.
        pause: frames of blanks that a pause has at least; where there is none, nothing is cut.

    Yields:
        The first frame's place in `heard`, and a stretch that begins and ends between words.
    """
    silent = _between_words(heard.log_probs, units)
    edges = np.flatnonzero(np.diff(silent, prepend=False, append=False)).reshape(-1, 2)
    inner = edges[(edges[:, 0] > 0) & (edges[:, 1] < len(heard))]
    sizes = inner[:, 1] - inner[:, 0]
    if len(heard) <= longest or not len(inner) or sizes.max() < pause:
        yield 0, heard
        return
    cut = int(inner[sizes.argmax()].mean())
    yield from stretches(heard.part(0, cut), units, longest, pause)
    for start, part in stretches(heard.part(cut), units, longest, pause):
        yield cut + start, part


def quietest(before: np.ndarray, after: np.ndarray, units: Units) -> int:
    """Where to go over from one window to the next: amid the likeliest blanks of both, if possible between two words.

    Args:
        before, after: (T, V) log-probabilities of the same frames, from either window.

    Returns:
        A frame of the middle half: the first to be taken from `after`.
    """
    blank = np.maximum(before[:, units.blank_id] + after[:, units.blank_id], FLOOR)
    quiet = np.convolve(blank, np.full(SMOOTHING, 1 / SMOOTHING), "same")
    quiet[~(_between_words(before, units) & _between_words(after, units))] += NOT_BETWEEN_WORDS
    margin = len(quiet) // 4
    return margin + int(np.argmax(quiet[margin : len(quiet) - margin]))


def _between_words(log_probs: np.ndarray, units: Units) -> np.ndarray:
    """(T,) bool: the best path has a blank here, and the next thing that it has begins a word."""
    path = log_probs.argmax(axis=1)
    is_blank = path == units.blank_id
    following = np.minimum.accumulate(np.where(is_blank, len(path), np.arange(len(path)))[::-1])[::-1]
    begins = np.append(np.array(units.begins_word)[path], True)
    return is_blank & begins[following]
