"""The encoder-decoder Transformer that all text models share: one embedding for source, target and output.

The weights have the same names in every text model, so that each can start from another's (`--init`).

Source: Vaswani et al. 2017, section 3, with pre-normalization. Three uses of one embedding: Press and Wolf 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speechnar.layers.decoder_block import DecoderBlock, DecoderConfig, KeyValues, sinusoids
from speechnar.layers.dropout import Dropout
from speechnar.nar.lengths import length_mask


@dataclass(frozen=True)
class TransformerConfig:
    """Widths and depths of an encoder-decoder Transformer."""

    d_model: int = 256
    n_heads: int = 4
    d_ff: int = 1024
    encoder_layers: int = 6
    decoder_layers: int = 6
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.encoder_layers < 1 or self.decoder_layers < 1:
            layers = f"{self.encoder_layers} and {self.decoder_layers}"
            raise ValueError(f"encoder_layers and decoder_layers are {layers} but should be 1 or more")


@dataclass(frozen=True)
class Encoded:
    """The output of the encoder: hidden (B, S, d_model) and lengths (B,) in tokens."""

    hidden: Tensor
    lengths: Tensor

    def each(self, number: int) -> Encoded:
        """Return the output with each row repeated `number` times in succession."""
        return Encoded(self.hidden.repeat_interleave(number, 0), self.lengths.repeat_interleave(number, 0))


@dataclass(frozen=True)
class SourceMemory:
    """The source as the decoder's cross-attention reads it.

    Attributes:
        layers: keys and values for each layer of the decoder.
        real: (B, 1, 1, S) bool, False in padding.
        encoded: the output of the encoder.
    """

    layers: tuple[KeyValues, ...]
    real: Tensor
    encoded: Encoded

    def each(self, number: int) -> SourceMemory:
        """Return the memory with each row repeated `number` times in succession."""
        if number == 1:
            return self
        rows = torch.arange(len(self.real), device=self.real.device).repeat_interleave(number)
        return SourceMemory(tuple(kv.of(rows) for kv in self.layers), self.real[rows], self.encoded.each(number))


class Transformer(nn.Module):
    """`encode` reads the source, `memory` prepares cross-attention, `decode` runs the decoder, `logits` the output."""

    def __init__(self, config: TransformerConfig, n_symbols: int) -> None:
        super().__init__()
        sizes = DecoderConfig(config.d_model, config.n_heads, config.decoder_layers, config.d_ff, config.dropout)
        self.embedding = nn.Embedding(n_symbols, config.d_model)
        nn.init.normal_(self.embedding.weight, std=config.d_model**-0.5)
        self.dropout = Dropout(config.dropout)
        self.encoder = nn.ModuleList(DecoderBlock(sizes, cross_attention=False) for _ in range(config.encoder_layers))
        self.encoder_norm = nn.LayerNorm(config.d_model)
        self.decoder = nn.ModuleList(DecoderBlock(sizes) for _ in range(config.decoder_layers))
        self.decoder_norm = nn.LayerNorm(config.d_model)

    def embed(self, tokens: Tensor) -> Tensor:
        """Return the vectors (B, N, d_model) of tokens (B, N), without positions."""
        return self.embedding(tokens) * math.sqrt(self.embedding.embedding_dim)

    def placed(self, x: Tensor, start: int = 0) -> Tensor:
        """Add the positions `start`, `start` + 1, ... to vectors (B, N, d_model), and drop out."""
        return self.dropout(x + sinusoids(x, start))

    def encode(self, source: Tensor, source_lengths: Tensor) -> Encoded:
        """Encode tokens (B, S)."""
        real = _attended(source_lengths, source.shape[1])
        x = self.placed(self.embed(source))
        for block in self.encoder:
            x, _ = block(x, real, None)
        return Encoded(self.encoder_norm(x), source_lengths)

    def memory(self, encoded: Encoded) -> SourceMemory:
        """Return the input of cross-attention, which is the same in every step of decoding."""
        layers = tuple(block.memory(encoded.hidden) for block in self.decoder)  # type: ignore[operator]
        return SourceMemory(layers, _attended(encoded.lengths, encoded.hidden.shape[1]), encoded)

    def decode(
        self, x: Tensor, memory: SourceMemory, allowed: Tensor | None, past: list[KeyValues] | None = None
    ) -> tuple[Tensor, list[KeyValues]]:
        """Decode vectors (B, N, d_model), which have their positions and follow those in `past`.

        Args:
            allowed: of self-attention; see `DecoderBlock`.

        Returns:
            Normalized vectors (B, N, d_model), the input of `logits`; and keys and values of each layer for all tokens.
        """
        present = []
        for number, block in enumerate(self.decoder):
            x, keys_values = block(x, allowed, memory.layers[number], memory.real, past[number] if past else None)
            present.append(keys_values)
        return self.decoder_norm(x), present

    def decode_all(self, x: Tensor, lengths: Tensor, memory: SourceMemory) -> Tensor:
        """Decode vectors (B, N, d_model) that all see each other, of `lengths` (B,): normalized vectors."""
        return self.decode(self.placed(x), memory, _attended(lengths, x.shape[1]))[0]

    def logits(self, hidden: Tensor) -> Tensor:
        """Return logits (..., V) of vectors (..., d_model), in float32."""
        return (hidden @ self.embedding.weight.T).float()


def uniform_copy(encoded: Encoded, lengths: Tensor, size: int) -> Tensor:
    """Stretch or shrink the source to other lengths, as the decoder's input: each place has its nearest source token.

        source    a  b  c          of 5:   a  a  b  c  c          of 2:   a  c

    Args:
        lengths: (B,) places; size: the largest of them.

    Returns:
        (B, size, d_model); padding has vectors of no meaning.

    Source: Gu et al. 2018, "Non-Autoregressive Neural Machine Translation", section 3.2.
    """
    places = torch.arange(size, device=lengths.device)[None, :]
    source, wanted = encoded.lengths[:, None], lengths[:, None].clamp(min=1)
    nearest = ((2 * places + 1) * source // (2 * wanted)).clamp(max=encoded.hidden.shape[1] - 1)
    return encoded.hidden.gather(1, nearest[:, :, None].expand(-1, -1, encoded.hidden.shape[2]))


@dataclass(frozen=True)
class TokenLogits:
    """Logits (B, N, V) of the token at each position."""

    logits: Tensor


class TextModel(nn.Module):
    """The base of text models: `forward` encodes the source, `memory` prepares cross-attention."""

    def __init__(self, config: TransformerConfig, n_symbols: int) -> None:
        super().__init__()
        self.transformer = Transformer(config, n_symbols)

    def forward(self, source: Tensor, source_lengths: Tensor) -> Encoded:
        """Encode tokens (B, S)."""
        return self.transformer.encode(source, source_lengths)

    def memory(self, encoded: Encoded) -> SourceMemory:
        """Return the input of the decoder's cross-attention, which is the same in every step of decoding."""
        return self.transformer.memory(encoded)


def _attended(lengths: Tensor, size: int) -> Tensor:
    """Return (B, 1, 1, size) bool, the positions that attention sees: the real ones, and the first in any case."""
    real = length_mask(lengths, size)
    real[:, 0] = True  # attention needs one position at least, in empty sequences too
    return real[:, None, None, :]
