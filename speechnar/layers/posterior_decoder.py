"""A parallel token decoder whose input is the distribution that CTC has for each token.

Source: Paraformer-v2 (An et al. 2024), section 3.1, figure 1: compressed CTC posteriors, embedded by a linear layer,
    whose weights here are the embeddings of the tokens.
Differs: encoder frames are found by the token position that CTC gives them (`speechnar.layers.cross_attention`).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from speechnar.layers.cross_attention import path_positions
from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.token_decoder import TokenDecoder
from speechnar.nar.compression import compress


@dataclass(frozen=True)
class TokenOutput:
    """logits (B, N, V) of all tokens, float32; lengths (B,) tokens."""

    logits: Tensor
    lengths: Tensor


class PosteriorDecoder(nn.Module):
    """CTC posteriors, compressed by an alignment, to logits of all tokens at once."""

    def __init__(self, config: DecoderConfig, d_encoder: int, n_symbols: int) -> None:
        super().__init__()
        self.tokens = TokenDecoder(config, d_encoder, n_symbols)

    def forward(self, encoder_out: EncoderOutput, path: Tensor, blank_id: int) -> TokenOutput:
        """Decode the tokens of an alignment, (B, T) symbols of the frames."""
        found = compress(encoder_out.log_probs.exp(), path, encoder_out.lengths, blank_id)
        memory = self.tokens.memory(encoder_out, blank_id, path_positions(path, blank_id))
        vectors = found.vectors @ self.tokens.embedding.weight
        hidden = self.tokens.all_at_once(vectors, found.lengths, memory)
        return TokenOutput(self.tokens.out(hidden).float(), found.lengths)
