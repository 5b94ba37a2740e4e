"""Pre-training of a recognizer's encoder on audio alone: BEST-RQ.

Spans of the features are replaced by noise, and the encoder predicts for each hidden frame the number of the code that
a quantizer, drawn at random and never trained, gives to the features that stood there.

Source: Chiu et al. 2022, "Self-supervised learning with random-projection quantizer for speech recognition", section 3.
Differs: at least one span of each utterance is hidden, for short utterances would often have none.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig
from speechnar.losses.mean import Mean
from speechnar.nar.lengths import length_mask

NOISE = 0.1
"""Standard deviation of the noise that hides features, whose own is 1."""


@dataclass(frozen=True)
class BestRQConfig:
    """The encoder, as in the recognizer that is trained later, and the quantizer.

    Attributes:
        codes: of the codebook.
        d_code: width of a code.
        mask_probability: that a span begins at a frame of the encoder.
        mask_frames: frames of the encoder in a span, 0.4 s in the paper.
    """

    encoder: CTCEncoderConfig = CTCEncoderConfig()
    codes: int = 1024
    d_code: int = 16
    mask_probability: float = 0.01
    mask_frames: int = 10

    def __post_init__(self) -> None:
        if self.encoder.blocks is not None or self.encoder.intermediate_layers or self.encoder.self_conditioned:
            raise ValueError("pre-training has neither blocks nor intermediate CTC: leave blocks, intermediate_layers "
                             "and self_conditioned to the recognizer that starts from it")  # fmt: skip
        if self.encoder.pretrained is not None:
            raise ValueError("the encoder is pre-trained already: leave `pretrained` out, or train a recognizer")
        if min(self.codes, self.d_code, self.mask_frames) < 1:
            raise ValueError(
                f"codes {self.codes}, d_code {self.d_code} and mask_frames {self.mask_frames} should be 1 or more"
            )
        if not 0 <= self.mask_probability <= 1:
            raise ValueError(f"mask_probability is {self.mask_probability} but should be from 0 to 1")


@dataclass(frozen=True)
class Predicted:
    """The predictions of an encoder for the codes of masked features.

    Attributes:
        logits: (B, T, codes).
        targets: (B, T) int64, the codes.
        hidden: (B, T) bool, True where a real frame was masked.
    """

    logits: Tensor
    targets: Tensor
    hidden: Tensor


class BestRQ(nn.Module):
    """A CTC encoder without its head, a random quantizer, and a layer that predicts the codes."""

    projection: Tensor
    codebook: Tensor

    def __init__(self, config: BestRQConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, 1)
        del self.encoder.head  # there is no text
        width = config.encoder.conformer.subsampling * len(self.encoder.mel_mean)
        self.register_buffer("projection", nn.init.xavier_uniform_(torch.empty(width, config.d_code)))
        self.register_buffer("codebook", F.normalize(torch.randn(config.codes, config.d_code)))
        self.out = nn.Linear(config.encoder.conformer.d_model, config.codes)

    def codes(self, mel: Tensor) -> Tensor:
        """Return the codes (B, T) of normalized features (B, T_mel, n_mels), T = ceil(T_mel / subsampling)."""
        step = self.config.encoder.conformer.subsampling
        stacked = F.pad(mel, (0, 0, 0, -mel.shape[1] % step)).unflatten(1, (-1, step)).flatten(2)
        return (F.normalize(stacked @ self.projection, dim=2) @ self.codebook.T).argmax(2)

    def masks(self, lengths: Tensor, size: int) -> Tensor:
        """Return (B, size) bool, True in spans drawn at random, of frames of the encoder below `lengths` (B,)."""
        real = length_mask(lengths, size)
        starts = torch.rand(real.shape, device=real.device) < self.config.mask_probability
        one = (torch.rand(len(lengths), device=real.device) * lengths).long()
        starts |= F.one_hot(one, size).bool()
        span = self.config.mask_frames
        spread = F.max_pool1d(F.pad(starts.float()[:, None], (span - 1, 0)), span, stride=1)[:, 0] > 0
        return spread & real

    def forward(self, mel: Tensor, mel_lengths: Tensor) -> Predicted:
        """Hide spans of the features (B, T_mel, n_mels) of `encoder.features` and predict their codes."""
        step = self.config.encoder.conformer.subsampling
        targets = self.codes(mel * length_mask(mel_lengths, mel.shape[1])[:, :, None])
        hidden = self.masks(-(-mel_lengths // step), targets.shape[1])
        frames = hidden.repeat_interleave(step, 1)[:, : mel.shape[1], None]
        outputs, _ = self.encoder.conformer(torch.where(frames, NOISE * torch.randn_like(mel), mel), mel_lengths)
        return Predicted(self.out(outputs), targets, hidden)


def prediction_terms(model: nn.Module, predicted: Predicted) -> dict[str, Mean]:
    """Return `prediction`, the cross-entropy of the codes of hidden frames in nats."""
    logits, targets = predicted.logits[predicted.hidden], predicted.targets[predicted.hidden]
    return {"prediction": Mean(F.cross_entropy(logits, targets), predicted.hidden.sum())}
