"""The terms that FastSpeech 2 is trained on.

Source: FastSpeech 2 (Ren et al. 2021), section 2.3 and appendix C: mean absolute error of the mel, mean squared error
    of log durations.
Differs: absolute error for F0 and energy (octave errors of a tracker weigh less), binary cross entropy for voicing.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from speechnar.models.tts.fastspeech2 import FastSpeech2Output, Prosody
from speechnar.nar.lengths import length_mask


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of (B, T) values where the mask (B, T) is true (or by its weights); 0 when nothing is."""
    weights = mask.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp(min=1)


def fastspeech2_loss(
    output: FastSpeech2Output, mel: Tensor, prosody: Prosody, durations: Tensor, lengths: tuple[Tensor, Tensor]
) -> dict[str, Tensor]:
    """Named scalar terms: mel, duration, log_f0, voiced, energy.

    Args:
        mel: (B, T_mel, n_mels) of the recording; prosody: its normalized prosody.
        durations: (B, T_text) frames.
        lengths: (token_lengths, mel_lengths), both (B,).
    """
    token_mask = length_mask(lengths[0], durations.shape[1])
    mask = length_mask(lengths[1], mel.shape[1])
    log_durations = durations.float().log1p()
    predicted = output.prosody
    return {
        "mel": masked_mean((output.mel - mel).abs().mean(2), mask),
        "duration": masked_mean((output.log_durations.float() - log_durations).square(), token_mask),
        "log_f0": masked_mean((predicted.log_f0.float() - prosody.log_f0).abs(), mask & (prosody.voiced > 0)),
        "voiced": masked_mean(
            F.binary_cross_entropy_with_logits(predicted.voiced.float(), prosody.voiced, reduction="none"), mask
        ),
        "energy": masked_mean((predicted.energy.float() - prosody.energy).abs(), mask),
    }
