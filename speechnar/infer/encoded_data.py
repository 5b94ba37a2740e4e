"""Draw batches of cached encoder states and token ids, for recognizers whose encoder is frozen.

The counterpart of `speechnar.data.transcribed`, with states in place of samples: both are used alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from speechnar.data.manifest import DataError
from speechnar.data.sampling import BucketSampler, prefetch
from speechnar.data.transcribed import TranscribedBatch, load_symbols, token_ids
from speechnar.infer.encoder_cache import EncoderCache


class EncodedData:
    """Hold the utterances of caches. Batches depend on `seed` and the epoch's number alone.

    Args:
        cuts_paths: manifests of caches (`speechnar encode`), of the same utterances in one or more variants. An epoch
            has every utterance once, in a variant drawn at random.
        tokenizer_dir, max_duration, num_buckets, shuffle, seed: as `TranscribedData` takes them.

    Attributes:
        symbols: the tokenizer.
        d_states: the width of a state.
        texts: transcripts by utterance id, in the first manifest's order.

    Raises:
        DataError: a cache is missing or damaged, the caches' states differ in width, or a text has no known character.
    """

    def __init__(
        self,
        cuts_paths: Sequence[Path],
        tokenizer_dir: Path,
        max_duration: float = 75.0,
        num_buckets: int = 10,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        self.symbols = load_symbols(tokenizer_dir)
        self._caches = [EncoderCache(path) for path in cuts_paths]
        self.d_states = self._caches[0].d_states
        for path, cache in zip(cuts_paths, self._caches):
            if cache.d_states != self.d_states:
                raise DataError(
                    f"{path} has states of width {cache.d_states}, and {cuts_paths[0]} of width {self.d_states}: make"
                    " both with one encoder"
                )
        self._places = [{u.utt_id: n for n, u in enumerate(cache.utterances)} for cache in self._caches]
        self.texts = {u.utt_id: u.text for cache in self._caches[::-1] for u in cache.utterances}
        self._tokens = token_ids(self.texts, self.symbols, f"the cache {cuts_paths[0]}", tokenizer_dir)
        self._max_duration, self._num_buckets, self._shuffle, self._seed = max_duration, num_buckets, shuffle, seed

    def __len__(self) -> int:
        return len(self.texts)

    def batch(self, items: Sequence[tuple[str, int]]) -> TranscribedBatch:
        """Return utterances, each in the variant that is given by number."""
        states = [self.states(*item) for item in items]
        tokens = [self._tokens[utt_id] for utt_id, _ in items]
        return TranscribedBatch.of([utt_id for utt_id, _ in items], states, tokens, self.symbols.pad_id)

    def states(self, utt_id: str, variant: int = 0) -> Tensor:
        """Return the states (T, d_states) of an utterance."""
        place = self._places[variant][utt_id]
        return self._caches[variant].states(range(place, place + 1))

    def given(self, utt_id: str) -> Tensor:
        """Return what the encoder is given for an utterance: its states in the first variant that has it."""
        return self.states(utt_id, next(n for n, places in enumerate(self._places) if utt_id in places))

    def batch_ids(self, epoch: int) -> list[tuple[tuple[str, int], ...]]:
        """Return the utterances of each batch of an epoch, and their variants."""
        rng = np.random.default_rng((self._seed, epoch))
        drawn, seconds = {}, {}
        for utt_id in self.texts:
            having = [n for n, places in enumerate(self._places) if utt_id in places]
            drawn[utt_id] = variant = int(rng.choice(having)) if self._shuffle else having[0]
            cache = self._caches[variant]
            utterance = cache.utterances[self._places[variant][utt_id]]
            seconds[utt_id] = (utterance.end - utterance.start) / cache.rate
        sampler = BucketSampler(seconds, self._max_duration, self._num_buckets, self._shuffle, self._seed)
        return [tuple((utt_id, drawn[utt_id]) for utt_id in batch) for batch in sampler.batch_ids(epoch)]

    def epoch(self, epoch: int) -> Iterator[TranscribedBatch]:
        """Yield the batches of an epoch, prefetched by a thread."""
        return prefetch(map(self.batch, self.batch_ids(epoch)))
