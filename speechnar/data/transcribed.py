"""Draw batches of samples and token ids for recognizers, straight from the corpus's audio files.

Nothing is cached: features are computed where the model runs, from samples, which can so be sped up and made noisy.
Each cut of a manifest has one supervision with a text.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lhotse.cut import Cut
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from speechnar.data.batch import Batch
from speechnar.data.manifest import DataError, load_cuts, read_wav
from speechnar.data.sampling import BucketSampler, prefetch
from speechnar.text.tokenizer import Characters, load_tokenizer

SHOWN = 10
"""Unknown characters that a notice lists before it counts the rest."""


@dataclass(frozen=True)
class TranscribedBatch(Batch):
    """Utterances padded to the longest.

    Attributes:
        utt_ids: B names.
        given: what the encoder is given, padded with 0: samples (B, T_wav) float32 in [-1, 1], or cached states
            (B, T, d_states) float32.
        given_lengths: (B,) int64, samples or states.
        tokens: (B, T_text) int64, without `<s>` and `</s>`; padded with `<pad>`.
        token_lengths: (B,) int64.
    """

    utt_ids: tuple[str, ...]
    given: Tensor
    given_lengths: Tensor
    tokens: Tensor
    token_lengths: Tensor

    def __len__(self) -> int:
        return len(self.utt_ids)

    @classmethod
    def of(
        cls, utt_ids: Sequence[str], given: Sequence[Tensor], tokens: Sequence[Tensor], pad_id: int
    ) -> TranscribedBatch:
        """Pad what the encoder is given for each utterance, and its token ids."""
        return cls(
            tuple(utt_ids),
            pad_sequence(list(given), batch_first=True),
            torch.tensor([len(each) for each in given]),
            pad_sequence(list(tokens), batch_first=True, padding_value=pad_id),
            torch.tensor([len(each) for each in tokens]),
        )


def load_symbols(tokenizer_dir: Path) -> Characters:
    """Read the folder of a tokenizer.

    Raises:
        DataError: there is none.
    """
    if not (tokenizer_dir / "tokens.txt").exists():
        raise DataError(f"there is no tokenizer in {tokenizer_dir}: make it with `speechnar tokenizer`")
    return load_tokenizer(tokenizer_dir)


def token_ids(texts: Mapping[str, str], symbols: Characters, source: object, tokenizer_dir: Path) -> dict[str, Tensor]:
    """Return the token ids of texts by utterance id; name characters that the tokenizer lacks on stderr.

    Args:
        source: where the texts are from, as messages name it.

    Raises:
        DataError: a text has no known character.
    """
    found: dict[str, Tensor] = {}
    unknown: Counter[str] = Counter()
    for utt_id, text in texts.items():
        pieces = symbols.split(text)
        known = [symbols.ids[piece] for piece in pieces if piece in symbols.ids]
        unknown.update(piece for piece in pieces if piece not in symbols.ids)
        if not known:
            raise DataError(f"no character of utterance {utt_id} of {source} is in {tokenizer_dir}: {text!r}")
        found[utt_id] = torch.tensor(known)
    if unknown:
        shown = ", ".join(f"{piece!r} ({count})" for piece, count in unknown.most_common(SHOWN))
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        print(
            f"speechnar: {source} has characters that the tokenizer of {tokenizer_dir} lacks, which the model"
            f" cannot write and which count as errors: {shown}{more}",
            file=sys.stderr,
        )
    return found


def load_wav(cut: Cut, sample_rate: int) -> Tensor:
    """Return (T_wav,) float32, all channels mixed.

    Raises:
        DataError: it cannot be read.
    """
    return torch.from_numpy(read_wav(cut, sample_rate))


class TranscribedData:
    """Hold the utterances of one manifest. Batches depend on `seed` and the epoch's number alone.

    Characters of the transcripts that the tokenizer lacks are left out of `tokens`, and named on stderr.

    Args:
        cuts_path: a Lhotse manifest.
        tokenizer_dir: the folder that `train_tokenizer` filled.
        sample_rate: Hz; audio at another rate is resampled.
        max_duration, num_buckets, shuffle, seed: as `BucketSampler` takes them.

    Attributes:
        symbols: the tokenizer.
        texts: transcripts by utterance id, in the manifest's order.

    Raises:
        DataError: there is no manifest, it is empty, or a cut has no transcript, or none with a known character.
    """

    def __init__(
        self,
        cuts_path: Path,
        tokenizer_dir: Path,
        sample_rate: int,
        max_duration: float = 75.0,
        num_buckets: int = 10,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        self.sample_rate = sample_rate
        self.symbols = load_symbols(tokenizer_dir)
        self._cuts = {cut.id: cut for cut in load_cuts(cuts_path)}
        self.texts: dict[str, str] = {}
        for utt_id, cut in self._cuts.items():
            texts = [supervision.text for supervision in cut.supervisions]
            if len(texts) != 1 or not texts[0]:
                raise DataError(f"utterance {utt_id} of {cuts_path} should have one transcript but has {texts}")
            self.texts[utt_id] = texts[0]
        self._tokens = token_ids(self.texts, self.symbols, cuts_path, tokenizer_dir)
        seconds = {utt_id: cut.duration for utt_id, cut in self._cuts.items()}
        self._sampler = BucketSampler(seconds, max_duration, num_buckets, shuffle, seed)

    def __len__(self) -> int:
        return len(self._cuts)

    def given(self, utt_id: str) -> Tensor:
        """Return what the encoder is given for an utterance: samples (T_wav,) float32, as `load_wav` reads them."""
        return load_wav(self._cuts[utt_id], self.sample_rate)

    def batch(self, utt_ids: Sequence[str]) -> TranscribedBatch:
        """Return these utterances, in this order."""
        wavs, tokens = [self.given(n) for n in utt_ids], [self._tokens[n] for n in utt_ids]
        return TranscribedBatch.of(utt_ids, wavs, tokens, self.symbols.pad_id)

    def batch_ids(self, epoch: int) -> list[tuple[str, ...]]:
        """Return the utterances of each batch of an epoch."""
        return self._sampler.batch_ids(epoch)

    def epoch(self, epoch: int) -> Iterator[TranscribedBatch]:
        """Yield the batches of an epoch, prefetched by a thread."""
        return prefetch(map(self.batch, self.batch_ids(epoch)))
