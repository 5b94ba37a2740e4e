"""Loss terms of a vocoder and its discriminators against each other.

Source: least-squares GAN and feature matching, HiFi-GAN (Kong et al. 2020), section 2.4.
Differs: the distance of a layer's features is relative to their size, so that no layer outweighs the others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechnar.losses.mean import Mean
from speechnar.models.vocoder.discriminators import Judgment


def discriminator_loss(real: Judgment, made: Judgment) -> dict[str, Tensor]:
    """Return `adversary`: least squares of the scores, real towards 1, made towards 0; the mean over discriminators."""
    terms = [(r - 1).square().mean() + m.square().mean() for r, m in zip(real.scores, made.scores)]
    return {"adversary": torch.stack(terms).mean()}


def generator_loss(real: Judgment, made: Judgment) -> dict[str, Tensor | Mean]:
    """Return the terms `adversarial` and `features` that the discriminators give to the generator.

    `adversarial` draws the scores of `made` towards 1. `features` is the distance of each layer relative to the size of
    the real layer, the mean over layers.
    """
    adversarial = torch.stack([(m - 1).square().mean() for m in made.scores]).mean()
    sizes = torch.stack([layer.detach().abs().mean() for layer in real.features]).clamp(min=1e-4)
    distances = torch.stack([(m - r.detach()).abs().mean() for r, m in zip(real.features, made.features)])
    return {"adversarial": adversarial, "features": Mean(distances / sizes, sizes * len(made.features[0]))}
