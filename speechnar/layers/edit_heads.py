"""The output layers of a decoder that edits texts: which tokens to delete, and how many to insert at each gap.

Source: Levenshtein Transformer (Gu et al. 2019), section 3.2, equations 4 and 5.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EditHeads(nn.Module):
    """Two linear layers over the decoder's vectors of texts.

    Args:
        longest_run: the largest number of tokens that are inserted at one gap in one step.
    """

    def __init__(self, d_model: int, longest_run: int) -> None:
        super().__init__()
        self.delete_out = nn.Linear(d_model, 1)
        self.insert_out = nn.Linear(2 * d_model, longest_run + 1)

    def deletions(self, tokens: Tensor) -> Tensor:
        """Return (B, N) logits, above 0 to delete a token, of the tokens' vectors (B, N, d_model)."""
        return self.delete_out(tokens).float()[:, :, 0]

    def insertions(self, before: Tensor, after: Tensor) -> Tensor:
        """Return (B, G, longest_run + 1) logits of the number of tokens to insert at each of G gaps.

        Args:
            before, after: (B, G, d_model), the vectors of what stands on each side of a gap.
        """
        return self.insert_out(torch.cat([before, after], 2)).float()
