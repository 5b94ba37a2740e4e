"""The terms that a vocoder is trained on.

Source: multi-resolution log-mel distance, Kumar et al. 2023 (DAC), section 3.4; energy distance between spectrograms,
    Gritsenko et al. 2020, section 3; least-squares GAN and feature matching, HiFi-GAN (Kong et al. 2020), section 2.4.
"""

from __future__ import annotations

import functools

import librosa
import torch
from torch import Tensor

from speechnar.models.discriminators import Judgement

RESOLUTIONS = ((128, 15), (256, 30), (512, 60), (1024, 100), (2048, 160))


@functools.cache
def _filters(sample_rate: int, n_fft: int, n_mels: int) -> Tensor:
    return torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels)).float()


@functools.cache
def _density(sample_rate: int, n_fft: int) -> Tensor:
    """The share of the mel scale that each bin has."""
    density = 1 / (700 + torch.linspace(0, sample_rate / 2, n_fft // 2 + 1))
    return density / density.sum()


def spectral_loss(made: Tensor, again: Tensor, real: Tensor, sample_rate: int) -> dict[str, Tensor]:
    """How far the generator's spectrograms are, as a distribution, from the recording's, over several window lengths.

    The distance alone would be smallest for a voice that buzzes: noise is further from noise than a steady sound is.
    Less the distance of two tries from each other, it is smallest where they differ as much as recordings would.

    Args:
        made, again: (B, T_wav), longer than 2,048 samples; the same speech with independent noise and phase.
        real: (B, T_wav).

    Returns:
        `mel` and `magnitude`, natural log units: distances of `made` and of `again` to `real`, less that between
        them, halved; each frequency weighs as on the mel scale.
    """
    mel, magnitude = made.new_zeros(()), made.new_zeros(())
    for n_fft, n_mels in RESOLUTIONS:
        window = torch.hann_window(n_fft, device=made.device)
        all_three = torch.stft(torch.cat([made, again, real]), n_fft, n_fft // 4, window=window, return_complex=True)
        power = torch.view_as_real(all_three).square().sum(3) + 1e-9
        mels = (_filters(sample_rate, n_fft, n_mels).to(made.device) @ power.sqrt()).clamp(min=1e-5).log()
        mel = mel + _energy_distance(*mels.chunk(3)).mean()
        density = _density(sample_rate, n_fft).to(made.device)
        magnitude = magnitude + (_energy_distance(*power.log().chunk(3)).mean((0, 2)) * density).sum() / 2
    return {"mel": mel / len(RESOLUTIONS), "magnitude": magnitude / len(RESOLUTIONS)}


def _energy_distance(made: Tensor, again: Tensor, real: Tensor) -> Tensor:
    return ((made - real).abs() + (again - real).abs() - (made - again).abs()) / 2


def discriminator_loss(real: Judgement, made: Judgement) -> dict[str, Tensor]:
    """Least squares: real towards 1, made towards 0; the mean over discriminators."""
    terms = [(r - 1).square().mean() + m.square().mean() for r, m in zip(real.scores, made.scores)]
    return {"adversary": torch.stack(terms).mean()}


def generator_loss(real: Judgement, made: Judgement) -> dict[str, Tensor]:
    """`adversarial`: made towards 1; `features`: distance of the layers, relative to the real layers' size."""
    adversarial = torch.stack([(m - 1).square().mean() for m in made.scores]).mean()
    distances = [
        (m - r.detach()).abs().mean() / r.detach().abs().mean().clamp(min=1e-4)
        for r, m in zip(real.features, made.features)
    ]
    return {"adversarial": adversarial, "features": torch.stack(distances).mean()}
