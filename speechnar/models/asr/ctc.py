"""A CTC recognizer: Conformer, CTC, and optionally intermediate CTC with or without self-conditioning.

Source: Graves et al. 2006; InterCTC (Lee and Watanabe 2021); self-conditioned CTC (Nozaki and Komatsu 2021). What they
    add stands in `speechnar.layers.ctc_encoder`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput


@dataclass(frozen=True)
class CTCConfig:
    """The encoder. `n_symbols` comes from the data: a training config leaves it out."""

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()


class CTC(nn.Module):
    """The encoder is all of it."""

    def __init__(self, config: CTCConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Features (B, T_mel, n_mels) of `encoder.features` to log-probabilities."""
        return self.encoder(mel, mel_lengths)
