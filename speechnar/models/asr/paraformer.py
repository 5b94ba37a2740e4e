"""Paraformer: frames are integrated to one vector a token, and a decoder that sees all of them predicts all tokens.

Source: Paraformer (Gao et al. 2022), section 3: the predictor (continuous integrate-and-fire, `speechnar.nar.cif`), the
    sampler (`speechnar.nar.glancing`), which shows the decoder some of the target in training, and the two-pass
    training without gradient through the first pass. Equation 6, without its minimum-word-error term.
Differs: encoder frames are found by the token position that CTC gives them (`speechnar.layers.cross_attention`); the
    loss is that of the tokens that are not shown, as in GLAT (Qian et al. 2021), section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.config import renamed
from speechnar.layers.blocks import Conv
from speechnar.layers.cross_attention import Memory
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.posterior_decoder import TokenOutput
from speechnar.layers.token_decoder import TokenDecoder
from speechnar.losses.ctc import SMOOTHING, Targets
from speechnar.losses.mean import Mean
from speechnar.losses.objectives import check_objective, text_loss
from speechnar.nar.cif import Fired, integrate_and_fire, quantity_loss
from speechnar.nar.glancing import glance
from speechnar.nar.lengths import length_mask
from speechnar.nar.schedules import Schedule, check_share


@dataclass(frozen=True)
class ParaformerConfig:
    """Sizes of the encoder and the decoder. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        glancing: tokens that the sampler shows for each token that was predicted wrong, in [0, 1], over the training.
        objective: one of `speechnar.losses.objectives`; but for "cross_entropy", of all tokens, shown ones too.
    """

    n_symbols: int = 0
    encoder: CTCEncoderConfig = CTCEncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    glancing: Schedule = field(default=Schedule(0.5, 0.5), metadata=renamed("glancing_ratio"))
    objective: str = "cross_entropy"

    def __post_init__(self) -> None:
        check_objective(self.objective)
        check_share("glancing", self.glancing)


class Paraformer(nn.Module):
    """`forward` encodes features, `fire` integrates frames to tokens, `predict_tokens` decodes all of them at once."""

    def __init__(self, config: ParaformerConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        d = config.encoder.conformer.d_model
        self.encoder = CTCEncoder(config.encoder, audio, config.n_symbols)
        self.decoder = TokenDecoder(config.decoder, d, config.n_symbols)
        self.predictor = Conv(d, d, 3)
        self.weight = nn.Linear(d, 1)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode features (B, T_mel, n_mels) of `encoder.features`."""
        return self.encoder(mel, mel_lengths)

    def weights(self, encoder_out: EncoderOutput) -> Tensor:
        """Return the weight of each frame, (B, T) in (0, 1); padding of any value."""
        hidden, lengths = encoder_out.hidden, encoder_out.lengths
        mask = None if lengths is None else length_mask(lengths, hidden.shape[1])
        return torch.sigmoid(self.weight(F.relu(self.predictor(hidden, mask) + hidden)))[:, :, 0]

    def decode(self, fired: Fired, memory: Memory, shown: Tensor | None = None, tokens: Tensor | None = None) -> Tensor:
        """Return logits (B, N, V) of the tokens.

        Args:
            shown: (B, N) bool, where the decoder reads `tokens` (B, N) and not the vectors that frames gave.
        """
        vectors = fired.vectors
        if shown is not None and tokens is not None:
            vectors = torch.where(shown[:, :, None], self.decoder.embedding(tokens), vectors)
        return self.decoder.out(self.decoder.all_at_once(vectors, fired.lengths, memory)).float()

    def predict_tokens(self, encoder_out: EncoderOutput, blank_id: int) -> TokenOutput:
        """Return the logits of all tokens, as many as the weights sum to."""
        memory = self.decoder.memory(encoder_out, blank_id)
        hidden = self.decoder.projection(encoder_out.hidden)
        fired = integrate_and_fire(hidden, self.weights(encoder_out), encoder_out.lengths)
        return TokenOutput(self.decode(fired, memory), fired.lengths)


def paraformer_terms(model: Paraformer, encoder_out: EncoderOutput, targets: Targets) -> dict[str, Mean]:
    """Return the loss terms of the predictor and the decoder.

    Returns:
        `decoder`, by the config's objective, in nats a token; cross-entropy is that of the tokens that the sampler does
        not show, with smoothed targets; `quantity`, by how much the weights' sum misses the number of tokens.
    """
    tokens, lengths = targets.tokens, targets.token_lengths
    weights = model.weights(encoder_out)
    quantity = quantity_loss(weights, encoder_out.lengths, lengths)
    memory = model.decoder.memory(encoder_out, targets.symbols.blank_id)
    hidden = model.decoder.projection(encoder_out.hidden)
    fired = integrate_and_fire(hidden, weights, encoder_out.lengths, lengths)
    with torch.no_grad():
        predicted = model.decode(fired, memory).argmax(2)
    shown = glance(predicted, tokens, lengths, model.config.glancing.at(targets.progress))
    wanted = length_mask(lengths, tokens.shape[1]) & ~shown
    logits = model.decode(fired, memory, shown, tokens)
    if model.config.objective == "cross_entropy":
        loss = F.cross_entropy(logits[wanted], tokens[wanted], label_smoothing=SMOOTHING)
        decoder = Mean(loss, wanted.sum())
    else:
        objective, blank_id = model.config.objective, targets.symbols.blank_id
        decoder = text_loss(objective, logits, fired.lengths, tokens, lengths, blank_id)
    return {"decoder": decoder, "quantity": Mean(quantity, lengths.new_tensor(len(tokens)))}
