"""The terms that a vocoder is trained on.

Source: multi-resolution log-mel distance, Kumar et al. 2023 (DAC), section 3.4; spectral convergence of short-time
    magnitudes, Yamamoto et al. 2020; least-squares GAN and feature matching, HiFi-GAN (Kong et al. 2020), section 2.4.
"""

from __future__ import annotations

import functools

import librosa
import torch
from torch import Tensor

from speechnar.losses.mean import Mean
from speechnar.models.vocoder.discriminators import Judgement

RESOLUTIONS = ((128, 15), (256, 30), (512, 60), (1024, 100), (2048, 160))


@functools.cache
def _filters(sample_rate: int, n_fft: int, n_mels: int) -> Tensor:
    return torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels)).float()


def spectral_loss(made: Tensor, real: Tensor, sample_rate: int) -> dict[str, Tensor]:
    """Mean absolute log-mel and log-magnitude distances over several window lengths.

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


def discriminator_loss(real: Judgement, made: Judgement) -> dict[str, Tensor]:
    """Least squares: real towards 1, made towards 0; the mean over discriminators."""
    terms = [(r - 1).square().mean() + m.square().mean() for r, m in zip(real.scores, made.scores)]
    return {"adversary": torch.stack(terms).mean()}


def generator_loss(real: Judgement, made: Judgement) -> dict[str, Tensor | Mean]:
    """Return the terms `adversarial` and `features` that the discriminators give to the generator.

    `adversarial` draws the scores of `made` towards 1. `features` is the distance of each layer relative to the size of
    the real layer, the mean over layers.
    """
    adversarial = torch.stack([(m - 1).square().mean() for m in made.scores]).mean()
    sizes = torch.stack([layer.detach().abs().mean() for layer in real.features]).clamp(min=1e-4)
    distances = torch.stack([(m - r.detach()).abs().mean() for r, m in zip(real.features, made.features)])
    return {"adversarial": adversarial, "features": Mean(distances / sizes, sizes * len(made.features[0]))}
