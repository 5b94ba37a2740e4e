"""Long audio in windows, and what a model makes of them in pieces.

    window 1    |-----------------------|               ends where it is quiet, if it is, and the model hears a pause
    window 2                            |----------------------------|   which may be earlier: no more of it is used
    window 3                                                   |------------------- where it hears none, the next
    pieces      [=======================][=====================][============       window hears its last seconds too,
                                                                                    and they are joined
    the rest, once it is no longer than a window and a half, is the last one

Each piece begins with a word and ends with one, so that pieces can be decoded one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from speechnar.decode.units import Units

SMOOTHING = 5  # frames; a pause is longer than the blanks within a word
FLOOR = -50.0  # below it one improbable blank is as bad as another
QUIET = 0.05  # of the mean power of a window: what is louder is no pause
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


@dataclass(frozen=True)
class WindowSizes:
    """In frames of `frame` samples.

    Attributes:
        window: what is heard at once, at most, but for the end of the audio, of which half as much more is.
        overlap: what a window hears of the one before it, if that has no pause; at most half of a window.
        pause: blanks between two words that make a pause.
    """

    frame: int
    window: int
    overlap: int
    pause: int

    @property
    def last(self) -> int:
        """The longest rest that is heard at once: better than to cut a sentence and hear a bit of it by itself."""
        return 3 * self.window // 2


def pieces(
    blocks: Iterable[np.ndarray], hear: Callable[[np.ndarray], Heard], sizes: WindowSizes, units: Units
) -> Iterator[tuple[int, Heard]]:
    """Hears a stream of samples.

    Args:
        hear: what the model makes of (T_wav,) samples, a frame for each `sizes.frame` of them or part of one.

    Yields:
        The first frame's place in the stream, and a piece of each window; together they are all of it.
    """
    stream, held, more = iter(blocks), np.empty(0, np.float32), True
    begin, earlier = 0, None
    while True:
        while more and len(held) <= sizes.last * sizes.frame:
            block = next(stream, None)
            more = block is not None
            held = np.concatenate([held, block]) if block is not None else held
        is_last = len(held) <= sizes.last * sizes.frame
        size = sizes.last if is_last else _quiet_end(held, sizes)
        heard = hear(held[: size * sizes.frame])
        at = 0
        if earlier is not None:
            start, before = earlier
            overlap = before.log_probs[begin - start :]
            at = quietest(overlap, heard.log_probs[: len(overlap)], units)
            yield start, before.part(0, begin - start + at)
        if is_last:
            yield begin + at, heard.part(at)
            return
        cut = _last_pause(heard, sizes, units, is_quiet=size < sizes.window)
        if cut is None:
            cut, earlier = len(heard) - sizes.overlap, (begin + at, heard.part(at))
        else:
            earlier = None
            yield begin + at, heard.part(at, cut if cut < len(heard) else None)
        held = held[cut * sizes.frame :]
        begin += cut


def _quiet_end(wav: np.ndarray, sizes: WindowSizes) -> int:
    """The size of a window in frames: to amid the quietest stretch of its last third, if that is quiet, else all."""
    frames = wav[: sizes.window * sizes.frame].reshape(-1, sizes.frame)
    power = np.square(frames).mean(axis=1)
    first = 2 * sizes.window // 3
    loudest = np.lib.stride_tricks.sliding_window_view(power[first:], sizes.pause).max(axis=1)
    quietest_one = int(np.argmin(loudest))
    is_quiet = loudest[quietest_one] < QUIET * power.mean()
    return first + quietest_one + sizes.pause // 2 if is_quiet else sizes.window


def _last_pause(heard: Heard, sizes: WindowSizes, units: Units, is_quiet: bool) -> int | None:
    """Where to cut a window: at its end, if that is quiet and a pause has begun; else half a pause before the end of
    its last one, if that is in its second half.
    """
    silent = _between_words(heard.log_probs, units)
    if is_quiet and silent[-(sizes.pause // 2) :].all():
        return len(heard)
    edges = np.flatnonzero(np.diff(silent, prepend=False, append=False)).reshape(-1, 2)
    ends = edges[edges[:, 1] - edges[:, 0] >= sizes.pause, 1]
    cut = int(ends.max(initial=0)) - sizes.pause // 2
    return cut if cut >= sizes.window // 2 else None


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
