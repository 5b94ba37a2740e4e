"""Encode long audio in windows, and join what the encoder returns to segments.

    window 1    |-----------------------|               ends where the audio is quiet, if that is a pause for the model
    window 2                            |----------------------------|   its last pause is earlier: the rest is unused
    window 3                                                   |------------------- a window without a pause shares its
    segments    [=======================][=====================][============       last seconds with the next window,
                                                                                    and the two are joined
    the rest of the audio, once it is no longer than a window and a half, is the last window

Each segment begins with a word and ends with a word, so that segments can be decoded one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from speechnar.text.symbols import Vocabulary

SMOOTHING = 5  # frames over which blanks are averaged: a pause is longer than the blanks within a word
FLOOR = -50.0  # nats; below it one improbable blank is as bad as another
QUIET = 0.05  # times the mean power of a window: what is louder is no pause
NOT_BETWEEN_WORDS = 4 * FLOOR  # nats, the cost of a cut within a word


@dataclass(frozen=True, eq=False)
class EncodedAudio:
    """The output of an encoder for a stretch of audio.

    Attributes:
        log_probs: (T, V) natural logarithms of CTC.
        memory: what a decoder hears, or is computed from: one array of encoder states, (1, n * T or a little less,
            d_model), or in older formats keys and values of each layer in turn, (heads, n * T, d_head); longer where
            silence was appended; None where there is no decoder.
        per_frame: n, the encoder states for each frame.
    """

    log_probs: np.ndarray
    memory: tuple[np.ndarray, ...] | None = None
    per_frame: int = 1

    def __len__(self) -> int:
        return len(self.log_probs)

    def part(self, start: int, end: int | None = None) -> EncodedAudio:
        """Return the frames from `start` to before `end`."""
        n = self.per_frame
        frames = slice(n * start, None if end is None else n * end)
        memory = None if self.memory is None else tuple(part[:, frames] for part in self.memory)
        return EncodedAudio(self.log_probs[start:end], memory, n)


@dataclass(frozen=True)
class WindowSizes:
    """Sizes in frames of `frame` samples.

    Attributes:
        window: frames that are encoded at once, at most; at the end of the audio, half as many more.
        overlap: frames that a window shares with the one before it, if that has no pause; at most half of a window.
        pause: number of blanks between two words that make a pause.
    """

    frame: int
    window: int
    overlap: int
    pause: int

    @property
    def last(self) -> int:
        """Return the longest rest that is encoded at once, so that no short end of a sentence stands by itself."""
        return 3 * self.window // 2


def segments(
    blocks: Iterable[np.ndarray],
    encode: Callable[[np.ndarray], EncodedAudio],
    sizes: WindowSizes,
    vocabulary: Vocabulary,
) -> Iterator[tuple[int, EncodedAudio]]:
    """Encode a stream of samples.

    Args:
        encode: encodes (T_wav,) samples, a frame for each `sizes.frame` of them or part of one.

    Yields:
        The place of a segment's first frame in the stream, and the segment; together the segments are the whole stream.
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
        encoder_out = encode(held[: size * sizes.frame])
        at = 0
        if earlier is not None:
            start, before = earlier
            overlap = before.log_probs[begin - start :]
            at = crossover_frame(overlap, encoder_out.log_probs[: len(overlap)], vocabulary)
            yield start, before.part(0, begin - start + at)
        if is_last:
            yield begin + at, encoder_out.part(at)
            return
        cut = _last_pause(encoder_out, sizes, vocabulary, is_quiet=size < sizes.window)
        if cut is None:
            cut, earlier = len(encoder_out) - sizes.overlap, (begin + at, encoder_out.part(at))
        else:
            earlier = None
            yield begin + at, encoder_out.part(at, cut if cut < len(encoder_out) else None)
        held = held[cut * sizes.frame :]
        begin += cut


def _quiet_end(wav: np.ndarray, sizes: WindowSizes) -> int:
    """Return the frames of a window: up to three quarters of the quietest stretch of its last third, if that is quiet.

    CTC writes the last token of a word a little after the word has ended: a window that ends in the middle of the
    stretch seems to end within a word more often, and is then cut at an earlier pause.
    """
    frames = wav[: sizes.window * sizes.frame].reshape(-1, sizes.frame)
    power = np.square(frames).mean(axis=1)
    first = 2 * sizes.window // 3
    loudest = np.lib.stride_tricks.sliding_window_view(power[first:], sizes.pause).max(axis=1)
    quietest = int(np.argmin(loudest))
    is_quiet = loudest[quietest] < QUIET * power.mean()
    return first + quietest + 3 * sizes.pause // 4 if is_quiet else sizes.window


def _last_pause(encoder_out: EncodedAudio, sizes: WindowSizes, vocabulary: Vocabulary, is_quiet: bool) -> int | None:
    """Return the frame at which to cut a window, or None if it has no pause in its second half.

    The frame is the end of the window, if it is quiet and a pause has begun there; else half a pause before the end of
    the window's last pause.
    """
    silent = _between_words(encoder_out.log_probs, vocabulary)
    if is_quiet and silent[-(sizes.pause // 2) :].all():
        return len(encoder_out)
    edges = np.flatnonzero(np.diff(silent, prepend=False, append=False)).reshape(-1, 2)
    ends = edges[edges[:, 1] - edges[:, 0] >= sizes.pause, 1]
    cut = int(ends.max(initial=0)) - sizes.pause // 2
    return cut if cut >= sizes.window // 2 else None


def crossover_frame(before: np.ndarray, after: np.ndarray, vocabulary: Vocabulary) -> int:
    """Return the frame at which one window gives way to the next: the first one to be taken from `after`.

    It is in the middle half, where both windows have the most probable blanks, if possible between two words.

    Args:
        before, after: (T, V) log-probabilities of the same frames, from the two windows.
    """
    blank = np.maximum(before[:, vocabulary.blank_id] + after[:, vocabulary.blank_id], FLOOR)
    quiet = np.convolve(blank, np.full(SMOOTHING, 1 / SMOOTHING), "same")
    quiet[~(_between_words(before, vocabulary) & _between_words(after, vocabulary))] += NOT_BETWEEN_WORDS
    margin = len(quiet) // 4
    return margin + int(np.argmax(quiet[margin : len(quiet) - margin]))


def _between_words(log_probs: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Return (T,) bool: the best path has a blank at the frame, and its next token begins a word."""
    path = log_probs.argmax(axis=1)
    is_blank = path == vocabulary.blank_id
    following = np.minimum.accumulate(np.where(is_blank, len(path), np.arange(len(path)))[::-1])[::-1]
    begins = np.append(np.array(vocabulary.begins_word)[path], True)
    return is_blank & begins[following]
