"""A decoder over tokens with cross-attention to a CTC encoder: the part that Mask-CTC and its twin have in common.

Source: Vaswani et al. 2017, section 3.
Differs: encoder frames are found by the token position that CTC gives them (`speechnar.layers.cross_attention`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speechnar.layers.cross_attention import Memory, sinusoids_at, token_positions
from speechnar.layers.ctc_encoder import EncoderOutput
from speechnar.layers.decoder_block import DecoderBlock, DecoderConfig, KeyValues, sinusoids
from speechnar.layers.dropout import Dropout
from speechnar.nar.lengths import length_mask

OLD_NAMES = {name: f"decoder.{name}" for name in ("embedding.", "blocks.", "norm.", "out.")}
OLD_NAMES |= {"memory.": "decoder.projection."}
"""Names of the weights in models of earlier versions, which had no module `decoder`."""


def invert(out: nn.Linear, embedding: nn.Embedding) -> None:
    """Start an output layer as the transpose of an embedding, so that it finds the token of an embedding."""
    with torch.no_grad():
        out.weight.copy_(embedding.weight / embedding.embedding_dim**0.5)
        out.bias.zero_()


def copy_memory(block: DecoderBlock) -> None:
    """Start a layer whose cross-attention adds the vectors that it finds as they are."""
    with torch.no_grad():
        for layer in (block.cross_kv, block.cross_project):
            d = layer.in_features
            layer.weight[-d:].copy_(torch.eye(d))
            layer.bias[-d:].zero_()


class TokenDecoder(nn.Module):
    """Token embedding, sinusoidal positions, `DecoderBlock`s, and the output layer `out`."""

    def __init__(self, config: DecoderConfig, d_encoder: int, n_symbols: int) -> None:
        super().__init__()
        d = config.d_model
        self.projection = nn.Linear(d_encoder, d)
        self.embedding = nn.Embedding(n_symbols, d)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(d)
        self.out = nn.Linear(d, n_symbols)
        self.sees_ctc = config.sees_ctc
        if config.sees_ctc:
            invert(self.out, self.embedding)
            copy_memory(self.blocks[0])  # type: ignore[arg-type]

    def memory(self, encoder_out: EncoderOutput, blank_id: int, positions: Tensor | None = None) -> Memory:
        """Return the input of cross-attention, which is the same in every step of decoding.

        Args:
            positions: token positions of the frames in other texts than CTC's best path, (B, T), or (texts, T) for a
                batch of one.
        """
        hidden = self.projection(encoder_out.hidden)
        if self.sees_ctc:
            hidden = hidden + encoder_out.log_probs.exp() @ self.embedding.weight
        if positions is None:
            positions = token_positions(encoder_out.log_probs, blank_id)
        hidden = hidden + sinusoids_at(positions, hidden.shape[2]).to(hidden.dtype)
        if encoder_out.lengths is not None:
            positions = positions.where(length_mask(encoder_out.lengths, positions.shape[1]), torch.inf)
        return Memory(tuple(block.memory(hidden) for block in self.blocks), positions)  # type: ignore[operator]

    def forward(
        self,
        tokens: Tensor,
        memory: Memory,
        bias: Tensor,
        allowed: Tensor | None,
        past: list[KeyValues] | None = None,
    ) -> tuple[Tensor, list[KeyValues]]:
        """Decode tokens (B, N), which follow those in `past`; arguments and results are those of `decode`."""
        return self.decode(self.embedding(tokens), memory, bias, allowed, past)

    def all_at_once(self, vectors: Tensor, lengths: Tensor, memory: Memory) -> Tensor:
        """Decode vectors (B, N, d_model) of tokens, each of which sees all others; lengths: (B,).

        Returns:
            Normalized vectors (B, N, d_model), the input of `out`.
        """
        mask = length_mask(lengths, vectors.shape[1])
        mask[:, 0] = True  # attention needs one position at least, in empty sequences too
        return self.decode(vectors, memory, memory.distance_bias(vectors.shape[1]), mask[:, None, None, :])[0]

    def decode(
        self,
        vectors: Tensor,
        memory: Memory,
        bias: Tensor,
        allowed: Tensor | None,
        past: list[KeyValues] | None = None,
    ) -> tuple[Tensor, list[KeyValues]]:
        """Decode vectors (B, N, d_model) of tokens, which follow those in `past`.

        Args:
            bias: of cross-attention, (B, n_heads, N, T): see `Memory.distance_bias`.
            allowed: of self-attention; see `DecoderBlock`.
            past: keys and values of each layer for the tokens before.

        Returns:
            Normalized vectors (B, N, d_model), the input of `out`; and keys and values of each layer for all tokens.
        """
        x = self.dropout(vectors + sinusoids(vectors, past[0].keys.shape[2] if past else 0))
        present = []
        for number, block in enumerate(self.blocks):
            x, keys_values = block(x, allowed, memory.layers[number], bias, past[number] if past else None)
            present.append(keys_values)
        return self.norm(x), present
