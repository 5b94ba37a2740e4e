"""Paraformer-v2: all tokens at once, from CTC posteriors that are compressed to one vector a token.

Source: Paraformer-v2 (An et al. 2024), section 3: in training, posteriors are compressed by the best alignment of the
    target, so that they have its length; in recognition by the best path of CTC.
    Aligned cross-entropy: Ghazvininejad et al. 2020; order-agnostic: Du et al. 2021 (`speechnar.losses`).
Differs: the CTC layer can be trained before the decoder and be frozen; the loss is the cross-entropy with smoothed
    targets, or one of these two, which the paper does not have.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.posterior_decoder import PosteriorDecoder, TokenOutput
from speechnar.losses.ctc import SMOOTHING, Targets, best_paths
from speechnar.losses.mean import Mean
from speechnar.losses.objectives import check_objective, text_loss
from speechnar.nar.lengths import length_mask


@dataclass(frozen=True)
class ParaformerV2Config:
    """Sizes of the encoder and the decoder. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        objective: one of `speechnar.losses.objectives`. With "axe", the decoder's positions are the tokens of CTC's
            own best path, as in recognition; else those of the best alignment of the target.
    """

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    objective: str = "cross_entropy"

    def __post_init__(self) -> None:
        check_objective(self.objective)


class ParaformerV2(nn.Module):
    """`forward` encodes features, `predict_tokens` decodes all tokens of CTC's best path at once."""

    def __init__(self, config: ParaformerV2Config, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)
        self.decoder = PosteriorDecoder(config.decoder, config.encoder.conformer.d_model, config.n_symbols)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode features (B, T_mel, n_mels) of `encoder.features`."""
        return self.encoder(mel, mel_lengths)

    def predict_tokens(self, encoder_out: EncoderOutput, blank_id: int) -> TokenOutput:
        """Return the logits of the tokens at the places of those of CTC's best path."""
        return self.decoder(encoder_out, encoder_out.log_probs.argmax(2), blank_id)


def posterior_terms(model: ParaformerV2, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return `decoder`, by the config's objective, in nats a token; cross-entropy has smoothed targets.

    Where an utterance has no text by CTC, AXE takes the places of its target, as the other objectives do.
    """
    tokens, token_lengths, blank_id = targets.tokens, targets.token_lengths, targets.symbols.blank_id
    assert encoder_out.lengths is not None
    paths = best_paths(encoder_out.log_probs, encoder_out.lengths, tokens, token_lengths, blank_id)
    objective = model.config.objective
    if objective == "axe":
        own = encoder_out.log_probs.argmax(2)
        heard = ((own != blank_id) & length_mask(encoder_out.lengths, own.shape[1])).any(1)
        paths = own.where(heard[:, None], paths)
    made = model.decoder(encoder_out, paths, blank_id)
    if objective != "cross_entropy":
        return {"decoder": text_loss(objective, made.logits, made.lengths, tokens, token_lengths, blank_id)}
    real = length_mask(made.lengths, made.logits.shape[1])
    wanted = tokens[:, : real.shape[1]][real]
    return {"decoder": Mean(F.cross_entropy(made.logits[real], wanted, label_smoothing=SMOOTHING), real.sum())}
