"""Whisper's encoder with a CTC output: log-mel of speech to logits of its units, every frame in parallel.

Source: Whisper (Radford et al. 2023), section 2.2, its encoder; CTC, Graves et al. 2006; self-conditioned CTC, Nozaki
    and Komatsu 2021, section 3.
Differs: audio is not padded to 30 s, and no frame sees padding; in the middle of the encoder two frames become one,
    which halves the cost of the layers above and suits units of more than a letter. Logits are multiplied by a
    constant, so that at a learning rate that is right for trained layers the new one learns as fast as it has to.
"""

from __future__ import annotations

import dataclasses
import math

import librosa
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.core.blocks import AttentionBlock, masked
from speechnar.core.lengths import length_mask

SAMPLE_RATE = 16000
N_FFT, HOP_LENGTH = 400, 160


OUTPUT_SCALE = 8.0


@dataclasses.dataclass(frozen=True)
class WhisperCTCConfig:
    """The sizes are those of Whisper base.

    Attributes:
        n_symbols: outputs, the blank among them.
        max_frames: positions that there are, in frames of 20 ms.
        lower_layers: attention layers at 20 ms; those above them run at 40 ms.
        conditioned_layers: layers, counted from 1, whose own CTC output is added to what the next one gets.
    """

    n_symbols: int
    n_mels: int = 80
    d_model: int = 512
    d_ff: int = 2048
    n_heads: int = 8
    n_layers: int = 6
    max_frames: int = 1500
    lower_layers: int = 3
    conditioned_layers: tuple[int, ...] = (4, 5)
    dropout: float = 0.1


@dataclasses.dataclass(frozen=True)
class WhisperCTCOutput:
    """logits (B, T, n_symbols), of the last layer and of each conditioned one; lengths (B,) frames of 40 ms."""

    logits: Tensor
    intermediate: tuple[Tensor, ...]
    lengths: Tensor


class WhisperFeatures(nn.Module):
    """Log-mel as Whisper has it; the Fourier transform is a convolution, in training as in an exported graph."""

    fourier: Tensor
    filters: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        turns = torch.arange(N_FFT)[None] * torch.arange(N_FFT // 2 + 1)[:, None] % N_FFT
        angle = turns.double() * (2 * math.pi / N_FFT)
        fourier = torch.cat([angle.cos(), angle.sin()]) * torch.hann_window(N_FFT, dtype=torch.float64)
        self.register_buffer("fourier", fourier.float()[:, None], persistent=False)
        filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=n_mels)
        self.register_buffer("filters", torch.from_numpy(filters).float(), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        """wav (B, T_wav) at 16 kHz, more than 200 samples -> (B, T_wav // 160, n_mels), 8 decades at most."""
        padded = F.pad(wav[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")
        real, imaginary = F.conv1d(padded, self.fourier, stride=HOP_LENGTH)[:, :, :-1].chunk(2, dim=1)
        mel = (self.filters @ (real.square() + imaginary.square())).clamp(min=1e-10).log10()
        mel = mel.maximum(mel.amax((1, 2), keepdim=True) - 8)
        return ((mel + 4) / 4).transpose(1, 2)


class WhisperCTC(nn.Module):
    """The recogniser: `lower` and `upper` are its two halves, so that training may keep what the first one makes."""

    rates: Tensor

    def __init__(self, config: WhisperCTCConfig) -> None:
        super().__init__()
        if not 0 < config.lower_layers < min(config.conditioned_layers, default=config.n_layers + 1):
            raise ValueError(f"conditioned_layers {config.conditioned_layers} should be above lower_layers")
        self.config = config
        d = config.d_model
        self.features = WhisperFeatures(config.n_mels)
        self.conv1 = nn.Conv1d(config.n_mels, d, 3, padding=1)
        self.conv2 = nn.Conv1d(d, d, 3, stride=2, padding=1)
        rates = torch.exp(-math.log(10000) / (d // 2 - 1) * torch.arange(d // 2))
        self.register_buffer("rates", rates, persistent=False)  # of the positions' sinusoids
        self.blocks = nn.ModuleList(
            AttentionBlock(d, config.d_ff, config.n_heads, config.dropout) for _ in range(config.n_layers)
        )
        self.merge = nn.Linear(2 * d, d)
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, config.n_symbols)
        self.condition = nn.Linear(config.n_symbols, d)
        with torch.no_grad():  # at first two frames are averaged, and nothing is said or conditioned
            self.merge.weight.copy_(torch.cat([torch.eye(d), torch.eye(d)], dim=1) / 2)
            self.merge.bias.zero_()
            self.head.weight.zero_()
            self.head.bias.zero_()
            self.condition.weight.zero_()
            self.condition.bias.zero_()

    def lower(self, mel: Tensor, mel_lengths: Tensor | None) -> Tensor:
        """Log-mel (B, T_mel, n_mels) at 10 ms to hidden vectors (B, ceil(T_mel / 2), d_model) at 20 ms."""
        mask = None if mel_lengths is None else length_mask(mel_lengths, mel.shape[1])
        x = F.gelu(self.conv1(masked(mel, mask).transpose(1, 2))).transpose(1, 2)
        x = F.gelu(self.conv2(masked(x, mask).transpose(1, 2))).transpose(1, 2)
        mask = None if mel_lengths is None else length_mask((mel_lengths + 1) // 2, x.shape[1])
        angles = torch.arange(x.shape[1], device=x.device)[:, None] * self.rates
        x = x + torch.cat([angles.sin(), angles.cos()], dim=1)
        for block in self.blocks[: self.config.lower_layers]:
            x = block(x, mask)
        return x

    def upper(self, hidden: Tensor, lengths: Tensor | None) -> WhisperCTCOutput:
        """What `lower` made, and the lengths of that, to logits at 40 ms."""
        mask = None if lengths is None else length_mask(lengths, hidden.shape[1])
        hidden = masked(hidden, mask)
        x = self.merge(torch.cat([hidden[:, ::2], F.pad(hidden, (0, 0, 0, 1))[:, 1::2]], dim=2))
        halved = (lengths + 1) // 2 if lengths is not None else torch.tensor([x.shape[1]]).expand(x.shape[0])
        mask = None if lengths is None else length_mask(halved, x.shape[1])
        intermediate = []
        for number, block in enumerate(self.blocks[self.config.lower_layers :], self.config.lower_layers + 1):
            x = block(x, mask)
            if number in self.config.conditioned_layers:
                logits = self.logits(x)
                intermediate.append(logits)
                x = x + self.condition(logits.softmax(2))
        return WhisperCTCOutput(self.logits(x), tuple(intermediate), halved)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden vectors of any upper layer to (B, T, n_symbols)."""
        return OUTPUT_SCALE * self.head(self.norm(hidden))

    def forward(self, mel: Tensor, mel_lengths: Tensor) -> WhisperCTCOutput:
        """mel (B, T_mel, n_mels) from `features`, at most 2 * max_frames; mel_lengths (B,) frames of 10 ms."""
        return self.upper(self.lower(mel, mel_lengths), (mel_lengths + 1) // 2)
