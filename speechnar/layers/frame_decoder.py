"""A model with a decoder over the frames of an alignment: what Align-Refine and Imputer have in common.

It reads a symbol of every frame (a token, the blank or a mask) together with the encoder's vector of the frame, and
predicts the symbols of all frames at once.

Source: Imputer (Chan et al. 2020), section 3, figure 1: the embedded alignment is added to the encoder's vectors.
Differs: Conformer blocks (`speechnar.layers.conformer`), whose rotary positions need no embedding of positions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.layers.conformer import ConformerBlock, ConformerConfig, rotary_turns
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig, EncoderOutput
from speechnar.layers.ctc_head import CTCHead
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.token_decoder import invert
from speechnar.nar.lengths import length_mask

KERNEL_SIZE = 9
"""Width of the convolutions, in frames."""


class FrameDecoder(nn.Module):
    """Embedded symbols of frames and encoder vectors to log-probabilities of the symbols of all frames."""

    def __init__(self, config: DecoderConfig, d_encoder: int, n_symbols: int) -> None:
        super().__init__()
        d = config.d_model
        sizes = ConformerConfig(d, config.n_heads, config.n_layers, config.d_ff, KERNEL_SIZE, dropout=config.dropout)
        self.projection = nn.Linear(d_encoder, d)
        self.embedding = nn.Embedding(n_symbols, d)
        self.blocks = nn.ModuleList(ConformerBlock(sizes) for _ in range(config.n_layers))
        self.head = CTCHead(d, n_symbols, conditioned=False)
        self.d_head = d // config.n_heads
        if config.sees_ctc:
            invert(self.head.out, self.embedding)

    def forward(self, encoder_out: EncoderOutput, alignment: Tensor) -> Tensor:
        """Return natural log-probabilities (B, T, V), float32, given a symbol of each frame, (B, T) int64."""
        x = self.projection(encoder_out.hidden) + self.embedding(alignment)
        lengths = encoder_out.lengths
        mask = None if lengths is None else length_mask(lengths, x.shape[1])
        turns = rotary_turns(x, self.d_head)
        for block in self.blocks:
            x = block(x, turns, mask)
        log_probs: Tensor = torch.log_softmax(self.head(x), 2)
        return log_probs


class FrameRefiner(nn.Module):
    """An encoder and a decoder over frames: `forward` encodes features, `refine` predicts the symbols of all frames."""

    def __init__(self, encoder: CTCEncoderConfig, decoder: DecoderConfig, audio: AudioConfig, n_symbols: int) -> None:
        super().__init__()
        self.encoder = CTCEncoder(encoder, audio, n_symbols)
        self.decoder = FrameDecoder(decoder, encoder.conformer.d_model, n_symbols)

    def forward(self, mel: Tensor, mel_lengths: Tensor | None) -> EncoderOutput:
        """Encode features (B, T_mel, n_mels) of `encoder.features`."""
        return self.encoder(mel, mel_lengths)

    def refine(self, encoder_out: EncoderOutput, alignment: Tensor) -> Tensor:
        """Return log-probabilities (B, T, V) of the symbols of all frames, given an alignment (B, T)."""
        return self.decoder(encoder_out, alignment)
