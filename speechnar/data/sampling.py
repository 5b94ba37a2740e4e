"""Which utterances make a batch, and batches made ahead of time.

Lhotse's dynamic bucketing sees only ids and durations, so an epoch can be entered at any batch without reading the
audio or the features of those before.
"""

from __future__ import annotations

import math
import queue
import random
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from lhotse import MonoCut
from lhotse.dataset import DynamicBucketingSampler
from lhotse.dataset.sampling.dynamic_bucketing import estimate_duration_buckets

T = TypeVar("T")


class BucketSampler:
    """Batches of utterances of similar length, which depend on `seed` and the epoch's number alone.

    Args:
        seconds: of each utterance, by its id.
        max_duration: seconds of audio in a batch, at most.
        num_buckets: groups of similar length from which batches are drawn.
        shuffle: a new order every epoch, and under torchrun each process draws its share of the batches; without it
            every process draws all, always in the same order.
        seed: of the order.
    """

    def __init__(
        self, seconds: Mapping[str, float], max_duration: float, num_buckets: int, shuffle: bool, seed: int
    ) -> None:
        # The name is kept apart from the id, which the sampler changes where it gives an utterance twice to fill the
        # last batch of a process.
        self._cuts = [MonoCut(n, start=0, duration=d, channel=0, custom={"utt_id": n}) for n, d in seconds.items()]
        self.max_duration, self.shuffle, self.seed = max_duration, shuffle, seed
        num_buckets = min(num_buckets, len(self._cuts))
        bounds = estimate_duration_buckets(self._cuts, num_buckets) if num_buckets > 1 else []
        self._bounds = bounds or [math.inf]  # a few utterances of very different lengths have none

    def batch_ids(self, epoch: int) -> list[tuple[str, ...]]:
        """The utterances of each batch of an epoch."""
        sampler = DynamicBucketingSampler(
            self._cuts,
            max_duration=self.max_duration,
            duration_bins=self._bounds,
            shuffle=self.shuffle,
            seed=self.seed,
            world_size=None if self.shuffle else 1,
            rank=None if self.shuffle else 0,
            sync_buckets=True,  # False ends an epoch at the first empty bucket (Lhotse 1.33) and loses the rest
        )
        sampler.set_epoch(epoch)
        batches = [tuple(cut.utt_id for cut in cuts) for cuts in sampler]
        if self.shuffle:  # the sampler takes the buckets in the same order every epoch
            random.Random(f"{self.seed} {epoch}").shuffle(batches)
        return batches


def ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """Yields the items of an iterable that a thread runs through, `count` items ahead."""
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
