"""MaskGIT: predict all tokens of an image of a class at once, whatever is masked.

Source: Chang et al. 2022, "MaskGIT: Masked Generative Image Transformer", section 3.1 for training. The masks of
    training are in `speechnar.nar.masking`, decoding is in `speechnar.decode.maskgit`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.data.images import ImageTokens
from speechnar.layers.class_transformer import ClassTransformer, ClassTransformerConfig
from speechnar.losses.ctc import SMOOTHING
from speechnar.losses.mean import Mean
from speechnar.nar.masking import random_masks


class MaskGIT(nn.Module):
    """A Transformer over tokens that all see each other. The mask is the token behind the codes, `mask_id`."""

    def __init__(self, config: ClassTransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.mask_id = config.n_codes
        self.transformer = ClassTransformer(config, extra_tokens=1)

    def forward(self, labels: Tensor, tokens: Tensor) -> Tensor:
        """Return logits (B, N, n_codes) of the token at each position of tokens (B, N) with masks."""
        hidden, _ = self.transformer(labels, tokens, None)
        return self.transformer.out(hidden[:, 1:]).float()


def masked_image_terms(model: MaskGIT, batch: ImageTokens) -> dict[str, Mean]:
    """Return `masked`: the cross-entropy of masked tokens, in nats for each mask; smoothed targets."""
    hidden = random_masks(batch.tokens, batch.token_lengths, model.mask_id, "cosine")
    masks = hidden == model.mask_id
    logits = model(batch.labels, hidden)
    return {"masked": Mean(F.cross_entropy(logits[masks], batch.tokens[masks], label_smoothing=SMOOTHING), masks.sum())}
