"""Draw batches of speech and its phones, without their times, from which an aligner learns.

Log-mels are computed from the corpus's audio files when first needed and kept in memory, in half precision: 60 MB for
an hour of speech at 40 bands and 200 frames a second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lhotse.cut import Cut
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from speechnar.audio import AudioConfig, log_mel
from speechnar.data.batch import MEL_PADDING, Batch
from speechnar.data.manifest import DataError, load_cuts, read_wav
from speechnar.data.sampling import BucketSampler, prefetch
from speechnar.text.symbols import BOS, EOS, PAD, STRESSES, VOWELS, SymbolTable, TextError, stress_of


@dataclass(frozen=True)
class PhoneticBatch(Batch):
    """Utterances padded to the longest.

    Attributes:
        utt_ids: B names.
        tokens: (B, T_text) int64, `<s>` and `</s>` included; padded with `<pad>`.
        token_lengths: (B,) int64.
        mel: (B, T_mel, n_mels) float32, natural log magnitude; padded with log(1e-5).
        mel_lengths: (B,) int64, frames.
    """

    utt_ids: tuple[str, ...]
    tokens: Tensor
    token_lengths: Tensor
    mel: Tensor
    mel_lengths: Tensor

    def __len__(self) -> int:
        return len(self.utt_ids)


def phones_in(cut: Cut) -> list[str]:
    """Return the phones of a cut's one supervision.

    Raises:
        DataError: there are none, or it has not one supervision.
    """
    if len(cut.supervisions) != 1:
        raise DataError(f"utterance {cut.id} has {len(cut.supervisions)} supervisions but should have one: cut it up")
    phones = (cut.supervisions[0].custom or {}).get("phones")
    if not phones:
        raise DataError(f"utterance {cut.id} lacks the custom field 'phones': run `speechnar corpus phonemize`")
    return list(phones)


def symbols_of(cuts: Sequence[Cut]) -> SymbolTable:
    """Return the table of the phones that cuts have."""
    return SymbolTable((PAD, BOS, EOS, *sorted({phone for cut in cuts for phone in phones_in(cut)})))


SIMILAR = (
    *("fv", "sz", "ʃʒ", "θð", "pb", "td", "kɡ", ("t͡ʃ", "d͡ʒ")),  # voiceless and voiced
    *("fvszʃʒθðh", ("t͡ʃ", "d͡ʒ", *"pbtdkɡ"), "mnŋlɹjw", VOWELS),  # the same manner
)
"""Groups of phones: one that the aligner lacks is aligned as another of the first group in which it has one."""


def known_phones(cut: Cut, symbols: SymbolTable) -> list[str]:
    """Return the phones of a cut, those that a table lacks replaced by similar ones, with a notice on stderr.

    Raises:
        DataError: the table has no similar phone either, or the cut has no phones.
    """
    phones = []
    for phone in phones_in(cut):
        try:
            symbols.id_of(phone)
            phones.append(phone)
        except TextError:
            phones.append(_similar(phone, symbols, cut.id))
            notice = (
                f"utterance {cut.id}: the aligner was not trained on the phone {phone!r}, aligned as {phones[-1]!r}"
            )
            print(f"speechnar: {notice}", file=sys.stderr)
    return phones


def _similar(phone: str, symbols: SymbolTable, utt_id: str) -> str:
    base = stress_of(phone)[1]
    for group in SIMILAR:
        for other in group if base in group else ():
            for stressed in (stress + other for stress in STRESSES):
                if stressed in symbols.ids:
                    return stressed
    raise DataError(
        f"utterance {utt_id} has the phone {phone!r}, and the aligner was trained on none that is similar: "
        "train it on more recordings, or leave the utterance out"
    )


class PhoneticData:
    """Hold the utterances of one manifest. Batches depend on `seed` and the epoch's number alone.

    Args:
        cuts: with audio and the custom field `phones`.
        audio: of the log-mel; audio at another rate is resampled.
        symbols: whose ids tokens are.
        max_duration, num_buckets, shuffle, seed: as `BucketSampler` takes them.

    Raises:
        DataError: a cut has no phones, or one that the table lacks and that is similar to none of its phones.
    """

    def __init__(
        self,
        cuts: Sequence[Cut],
        audio: AudioConfig,
        symbols: SymbolTable,
        max_duration: float = 75.0,
        num_buckets: int = 10,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        self.audio, self.symbols = audio, symbols
        self.cuts = {cut.id: cut for cut in cuts}
        self._tokens = {cut.id: torch.tensor(symbols.encode(known_phones(cut, symbols))) for cut in cuts}
        self._mels: dict[str, Tensor] = {}
        self._sampler = BucketSampler({c.id: c.duration for c in cuts}, max_duration, num_buckets, shuffle, seed)

    @classmethod
    def load(cls, path: Path, audio: AudioConfig, symbols: SymbolTable, seconds: float) -> PhoneticData:
        """Return the data of a manifest in batches that are always the same."""
        return cls(load_cuts(path), audio, symbols, seconds, num_buckets=1, shuffle=False)

    def __len__(self) -> int:
        return len(self.cuts)

    def mel(self, utt_id: str) -> Tensor:
        """Return the log-mel of an utterance, (T_mel, n_mels) float32.

        Raises:
            DataError: its audio cannot be read.
            AudioError: it is shorter than a frame.
        """
        if utt_id not in self._mels:
            wav = read_wav(self.cuts[utt_id], self.audio.sample_rate)
            self._mels[utt_id] = torch.from_numpy(log_mel(wav, self.audio)).half()
        return self._mels[utt_id].float()

    def batch(self, utt_ids: Sequence[str]) -> PhoneticBatch:
        """Return these utterances, in this order."""
        mels, tokens = [self.mel(n) for n in utt_ids], [self._tokens[n] for n in utt_ids]
        return PhoneticBatch(
            tuple(utt_ids),
            pad_sequence(tokens, batch_first=True, padding_value=self.symbols.pad_id),
            torch.tensor([len(ids) for ids in tokens]),
            pad_sequence(mels, batch_first=True, padding_value=MEL_PADDING),
            torch.tensor([len(mel) for mel in mels]),
        )

    def batch_ids(self, epoch: int) -> list[tuple[str, ...]]:
        """Return the utterances of each batch of an epoch."""
        return self._sampler.batch_ids(epoch)

    def epoch(self, epoch: int) -> Iterator[PhoneticBatch]:
        """Yield the batches of an epoch, prefetched by a thread."""
        return prefetch(map(self.batch, self.batch_ids(epoch)))
