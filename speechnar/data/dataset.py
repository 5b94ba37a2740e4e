"""Draws batches of similar length from cached features.

Lhotse's dynamic bucketing decides which utterances make a batch; it sees only ids and durations, so an epoch can be
entered at any batch without reading the features of those before.
"""

from __future__ import annotations

import math
import queue
import random
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from lhotse import CutSet, MonoCut
from lhotse.dataset import DynamicBucketingSampler

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.data.batch import SpeechBatch, Utterance, collate
from speechnar.data.features import DataError, FeatureStats, load_utterance
from speechnar.text.symbols import SymbolTable

T = TypeVar("T")


class SpeechData:
    """The utterances of one manifest, with the features that `compute_features` made.

    Features are read when first needed and kept in memory (about 100 MB for an hour of speech at 24 kHz for mel and
    170 MB for audio). Batches depend on `seed` and the epoch's number alone.

    Args:
        cuts_path: a Lhotse manifest, `cuts.jsonl.gz`.
        features_dir: the folder that `compute_features` filled.
        max_duration: seconds of audio in a batch, at most.
        num_buckets: groups of similar length from which batches are drawn.
        shuffle: a new order every epoch, and under torchrun each process draws its share of the batches; without it
            every process draws all, always in the same order.
        seed: of the order.
        prefetch: batches made ahead in a thread; 0 makes each when it is asked for.

    Attributes:
        utt_ids: the manifest's utterances, in its order.
        audio, symbols, stats: as the features were made.
    """

    def __init__(
        self,
        cuts_path: str | Path,
        features_dir: str | Path,
        max_duration: float = 75.0,
        num_buckets: int = 10,
        shuffle: bool = True,
        seed: int = 0,
        prefetch: int = 2,
    ) -> None:
        self.features_dir = Path(features_dir)
        if not Path(cuts_path).exists():
            raise DataError(f"there is no manifest at {cuts_path}: run the stage that prepares the data")
        if not (self.features_dir / "stats.json").exists():
            raise DataError(f"there are no finished features in {features_dir}: run the features stage")
        self.audio = config_files.load(AudioConfig, self.features_dir / "audio.json")
        self.symbols = SymbolTable.load(self.features_dir / "tokens.txt")
        self.stats = config_files.load(FeatureStats, self.features_dir / "stats.json")
        # Only name and duration of each cut are kept: phones and F0 are in the features. The name is kept apart from
        # the id, which the sampler changes where it gives an utterance twice to fill the last batch of a process.
        cuts = {cut.id: cut.duration for cut in CutSet.from_file(cuts_path)}
        if not cuts:
            raise DataError(f"{cuts_path} holds no utterances")
        self.utt_ids = tuple(cuts)
        self._cuts = [MonoCut(n, start=0, duration=d, channel=0, custom={"utt_id": n}) for n, d in cuts.items()]
        self.max_duration, self.num_buckets, self.shuffle, self.seed = max_duration, num_buckets, shuffle, seed
        self.prefetch = prefetch
        self._utterances: dict[str, Utterance] = {}

    def __len__(self) -> int:
        return len(self.utt_ids)

    def __getitem__(self, utt_id: str) -> Utterance:
        """The features of one utterance.

        Raises:
            DataError: they have not been computed.
        """
        if utt_id not in self._utterances:
            self._utterances[utt_id] = load_utterance(self.features_dir, utt_id)
        return self._utterances[utt_id]

    def batch_ids(self, epoch: int) -> list[tuple[str, ...]]:
        """The utterances of each batch of an epoch."""
        buckets = min(self.num_buckets, len(self))
        sampler = DynamicBucketingSampler(
            self._cuts,
            max_duration=self.max_duration,
            num_buckets=buckets,
            duration_bins=[math.inf] if buckets < 2 else None,
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

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[SpeechBatch]:
        """The batches of an epoch, but for the first `skip`.

        Raises:
            DataError: features of an utterance are missing or broken.
        """
        ids = self.batch_ids(epoch)[skip:]
        batches = (collate([self[utt_id] for utt_id in these], self.symbols.pad_id) for these in ids)
        return _ahead(batches, self.prefetch) if self.prefetch else batches


def _ahead(items: Iterable[T], count: int) -> Iterator[T]:
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
