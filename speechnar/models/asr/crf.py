"""A conditional random field over the tokens of a parallel decoder: neighbors agree, though all are predicted at once.

Source: NART-CRF (Sun et al. 2019), section 3; the loss is in `speechnar.losses.crf`, the search in
    `speechnar.decode.crf`. The joint loss with cross-entropy is that of section 3.4.
Differs: the parallel decoder is that of Paraformer-v2 (`speechnar.layers.posterior_decoder`), which knows the length.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.posterior_decoder import PosteriorDecoder, TokenOutput
from speechnar.losses.crf import crf_loss
from speechnar.losses.ctc import SMOOTHING, Targets, best_paths
from speechnar.losses.mean import Mean
from speechnar.nar.lengths import length_mask


@dataclass(frozen=True)
class CRFConfig:
    """Sizes of the encoder and the decoder. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        rank: of the transition matrix.
        candidates: tokens of each position that the loss sums over.
    """

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    rank: int = 32
    candidates: int = 32


class CRF(nn.Module):
    """`forward` encodes features, `predict_tokens` gives log-probabilities of each token alone, before transitions."""

    def __init__(self, config: CRFConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)
        self.decoder = PosteriorDecoder(config.decoder, config.encoder.conformer.d_model, config.n_symbols)
        self.left = nn.Embedding(config.n_symbols, config.rank)
        self.right = nn.Embedding(config.n_symbols, config.rank)
        for side in (self.left, self.right):
            nn.init.normal_(side.weight, std=0.1)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode features (B, T_mel, n_mels) of `encoder.features`."""
        return self.encoder(mel, mel_lengths)

    def predict_tokens(self, encoder_out: EncoderOutput, blank_id: int) -> TokenOutput:
        """Return the logits of the tokens at the places of those of CTC's best path."""
        return self.decoder(encoder_out, encoder_out.log_probs.argmax(2), blank_id)


def crf_terms(model: CRF, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return the loss terms of the decoder, in nats a token.

    Returns:
        `crf`, that of whole texts; `decoder`, the cross-entropy of each token alone, with smoothed targets.
    """
    tokens, token_lengths, blank_id = targets.tokens, targets.token_lengths, targets.symbols.blank_id
    assert encoder_out.lengths is not None
    paths = best_paths(encoder_out.log_probs, encoder_out.lengths, tokens, token_lengths, blank_id)
    made = model.decoder(encoder_out, paths, blank_id)
    tokens, real = tokens[:, : made.logits.shape[1]], length_mask(made.lengths, made.logits.shape[1])
    log_probs = made.logits.log_softmax(2)
    whole = crf_loss(log_probs, made.lengths, tokens, model.left.weight, model.right.weight, model.config.candidates)
    alone = F.cross_entropy(made.logits[real], tokens[real], label_smoothing=SMOOTHING)
    number = real.sum()
    return {"crf": Mean(whole.sum() / number.clamp(min=1), number), "decoder": Mean(alone, number)}
