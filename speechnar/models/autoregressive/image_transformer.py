"""The autoregressive twin of MaskGIT: the tokens of an image of a class, row by row, one after another.

Source: the second stage of VQGAN (Esser et al. 2021), section 3.2. The sampling is `speechnar.decode.sampling`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.data.images import ImageTokens
from speechnar.layers.class_transformer import ClassTransformer, ClassTransformerConfig
from speechnar.layers.decoder_block import KeyValues
from speechnar.losses.mean import Mean


class ImageTransformer(nn.Module):
    """`forward` scores given tokens in training, `extend` reads the class, or one more token of each image."""

    def __init__(self, config: ClassTransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = ClassTransformer(config)

    def forward(self, labels: Tensor, tokens: Tensor) -> Tensor:
        """Return logits (B, N, n_codes) of each of the tokens (B, N), given those before it."""
        size = tokens.shape[1]
        causal = torch.ones(size, size, dtype=torch.bool, device=tokens.device).tril()
        hidden, _ = self.transformer(labels, tokens[:, :-1], causal)
        return self.transformer.out(hidden).float()

    def extend(self, labels: Tensor, tokens: Tensor, past: list[KeyValues] | None) -> tuple[Tensor, list[KeyValues]]:
        """Read the class (B,) alone where there is no `past`, and else one more token (B, 1) of each image.

        Returns:
            Logits (B, n_codes) of the next token, and keys and values of each layer for all that was read.
        """
        hidden, present = self.transformer(labels, tokens if past else tokens[:, :0], None, past)
        return self.transformer.out(hidden[:, -1]).float(), present


def raster_terms(model: ImageTransformer, batch: ImageTokens) -> dict[str, Mean | Tensor]:
    """Return `raster`: the cross-entropy of each token given those before it, in nats a token."""
    logits = model(batch.labels, batch.tokens)
    return {"raster": F.cross_entropy(logits.flatten(0, 1), batch.tokens.flatten())}
