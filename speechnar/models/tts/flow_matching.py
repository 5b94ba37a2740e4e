"""Flow matching: draw what a trained FastSpeech 2 leaves open, by a few steps from noise.

FastSpeech 2 predicts one mel and one prosody for a text. Here a network learns the distribution of the residual, which
is the recording's less the prediction, given the hidden vectors that the prediction was made of. The latent is

    mel       the residual of the mel of each frame: what is sampled is the sound
    prosody   the residuals of log duration, log F0 and energy of each token: what is sampled is the reading

    noise eps ----------------- z = (1 - t) eps + t r ----------------- residual r       velocity dz/dt = r - eps
        t = 0                                                               t = 1

Source: Flow matching with optimal-transport paths, Lipman et al. 2023, section 4.1, equations 20 to 23, without the
    deviation of 1e-4 at t = 1. In speech synthesis: Matcha-TTS, Mehta et al. 2024, section 2. Preconditioning: EDM,
    Karras et al. 2022, section 5, equation 7, worked out for this path.
Differs: the path leads to the residual and not to the mel. As the network reads the predicted mel, that is the same
    distribution; but the noise is as large as the residual and not as the mel, so that one or two steps go far. The
    network is a ConvNeXt and not a U-Net with Transformers. The network's output is added to the velocity that would be
    right for a Gaussian residual, so that it has unit size at all times.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor, nn

from speechnar.layers.blocks import ConvNeXt
from speechnar.layers.statistics import fill_buffers
from speechnar.losses.mean import Mean
from speechnar.nar.lengths import length_mask

LATENTS = ("mel", "prosody")
N_WAVES = 8
"""Sines and as many cosines of the time, of half a period and its multiples, that the network reads."""


@dataclasses.dataclass(frozen=True)
class FlowMatchingConfig:
    """Widths and depth of the network.

    Attributes:
        latent: what is sampled, "mel" or "prosody".
        n_features: values of a frame (mel) or a token (prosody) that are sampled. `n_features`, `d_condition` and
            `acoustic` come from the acoustic model: a training config leaves them out.
        d_condition: values of a frame or a token that the network reads.
        acoustic: digest of the weights of the acoustic model, of `provenance_of`; "" where it is not known.
    """

    latent: str = "mel"
    n_features: int = 0
    d_condition: int = 0
    acoustic: str = ""
    d_model: int = 192
    d_ff: int = 576
    kernel_size: int = 7
    n_layers: int = 6
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.latent not in LATENTS:
            raise ValueError(f"latent is {self.latent!r} but should be one of {', '.join(LATENTS)}")


class FlowMatching(nn.Module):
    """Estimate the velocity of a residual's way from noise, and follow it.

    The residual is relative to `residual_std` (n_features,), its deviation in the training data.
    """

    residual_std: Tensor
    waves: Tensor

    def __init__(self, config: FlowMatchingConfig) -> None:
        super().__init__()
        self.config = config
        d = config.d_model
        self.time = nn.Sequential(nn.Linear(2 * N_WAVES, d), nn.GELU(), nn.Linear(d, d))
        self.input = nn.Linear(config.n_features + config.d_condition, d)
        self.net = ConvNeXt(config.n_layers, d, config.d_ff, config.kernel_size, config.dropout)
        self.out = nn.Linear(d, config.n_features)
        nn.init.zeros_(self.out.weight)  # at first the residual is taken for Gaussian
        nn.init.zeros_(self.out.bias)
        self.register_buffer("residual_std", torch.ones(config.n_features))
        self.register_buffer("waves", math.pi * torch.arange(1, N_WAVES + 1), persistent=False)

    def set_statistics(self, **moments: Tensor | float | list[float]) -> None:
        """Set `residual_std`."""
        fill_buffers(self, moments)

    def velocity(self, state: Tensor, time: Tensor, condition: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the velocity (B, T, n_features) of a state at a time.

        Of a Gaussian residual of unit deviation, a state has the variance D = t^2 + (1 - t)^2, and the velocity is
        (2 t - 1) / D times the state.

        Args:
            state: (B, T, n_features), relative to `residual_std`.
            time: (B,) from 0, noise, to 1, the residual.
            condition: (B, T, d_condition).
            mask: (B, T), True = real; None means that there is no padding.
        """
        angles = time[:, None] * self.waves
        embedded = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        t = time[:, None, None]
        size = (t.square() + (1 - t).square()).sqrt()
        hidden = self.input(torch.cat([state / size, condition], dim=2)) + embedded[:, None]
        return (2 * t - 1) / size.square() * state + self.out(self.net(hidden, mask)) / size

    def step(self, state: Tensor, time: Tensor, size: Tensor, condition: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the state after one Euler step of a size (B,), from a time (B,)."""
        return state + size[:, None, None] * self.velocity(state, time, condition, mask)

    def sample(self, noise: Tensor, condition: Tensor, steps: int, mask: Tensor | None = None) -> Tensor:
        """Return a residual (B, T, n_features) by Euler steps of one size; the same noise gives the same residual.

        Args:
            noise: (B, T, n_features) standard normal values, times the temperature.
        """
        state = noise
        for number in range(steps):
            time = torch.full_like(noise[:, 0, 0], number / steps)
            state = self.step(state, time, torch.full_like(time, 1 / steps), condition, mask)
        return state * self.residual_std


def flow_terms(model: FlowMatching, residual: Tensor, condition: Tensor, lengths: Tensor) -> dict[str, Mean]:
    """Return the term flow, the mean squared error of the velocity at a random time on the way from random noise.

    Args:
        residual: (B, T, n_features); condition: (B, T, d_condition).
        lengths: (B,) frames or tokens.
    """
    mask = length_mask(lengths, residual.shape[1])
    target = residual / model.residual_std
    noise, time = torch.randn_like(target), torch.rand_like(target[:, 0, 0])
    t = time[:, None, None]
    velocity = model.velocity((1 - t) * noise + t * target, time, condition, mask)
    error = (velocity.float() - (target - noise)).square().mean(2) * mask
    return {"flow": Mean(error.sum() / mask.sum(), mask.sum())}
