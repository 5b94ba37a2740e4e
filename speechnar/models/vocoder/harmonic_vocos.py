"""Harmonic Vocos: log-mel and F0 to a waveform, all frames in parallel.

Source: Vocos (Siuzdak 2023), section 3: a ConvNeXt backbone at the frame rate and an inverse STFT.
    Source-filter models: neural source-filter, Wang et al. 2019; HN-NSF, section 2. An inverse-STFT vocoder whose
    network sees the STFT of its source: HiFTNet (Li et al. 2023), section 2.2.
Differs: the network does not make magnitudes and phases out of nothing. It filters the STFT of a pulse train that
    follows F0 (a gain and a phase for each bin), adds noise (a gain for each bin) and a free complex spectrum, so that
    pitch is exact and periodicity need not be learned. The source enters the network once, at the frame rate, with
    compressed magnitudes.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.blocks import Conv, ConvNeXt
from speechnar.layers.excitation import frame_phases, pulse_train
from speechnar.layers.statistics import fill_buffers
from speechnar.layers.stft import HopSTFT

COMPRESSION = 0.3
"""Exponent of the magnitudes of the source that the network sees: harmonics and the floor between them come closer."""


ADDED = ("source_embedding.weight", "source_embedding.bias", "free_head.weight", "free_head.bias")
"""Weights that older models lack. At zero they change nothing, so that such models are read with zeros there."""


@dataclasses.dataclass(frozen=True)
class HarmonicVocosConfig:
    """Widths and depths; the STFT's window is `overlap` hops long."""

    d_model: int = 288
    d_ff: int = 864
    kernel_size: int = 7
    n_layers: int = 6
    overlap: int = 3


@dataclasses.dataclass(frozen=True)
class HarmonicVocosOutput:
    """wav (B, T_mel * hop_length) in about [-1, 1]; phases (B, T_mel + 1) of the source at frame starts, cycles."""

    wav: Tensor
    phases: Tensor


class HarmonicVocos(nn.Module):
    """The generator. With `context` frames on each side, a chunk is equal to the same frames of the whole."""

    mel_mean: Tensor
    mel_std: Tensor
    log_f0_mean: Tensor
    log_f0_std: Tensor

    def __init__(self, config: HarmonicVocosConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config, self.audio = config, audio
        n_mels, d = audio.n_mels, config.d_model
        self.stft = HopSTFT(audio.hop_length, config.overlap)
        self.embedding = Conv(n_mels + 2, d, config.kernel_size)
        self.embedding_norm = nn.LayerNorm(d)
        self.backbone = ConvNeXt(config.n_layers, d, config.d_ff, config.kernel_size)
        self.head = nn.Linear(d, 4 * self.stft.n_bins)
        # Zero at first: the model begins as one that only filters, which is also how older weights are read.
        self.source_embedding = nn.Linear(2 * self.stft.n_bins, d)
        self.free_head = nn.Linear(d, 2 * self.stft.n_bins)
        for name in ADDED:
            nn.init.zeros_(self.get_parameter(name))
        self.register_load_state_dict_pre_hook(_complete)
        self.register_buffer("mel_mean", torch.zeros(n_mels))
        self.register_buffer("mel_std", torch.ones(n_mels))
        self.register_buffer("log_f0_mean", torch.zeros(1))
        self.register_buffer("log_f0_std", torch.ones(1))

    @property
    def n_noise(self) -> int:
        """Return the number of noise values of a frame."""
        return 2 * self.stft.n_bins

    @property
    def context(self) -> int:
        """Return the number of frames on each side that influence a frame."""
        side = self.config.kernel_size // 2
        # A frame of the source's STFT takes its neighbors, and F0 of one frame more, to which the pulses run.
        embedding = max(side, self.config.overlap // 2 + 1)
        return embedding + self.config.n_layers * side + self.config.overlap

    def set_statistics(self, **moments: Tensor | float | list[float]) -> None:
        """Set `mel_mean`, `mel_std`, `log_f0_mean`, `log_f0_std` from the training data's `stats.json`."""
        fill_buffers(self, moments)

    def forward(self, mel: Tensor, f0: Tensor, noise: Tensor, phase: Tensor) -> HarmonicVocosOutput:
        """Compute the waveform.

        Args:
            mel: (B, T_mel, n_mels) natural log magnitude.
            f0: (B, T_mel) Hz, 0 = unvoiced.
            noise: (B, T_mel, n_noise) standard normal.
            phase: (B,) the source's phase at the first frame, cycles.
        """
        audio = self.audio
        voiced = (f0 > 0).to(mel.dtype)
        log_f0 = (f0.clamp(min=1.0).log() - self.log_f0_mean) / self.log_f0_std * voiced
        given = torch.cat([(mel - self.mel_mean) / self.mel_std, log_f0[:, :, None], voiced[:, :, None]], dim=2)
        with torch.autocast(mel.device.type, enabled=False):
            edges, phases = frame_phases(f0.float(), phase.float(), audio.hop_length, audio.sample_rate)
            pulses = pulse_train(f0.float(), edges, phases, audio.hop_length, audio.sample_rate)
            p_real, p_imaginary = self.stft.transform(pulses).chunk(2, dim=2)
            power = p_real.square() + p_imaginary.square() + 1e-6
            scale = (power.log() * ((COMPRESSION - 1) / 2)).exp()  # which takes a third of the time of a power
            source = torch.cat([p_real * scale, p_imaginary * scale], dim=2)
        hidden = self.backbone(self.embedding_norm(self.embedding(given) + self.source_embedding(source)))
        harmonic_gain, real, imaginary, noise_gain = self.head(hidden).float().chunk(4, dim=2)
        free_real, free_imaginary = self.free_head(hidden).float().chunk(2, dim=2)
        with torch.autocast(mel.device.type, enabled=False):
            n_real, n_imaginary = noise.float().chunk(2, dim=2)
            # The phase is the direction of (1 + real, imaginary): no turn at the start of training, any turn later.
            real = real + 1
            gain = harmonic_gain.clamp(max=8.0).exp()
            turn = gain * (real.square() + imaginary.square() + 1e-6).rsqrt()
            real, imaginary = real * turn, imaginary * turn
            level = noise_gain.clamp(max=8.0).exp() * (0.5**0.5)
            spectrum = torch.cat(
                [
                    p_real * real - p_imaginary * imaginary + free_real * gain + n_real * level,
                    p_real * imaginary + p_imaginary * real + free_imaginary * gain + n_imaginary * level,
                ],
                dim=2,
            )
            return HarmonicVocosOutput(self.stft.inverse(spectrum), phases)


def _complete(model: HarmonicVocos, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Add the weights that older models lack, as zeros; an empty state, of a model that is filled in part, stays so."""
    if f"{prefix}head.weight" in state:
        for name in ADDED:
            state.setdefault(prefix + name, torch.zeros_like(model.get_parameter(name)))
