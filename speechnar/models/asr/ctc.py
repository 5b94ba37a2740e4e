"""A CTC recognizer: a Conformer with CTC, and optionally with intermediate and self-conditioned CTC.

Source: Graves et al. 2006; InterCTC (Lee and Watanabe 2021); self-conditioned CTC (Nozaki and Komatsu 2021). The
    encoder is in `speechnar.layers.ctc_encoder`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput


@dataclass(frozen=True)
class CTCConfig:
    """Sizes of the encoder. `n_symbols` comes from the data: a training config leaves it out."""

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()


class CTC(nn.Module):
    """A CTC encoder and nothing else."""

    def __init__(self, config: CTCConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode features (B, T_mel, n_mels) of `encoder.features`."""
        return self.encoder(mel, mel_lengths)
