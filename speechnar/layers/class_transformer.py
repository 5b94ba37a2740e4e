"""A Transformer over the tokens of a class: what the parallel decoder of images and its twin have in common.

    class, token 1, token 2, ... -> embeddings and positions -> blocks of self-attention -> logits of tokens

Source: Vaswani et al. 2017, section 3, with pre-normalization. Labels that are hidden in training, for guidance
    without a classifier: Ho and Salimans 2022, section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speechnar.layers.decoder_block import DecoderBlock, DecoderConfig, KeyValues
from speechnar.layers.dropout import Dropout


@dataclass(frozen=True)
class ClassTransformerConfig:
    """Sizes of the Transformer.

    `n_codes`, `n_tokens` and `n_classes` come from the data: a training config leaves them out.

    Attributes:
        n_codes: number of different tokens; n_tokens: of tokens in a sequence; n_classes: of classes.
        blocks: widths and depth.
        class_dropout: share of the training sequences whose class is hidden from the model.
    """

    n_codes: int = 0
    n_tokens: int = 0
    n_classes: int = 0
    blocks: DecoderConfig = DecoderConfig(128, 4, 4, 256, 0.1)
    class_dropout: float = 0.1


class ClassTransformer(nn.Module):
    """`forward` runs the blocks, `out` gives the logits.

    Args:
        extra_tokens: tokens besides the codes that can be read but not written, such as a mask.

    Attributes:
        no_class: the label of an unknown class.
    """

    def __init__(self, config: ClassTransformerConfig, extra_tokens: int = 0) -> None:
        super().__init__()
        d = config.blocks.d_model
        self.no_class = config.n_classes
        self.class_dropout = config.class_dropout
        self.classes = nn.Embedding(config.n_classes + 1, d)
        self.embedding = nn.Embedding(config.n_codes + extra_tokens, d)
        self.positions = nn.Parameter(torch.randn(config.n_tokens + 1, d))
        self.dropout = Dropout(config.blocks.dropout)
        self.blocks = nn.ModuleList(
            DecoderBlock(config.blocks, cross_attention=False) for _ in range(config.blocks.n_layers)
        )
        self.norm = nn.LayerNorm(d)
        self.out = nn.Linear(d, config.n_codes)

    def forward(
        self, labels: Tensor, tokens: Tensor, allowed: Tensor | None, past: list[KeyValues] | None = None
    ) -> tuple[Tensor, list[KeyValues]]:
        """Run the blocks over the class and the tokens behind it.

        Args:
            labels: (B,) classes from 0 to `no_class`; read where there is no `past`, which begins with the class.
            tokens: (B, N) that follow those in `past`.
            allowed: of self-attention; see `DecoderBlock`.
            past: keys and values of each block for the class and the tokens before.

        Returns:
            Normalized vectors (B, 1 + N, d_model), or (B, N, d_model) with a `past`; and keys and values of each block.
        """
        x, start = self.embedding(tokens), past[0].keys.shape[2] if past else 0
        if past is None:
            if self.training:
                hidden = torch.rand(labels.shape, device=labels.device) < self.class_dropout
                labels = labels.masked_fill(hidden, self.no_class)
            x = torch.cat([self.classes(labels)[:, None], x], dim=1)
        x = self.dropout(x + self.positions[start : start + x.shape[1]])
        present = []
        for number, block in enumerate(self.blocks):
            x, keys_values = block(x, allowed, None, past=past[number] if past else None)
            present.append(keys_values)
        return self.norm(x), present
