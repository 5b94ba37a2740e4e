"""The CTC output layer, and its self-conditioning on what it gave for an earlier layer.

Source: CTC, Graves et al. 2006; self-conditioned CTC (Nozaki and Komatsu 2021), section 3, equations 8 to 10.
Differs: the head normalizes its input, as the outputs of different layers are of different scales.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CTCHead(nn.Module):
    """Hidden vectors to logits of symbols, one head for every layer.

    Args:
        conditioned: whether the distributions after intermediate layers are fed to the layers above.
        scale: a factor of the logits. With 8, a head whose weights begin at zero learns as fast as it has to at a
            learning rate that is right for the trained layers below.
    """

    def __init__(self, d_model: int, n_symbols: int, conditioned: bool, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.norm = nn.LayerNorm(d_model)
        self.out = nn.Linear(d_model, n_symbols)
        self.condition = nn.Linear(n_symbols, d_model) if conditioned else None

    def zero_weights(self) -> None:
        """Set all weights to zero, for a uniform distribution and no conditioning at the start of training."""
        for layer in (self.out, self.condition):
            if layer is not None:
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return logits (B, T, n_symbols), float32, of hidden vectors (B, T, d_model)."""
        logits = self.out(self.norm(hidden)).float()
        return logits if self.scale == 1 else self.scale * logits

    def conditioned(self, hidden: Tensor, logits: Tensor) -> Tensor:
        """Return hidden vectors (B, T, d_model) for the next layer, which know the distribution of these logits."""
        return hidden if self.condition is None else hidden + self.condition(torch.softmax(logits, 2))
