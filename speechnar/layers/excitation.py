"""The excitation of speech: a band-limited pulse train that follows F0.

Source: the closed form of a sum of equal cosines (Dirichlet kernel), as used for band-limited impulse trains by
    Stilson and Smith 1996; source-filter waveform models, Wang et al. 2019 (NSF).
Differs: the phase is integrated per frame in closed form, from a frequency that runs linearly through each frame, so
    that no sum runs over samples and a chunk continues from the phase at its first frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def frame_phases(f0: Tensor, start: Tensor, hop_length: int, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Integrate F0 over frames.

    Args:
        f0: (B, T) Hz, 0 = unvoiced.
        start: (B,) phase at the first frame, cycles.

    Returns:
        edges: (B, T, 2) Hz at the start and the end of each frame: its own F0 and that of the next
            frame, or its own twice before an unvoiced one. So a chunk does not depend on the frame before it.
        phases: (B, T + 1) cycles in [0, 1) at each frame's start, and after the last.
    """
    after = torch.cat([f0[:, 1:], f0[:, -1:]], dim=1)
    left = f0
    right = torch.where(after > 0, after, f0)
    edges = torch.stack([left, right], dim=2) * (f0 > 0).to(f0.dtype)[:, :, None]
    cycles = edges.sum(2) * (hop_length / 2 / sample_rate)
    total = cycles.double().cumsum(1) + start.double()[:, None]
    phases = torch.cat([start[:, None], (total - total.floor()).float()], dim=1)
    return edges, phases


def pulse_train(f0: Tensor, edges: Tensor, phases: Tensor, hop_length: int, sample_rate: int) -> Tensor:
    """Sum cosines at every multiple of F0 below the Nyquist frequency, in phase; the power is 1, that of white noise.

    Args:
        f0: (B, T) Hz, 0 = unvoiced; edges, phases: from `frame_phases`.

    Returns:
        (B, T, hop_length); zeros where unvoiced.
    """
    u = torch.arange(hop_length, device=f0.device, dtype=f0.dtype) / hop_length
    left, right = edges[:, :, :1], edges[:, :, 1:]
    cycles = phases[:, :-1, None] + (left * u + (right - left) * u * u / 2) * (hop_length / sample_rate)
    half = math.pi * (cycles - cycles.floor())  # half the phase, in [0, pi)
    harmonics = (sample_rate / 2 / edges.amax(2).clamp(min=20.0)).floor().clamp(min=1.0)[:, :, None]
    sine = half.sin()
    near_zero = sine.abs() < 1e-4
    kernel = ((2 * harmonics + 1) * half).sin() / torch.where(near_zero, torch.ones_like(sine), sine)
    kernel = torch.where(near_zero, 2 * harmonics + 1, kernel)
    return (kernel - 1) / 2 * (2 / harmonics).sqrt() * (f0 > 0).to(f0.dtype)[:, :, None]
