"""Spectral loss terms of a vocoder.

Source: multi-resolution log-mel distance, Kumar et al. 2023 (DAC), section 3.4; distances of short-time magnitudes over
    several resolutions, Yamamoto et al. 2020.
"""

from __future__ import annotations

import functools

import librosa
import torch
from torch import Tensor

RESOLUTIONS = ((128, 15), (256, 30), (512, 60), (1024, 100), (2048, 160))


@functools.cache
def _filters(sample_rate: int, n_fft: int, n_mels: int) -> Tensor:
    return torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels)).float()


def spectral_loss(made: Tensor, real: Tensor, sample_rate: int) -> dict[str, Tensor]:
    """Return mean absolute log-mel and log-magnitude distances over several window lengths.

    Args:
        made, real: (B, T_wav), longer than 2,048 samples.

    Returns:
        `mel` and `magnitude`, natural log units.
    """
    mel, magnitude = made.new_zeros(()), made.new_zeros(())
    for n_fft, n_mels in RESOLUTIONS:
        window = torch.hann_window(n_fft, device=made.device)
        both = torch.stft(torch.cat([made, real]), n_fft, n_fft // 4, window=window, return_complex=True)
        power = torch.view_as_real(both).square().sum(3) + 1e-9
        magnitudes = power.sqrt()
        mels = (_filters(sample_rate, n_fft, n_mels).to(made.device) @ magnitudes).clamp(min=1e-5).log()
        a, b = mels.chunk(2)
        mel = mel + (a - b).abs().mean()
        a, b = power.log().chunk(2)
        magnitude = magnitude + (a - b).abs().mean() / 2
    return {"mel": mel / len(RESOLUTIONS), "magnitude": magnitude / len(RESOLUTIONS)}
