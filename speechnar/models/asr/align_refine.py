"""Align-Refine: a decoder that rewrites CTC's alignment, all frames at once, again and again.

Source: Align-Refine (Chi et al. 2021), section 3: the decoder reads an alignment and is trained with CTC on what it
    predicts, as the first input is CTC's best path and each next input the best path of the step before; equation 6
    sums the losses of all steps. Decoding is in `speechnar.decode.align_refine`.
Differs: the symbols of frames are added to the encoder's vectors of the same frames in place of cross-attention, as an
    alignment has one symbol for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from speechnar.audio import AudioConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.frame_decoder import FrameRefiner
from speechnar.losses.ctc import Targets, ctc_loss
from speechnar.losses.mean import Mean


@dataclass(frozen=True)
class AlignRefineConfig:
    """Sizes of the encoder and the decoder. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        training_steps: steps of refinement in training, 1 or more.
    """

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    training_steps: int = 2


class AlignRefine(FrameRefiner):
    """`refine` predicts the symbols of all frames from those of the alignment so far."""

    def __init__(self, config: AlignRefineConfig, audio: AudioConfig) -> None:
        super().__init__(config.encoder, config.decoder, audio, config.n_symbols)
        self.config = config


def refinement_terms(model: AlignRefine, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return `decoder`: the CTC loss of the decoder, in nats for each token, as a mean over the steps."""
    assert encoder_out.lengths is not None
    log_probs, losses = encoder_out.log_probs, []
    for _ in range(model.config.training_steps):
        log_probs = model.refine(encoder_out, log_probs.detach().argmax(2))
        losses.append(
            ctc_loss(log_probs, encoder_out.lengths, targets.tokens, targets.token_lengths, targets.symbols.blank_id)
        )
    return {"decoder": Mean(torch.stack(losses).mean(), targets.token_lengths.sum())}
