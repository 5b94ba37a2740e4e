"""Draw batches of similar length from cached features."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.data.batch import SpeechBatch, Utterance, collate
from speechnar.data.features import DataError, FeatureStats, load_utterance
from speechnar.data.manifest import load_cuts
from speechnar.data.sampling import BucketSampler, prefetch
from speechnar.text.symbols import SymbolTable


class SpeechData:
    """Hold the utterances of one manifest, with the features that `compute_features` made.

    Features are read when first needed and kept in memory (about 100 MB for an hour of speech at 24 kHz for mel and
    170 MB for audio). Batches depend on `seed` and the epoch's number alone.

    Args:
        cuts_path: a Lhotse manifest, `cuts.jsonl.gz`.
        features_dir: the folder that `compute_features` filled.
        max_duration: seconds of audio in a batch, at most.
        num_buckets: groups of similar length from which batches are drawn.
        shuffle: a new order every epoch; without it always the same.
        seed: of the order.
        aligned: whether batches need durations.

    Attributes:
        utt_ids: the manifest's utterances, in its order.
        audio, symbols, stats: as the features were made.
        speakers: the names of those of the training set, where there are several; else ().

    Raises:
        DataError: manifest or features are missing, or an utterance's speaker is none of the training set's.
    """

    def __init__(
        self,
        cuts_path: str | Path,
        features_dir: str | Path,
        max_duration: float = 75.0,
        num_buckets: int = 10,
        shuffle: bool = True,
        seed: int = 0,
        aligned: bool = True,
    ) -> None:
        self.aligned = aligned
        self.features_dir = Path(features_dir)
        if not (self.features_dir / "stats.json").exists():
            raise DataError(f"there are no finished features in {features_dir}: run the features stage")
        self.audio = config_files.load(AudioConfig, self.features_dir / "audio.json")
        self.symbols = SymbolTable.load(self.features_dir / "tokens.txt")
        self.stats = config_files.load(FeatureStats, self.features_dir / "stats.json")
        self.speakers = tuple(self.stats.speakers)
        seconds, self._speaker = {}, {}
        for cut in load_cuts(Path(cuts_path)):  # the rest is in the features
            seconds[cut.id] = cut.duration
            if self.speakers:
                name = cut.supervisions[0].speaker if cut.supervisions else None
                if name not in self.speakers:
                    known = ", ".join(self.speakers)
                    raise DataError(f"utterance {cut.id} is of the speaker {name!r}, the training set has {known}")
                self._speaker[cut.id] = self.speakers.index(name)
        self.utt_ids = tuple(seconds)
        self._sampler = BucketSampler(seconds, max_duration, num_buckets, shuffle, seed)
        self._utterances: dict[str, Utterance] = {}

    def __len__(self) -> int:
        return len(self.utt_ids)

    def __getitem__(self, utt_id: str) -> Utterance:
        """Return the features of one utterance.

        Raises:
            DataError: they have not been computed.
        """
        if utt_id not in self._utterances:
            utterance = load_utterance(self.features_dir, utt_id)
            self._utterances[utt_id] = dataclasses.replace(utterance, speaker=self._speaker.get(utt_id, 0))
        return self._utterances[utt_id]

    def batch_ids(self, epoch: int) -> list[tuple[str, ...]]:
        """Return the utterances of each batch of an epoch."""
        return self._sampler.batch_ids(epoch)

    def epoch(self, epoch: int) -> Iterator[SpeechBatch]:
        """Yield the batches of an epoch, prefetched by a thread."""
        return prefetch(map(self.batch, self.batch_ids(epoch)))

    def batch(self, utt_ids: Sequence[str]) -> SpeechBatch:
        """Return these utterances, in this order.

        Raises:
            DataError: features of an utterance are missing or broken, or it has no durations.
        """
        utterances = [self[utt_id] for utt_id in utt_ids]
        for utterance in utterances:
            if self.aligned and not utterance.durations.any():
                cure = "align the corpus and run the features stage, or train the aligner with it (train joint)"
                raise DataError(f"utterance {utterance.utt_id} has no durations: {cure}")
        return collate(utterances, self.symbols.pad_id)
