"""From samples to what every recognizer here begins with: encoder vectors and a CTC distribution over them.

Intermediate CTC and self-conditioning are one switch: layers after which the shared CTC head also speaks, and whether
what it says there is given back to the layers that follow.

Source: InterCTC (Lee and Watanabe 2021), section 3. Self-conditioned CTC (Nozaki and Komatsu 2021), section 3,
    equations 8 to 10.
Differs: the head normalizes what it reads, as the blocks' outputs are of different scales.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.conformer import Conformer, ConformerConfig
from speechnar.layers.log_mel import LogMel


@dataclass(frozen=True)
class CTCEncoderConfig:
    """The Conformer, and after which of its blocks (from 1) there is CTC too.

    Attributes:
        intermediate_layers: of the blocks; none for plain CTC.
        self_conditioned: whether intermediate distributions are given back to the layers that follow.
    """

    conformer: ConformerConfig = ConformerConfig()
    intermediate_layers: tuple[int, ...] = ()
    self_conditioned: bool = False

    def __post_init__(self) -> None:
        wrong = [layer for layer in self.intermediate_layers if not 1 <= layer < self.conformer.n_layers]
        if wrong:
            raise ValueError(
                f"intermediate_layers has {wrong[0]} but should be from 1 to {self.conformer.n_layers - 1}"
            )
        if self.self_conditioned and not self.intermediate_layers:
            raise ValueError("self_conditioned needs intermediate_layers: name the blocks whose CTC is given back")


@dataclass(frozen=True)
class EncoderOutput:
    """What the encoder found.

    Attributes:
        hidden: (B, T, d_model).
        lengths: (B,) frames; None where all is real.
        log_probs: (B, T, V) float32 natural logarithms; of no meaning in padding.
        intermediate: as `log_probs`, for each intermediate layer.
    """

    hidden: Tensor
    lengths: Tensor | None
    log_probs: Tensor
    intermediate: tuple[Tensor, ...]


class CTCEncoder(nn.Module):
    """Log-mel features, a Conformer and the CTC head."""

    mel_mean: Tensor
    mel_std: Tensor

    def __init__(self, config: CTCEncoderConfig, audio: AudioConfig, n_symbols: int) -> None:
        super().__init__()
        self.config = config
        d = config.conformer.d_model
        self.log_mel = LogMel(audio)
        self.conformer = Conformer(config.conformer, audio.n_mels)
        self.head_norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, n_symbols)
        self.back = nn.Linear(n_symbols, d) if config.self_conditioned else None
        self.register_buffer("mel_mean", torch.zeros(audio.n_mels))
        self.register_buffer("mel_std", torch.ones(audio.n_mels))

    def features(self, wav: Tensor, wav_lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Samples (B, T_wav) to log-mel frames (B, T_mel, n_mels), normalized by the training data's statistics."""
        mel, mel_lengths = self.log_mel(wav, wav_lengths)
        return (mel - self.mel_mean) / self.mel_std, mel_lengths

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Features of `features`, augmented in training, to the encoder's output."""
        intermediate: list[Tensor] = []

        def between(number: int, hidden: Tensor) -> Tensor:
            if number not in self.config.intermediate_layers:
                return hidden
            log_probs = self._log_probs(hidden)
            intermediate.append(log_probs)
            return hidden if self.back is None else hidden + self.back(log_probs.exp())

        hidden, lengths = self.conformer(mel, mel_lengths, between)
        return EncoderOutput(hidden, lengths, self._log_probs(hidden), tuple(intermediate))

    def _log_probs(self, hidden: Tensor) -> Tensor:
        return self.head(self.head_norm(hidden)).float().log_softmax(2)
