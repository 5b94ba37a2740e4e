"""Imputer: a decoder that fills in the masked frames of an alignment, a constant number of times whatever the length.

Source: Imputer (Chan et al. 2020), section 3. Training: section 3.1, the sum over all alignments that fit the frames
    that are given (`speechnar.losses.imputer`), which are a random part of the best alignment of the target. Decoding,
    in blocks, is in `speechnar.decode.imputer`.
Differs: the best alignment is that of the encoder's own CTC, which is trained with it or before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from speechnar.audio import AudioConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.frame_decoder import FrameRefiner
from speechnar.losses.ctc import Targets, best_paths
from speechnar.losses.imputer import imputer_loss
from speechnar.losses.mean import Mean


@dataclass(frozen=True)
class ImputerConfig:
    """Sizes of the encoder and the decoder. `n_symbols` comes from the data: a training config leaves it out."""

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()


class Imputer(FrameRefiner):
    """`refine` predicts the symbols of all frames from an alignment with masks."""

    def __init__(self, config: ImputerConfig, audio: AudioConfig) -> None:
        super().__init__(config.encoder, config.decoder, audio, config.n_symbols)
        self.config = config


def imputer_terms(model: Imputer, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return `decoder`: the loss of the masked frames, in nats for each token.

    The share of the frames that are masked is drawn for each utterance, from none to all.
    """
    lengths, symbols = encoder_out.lengths, targets.symbols
    assert lengths is not None
    paths = best_paths(encoder_out.log_probs, lengths, targets.tokens, targets.token_lengths, symbols.blank_id)
    masked = torch.rand(paths.shape, device=paths.device) < torch.rand(len(paths), 1, device=paths.device)
    alignment = paths.masked_fill(masked, symbols.mask_id)
    log_probs = model.refine(encoder_out, alignment)
    loss = imputer_loss(
        log_probs, lengths, targets.tokens, targets.token_lengths, alignment, symbols.blank_id, symbols.mask_id
    )
    return {"decoder": Mean(loss, targets.token_lengths.sum())}
