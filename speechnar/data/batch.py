"""Hold what a model is given: one utterance as NumPy arrays, a batch of them as padded tensors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from speechnar.audio import LOG_FLOOR

B = TypeVar("B", bound="Batch")

MEL_PADDING = math.log(LOG_FLOOR)
"""The log-mel of silence, which pads mels."""


@dataclass(frozen=True)
class Utterance:
    """Hold the cached features of one utterance; `durations` sums to T_mel, or to 0 where it is not aligned.

    Attributes:
        utt_id: name, unique in its corpus.
        tokens: (T_text,) int64, `<s>` and `</s>` included.
        durations: (T_text,) int64, frames.
        mel: (T_mel, n_mels) float32, natural log magnitude.
        f0: (T_mel,) float32, Hz; 0 where unvoiced.
        energy: (T_mel,) float32, natural log of the frame's root mean square magnitude.
        wav: (T_mel * hop_length,) int16.
        speaker: its place among the corpus's speakers.
        notes: (T_text, 3) float32 of a song, what is sung on each token: MIDI pitch, seconds of the note, and 1 where
            the note continues the syllable (slur); None of speech.
    """

    utt_id: str
    tokens: np.ndarray
    durations: np.ndarray
    mel: np.ndarray
    f0: np.ndarray
    energy: np.ndarray
    wav: np.ndarray
    speaker: int = 0
    notes: np.ndarray | None = None


class Batch:
    """The base of batches: frozen dataclasses of tensors, of other batches, and of values that have no device."""

    def to(self: B, device: torch.device | str, non_blocking: bool = False) -> B:
        """Return the same batch with every tensor on `device`."""
        held = {name: value for name, value in vars(self).items() if hasattr(value, "to")}
        moved = {name: value.to(device, non_blocking=non_blocking) for name, value in held.items()}
        return cast(B, dataclasses.replace(cast(Any, self), **moved))


@dataclass(frozen=True)
class SpeechBatch(Batch):
    """Utterances padded to the longest.

    Attributes:
        utt_ids: B names.
        tokens: (B, T_text) int64, padded with `<pad>`.
        token_lengths: (B,) int64, tokens.
        durations: (B, T_text) int64, frames; padded with 0.
        mel: (B, T_mel, n_mels) float32, natural log magnitude; padded with log(1e-5).
        mel_lengths: (B,) int64, frames.
        f0: (B, T_mel) float32, Hz; 0 where unvoiced and in padding.
        energy: (B, T_mel) float32, natural log of the frame's root mean square magnitude; padded with 0.
        wav: (B, T_mel * hop_length) float32 in [-1, 1]; padded with 0.
        speakers: (B,) int64, places among the corpus's speakers.
        notes: (B, T_text, 3) float32 as in `Utterance`; padded with 0; None where an utterance has none.
    """

    utt_ids: tuple[str, ...]
    tokens: Tensor
    token_lengths: Tensor
    durations: Tensor
    mel: Tensor
    mel_lengths: Tensor
    f0: Tensor
    energy: Tensor
    wav: Tensor
    speakers: Tensor
    notes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.utt_ids)


def collate(utterances: Sequence[Utterance], pad_id: int) -> SpeechBatch:
    """Pad utterances to the longest of them, in the order given."""

    def lengths(name: str) -> Tensor:
        return torch.tensor([len(getattr(u, name)) for u in utterances])

    def padded(name: str, value: float = 0) -> Tensor:
        arrays = [torch.from_numpy(getattr(u, name)) for u in utterances]
        return torch.nn.utils.rnn.pad_sequence(arrays, batch_first=True, padding_value=value)

    return SpeechBatch(
        utt_ids=tuple(u.utt_id for u in utterances),
        tokens=padded("tokens", pad_id),
        token_lengths=lengths("tokens"),
        durations=padded("durations"),
        mel=padded("mel", MEL_PADDING),
        mel_lengths=lengths("mel"),
        f0=padded("f0"),
        energy=padded("energy"),
        wav=padded("wav").float() / 32768,
        speakers=torch.tensor([u.speaker for u in utterances]),
        notes=None if any(u.notes is None for u in utterances) else padded("notes"),
    )
