"""A FastSpeech 2 of few channels, and a batch for it."""

from __future__ import annotations

import torch
from torch import Tensor

from speechnar.models.tts.fastspeech2 import FastSpeech2Config

CONFIG = FastSpeech2Config(
    n_symbols=7, n_mels=5, d_model=16, d_ff=16, kernel_size=3, n_heads=2, encoder_layers=1, prosody_layers=2,
    decoder_layers=2, dropout=0.0, predictor_dropout=0.0,
)  # fmt: skip


def batch() -> dict[str, Tensor]:
    torch.manual_seed(1)
    durations = torch.tensor([[2, 4, 0, 3, 0], [3, 1, 2, 4, 5]])
    f0 = torch.rand(2, 15) * 100 + 100
    f0[:, ::4] = 0
    f0[0, 9:] = 0
    return {
        "tokens": torch.tensor([[1, 3, 4, 2, 0], [1, 5, 6, 4, 2]]),
        "token_lengths": torch.tensor([4, 5]),
        "durations": durations,
        "mel_lengths": durations.sum(1),
        "f0": f0,
        "energy": torch.randn(2, 15),
    }
