"""Loss terms of FastSpeech 2.

Source: FastSpeech 2 (Ren et al. 2021), section 2.3 and appendix C: mean absolute error of the mel, mean squared error
    of log durations.
Differs: absolute error for F0 and energy (octave errors of a tracker weigh less), binary cross entropy for voicing.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from speechnar.losses.mean import Mean
from speechnar.models.tts.fastspeech2 import FastSpeech2Output, Prosody
from speechnar.nar.lengths import length_mask


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of (B, T) values where the mask (B, T) is true (or by its weights); 0 when nothing is."""
    weights = mask.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp(min=1)


def fastspeech2_loss(
    output: FastSpeech2Output, mel: Tensor, prosody: Prosody, durations: Tensor, lengths: tuple[Tensor, Tensor]
) -> dict[str, Mean]:
    """Return the terms mel, duration, log_f0, voiced and energy, each a mean over frames or tokens.

    Args:
        mel: (B, T_mel, n_mels) of the recording; prosody: its normalized prosody.
        durations: (B, T_text) frames.
        lengths: (token_lengths, mel_lengths), both (B,).
    """
    token_mask = length_mask(lengths[0], durations.shape[1])
    mask = length_mask(lengths[1], mel.shape[1])
    predicted = output.prosody
    voicing = F.binary_cross_entropy_with_logits(predicted.voiced.float(), prosody.voiced, reduction="none")
    values = {
        "mel": ((output.mel - mel).abs().mean(2), mask),
        "duration": ((output.log_durations.float() - durations.float().log1p()).square(), token_mask),
        "log_f0": ((predicted.log_f0.float() - prosody.log_f0).abs(), mask & (prosody.voiced > 0)),
        "voiced": (voicing, mask),
        "energy": ((predicted.energy.float() - prosody.energy).abs(), mask),
    }
    return {name: Mean(masked_mean(value, real), real.sum()) for name, (value, real) in values.items()}
