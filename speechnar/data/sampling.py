"""Group utterances into batches, and load batches ahead of time.

Lhotse's dynamic bucketing sees only ids and durations, so an epoch can be entered at any batch, and a batch be shared
out among processes, without reading the audio or the features of the others.
"""

from __future__ import annotations

import functools
import math
import queue
import random
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import numpy as np
from lhotse import MonoCut
from lhotse.dataset import DynamicBucketingSampler
from lhotse.dataset.sampling.dynamic_bucketing import estimate_duration_buckets

T = TypeVar("T")


def random_segments(
    rng: np.random.Generator, lengths: Mapping[str, int], n_frames: int, size: int
) -> Iterator[list[tuple[str, int]]]:
    """Yield batches of random segments, as many as cover the corpus once; longer utterances are drawn more often.

    Args:
        lengths: of each utterance, by its id.
        n_frames, size: length of a segment, and segments in a batch.

    Yields:
        (utterance, first frame) of each segment; the first frame is 0 where the utterance is shorter than a segment.
    """
    ids, frames = list(lengths), np.array(list(lengths.values()))
    for _ in range(max(1, int(frames.sum() // (n_frames * size)))):
        chosen = rng.choice(len(ids), size, p=frames / frames.sum())
        starts = rng.integers(0, np.maximum(frames[chosen] - n_frames, 0) + 1)
        yield [(ids[number], int(start)) for number, start in zip(chosen, starts)]


class BucketSampler:
    """Draw batches of utterances of similar length, which depend on `seed` and the epoch's number alone.

    No batch takes more than `max_duration` once it is padded to its longest utterance, but for a single utterance that
    is longer than that: it is a batch of its own, and said to be so on stderr.

    Args:
        seconds: of each utterance, by its id.
        max_duration: seconds of audio in a batch, padding included.
        num_buckets: groups of similar length from which batches are drawn.
        shuffle: a new order every epoch; without it always the same.
        seed: of the order.
    """

    def __init__(
        self, seconds: Mapping[str, float], max_duration: float, num_buckets: int, shuffle: bool, seed: int
    ) -> None:
        self._seconds = dict(seconds)
        self._cuts = [MonoCut(name, start=0, duration=d, channel=0) for name, d in seconds.items()]
        self.max_duration, self.shuffle, self.seed = max_duration, shuffle, seed
        num_buckets = min(num_buckets, len(self._cuts))
        bounds = estimate_duration_buckets(self._cuts, num_buckets) if num_buckets > 1 else []
        self._bounds = bounds or [math.inf]  # a few utterances of very different lengths have none
        longer = sorted((name for name, d in seconds.items() if d > max_duration), key=lambda n: -seconds[n])
        if longer:
            _say(
                f"speechnar: utterances that are longer than the {max_duration:g} s of a batch and make one each:"
                f" {len(longer)}, up to {longer[0]} with {seconds[longer[0]]:.1f} s"
            )

    def batch_ids(self, epoch: int) -> list[tuple[str, ...]]:
        """Return the utterances of each batch of an epoch; the same in every process."""
        sampler = DynamicBucketingSampler(
            self._cuts,
            max_duration=self.max_duration,
            duration_bins=self._bounds,
            shuffle=self.shuffle,
            seed=self.seed,
            world_size=1,
            rank=0,
            sync_buckets=True,  # False ends an epoch at the first empty bucket (Lhotse 1.33) and loses the rest
        )
        sampler.set_epoch(epoch)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "We have exceeded the max_duration")  # of one long cut: said above
            drawn = [tuple(cut.id for cut in cuts) for cuts in sampler]
        batches = [part for utt_ids in drawn for part in self._within_bound(utt_ids)]
        if self.shuffle:  # the sampler takes the buckets in the same order every epoch
            random.Random(f"{self.seed} {epoch}").shuffle(batches)
        return batches

    def _within_bound(self, utt_ids: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Return a batch, or parts of it where padding takes it over `max_duration`, which Lhotse does not count."""
        if len(utt_ids) * max(self._seconds[n] for n in utt_ids) <= self.max_duration:
            return [utt_ids]
        parts: list[list[str]] = [[]]
        for name in sorted(utt_ids, key=self._seconds.__getitem__):
            if parts[-1] and (len(parts[-1]) + 1) * self._seconds[name] > self.max_duration:
                parts.append([])
            parts[-1].append(name)
        return [tuple(part) for part in parts]


@functools.cache
def _say(line: str) -> None:
    """Print a line on stderr, once in a process."""
    print(line, file=sys.stderr)


def prefetch(items: Iterable[T], count: int = 2) -> Iterator[T]:
    """Yield the items of an iterable that a thread runs through, `count` items ahead."""
    made: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(count)
    closed = threading.Event()

    def put(item: T | None, error: BaseException | None) -> None:
        while not closed.is_set():
            try:
                return made.put((item, error), timeout=0.1)
            except queue.Full:
                continue

    def run() -> None:
        try:
            for item in items:
                put(item, None)
                if closed.is_set():
                    return
            put(None, StopIteration())
        except BaseException as error:  # raised again where the batch was asked for
            put(None, error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        closed.set()
        thread.join()  # a thread that is inside torch when Python exits aborts the process
