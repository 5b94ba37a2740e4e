"""The Levenshtein Transformer: a target grows from nothing by steps that delete, insert and fill, each all at once.

Source: Gu et al. 2019, "Levenshtein Transformer", sections 3 and 4. Decoding is `speechnar.decode.levenshtein`.
Differs: insertion is learned from the target without a random part of its tokens alone, not from what deletion leaves;
    one decoder serves all three policies, without an early exit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.layers.edit_heads import EditHeads
from speechnar.layers.transformer import SourceMemory, TextModel, TransformerConfig
from speechnar.losses.edits import edit_losses, with_tokens_dropped
from speechnar.losses.mean import Mean
from speechnar.losses.objectives import WITHOUT_BLANKS, check_objective
from speechnar.losses.pairs import Pairs
from speechnar.nar.masking import random_masks


@dataclass(frozen=True)
class TextLevenshteinConfig:
    """Sizes of the Transformer. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        longest_run: the largest number of tokens that are inserted at one gap in one step; the first step writes the
            whole text at one gap.
        objective: of the tokens that are filled in: one of `speechnar.losses.objectives` without "axe".
    """

    n_symbols: int = 0
    transformer: TransformerConfig = TransformerConfig()
    longest_run: int = 63
    objective: str = "cross_entropy"

    def __post_init__(self) -> None:
        check_objective(self.objective, WITHOUT_BLANKS)


class TextLevenshtein(TextModel):
    """`forward` encodes, `memory` prepares cross-attention; one method for each of the three policies."""

    def __init__(self, config: TextLevenshteinConfig) -> None:
        super().__init__(config.transformer, config.n_symbols)
        self.config = config
        self.edges = nn.Parameter(torch.randn(2, config.transformer.d_model))  # stand before and behind each text
        self.heads = EditHeads(config.transformer.d_model, config.longest_run)

    def deletions(self, memory: SourceMemory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N) logits: above 0 to delete a token of (B, N)."""
        return self.heads.deletions(self._hidden(memory, tokens, token_lengths)[:, 1:-1])

    def insertions(self, memory: SourceMemory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N + 1, longest_run + 1) logits of the number of tokens to insert before each token, and last."""
        hidden = self._hidden(memory, tokens, token_lengths)
        return self.heads.insertions(hidden[:, :-1], hidden[:, 1:])

    def choices(self, memory: SourceMemory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return (B, N, V) logits of the token at each position of (B, N) tokens with masks."""
        return self.transformer.logits(self._hidden(memory, tokens, token_lengths)[:, 1:-1])

    def _hidden(self, memory: SourceMemory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Return the vectors (B, N + 2, d_model) of the edge before each text, its tokens, and the edge behind it."""
        x = self.transformer.embed(F.pad(tokens, (1, 1)))
        first, last = self.edges.to(x.dtype)
        places = torch.arange(x.shape[1], device=x.device)[None, :, None]
        x = torch.where(places == 0, first, x)
        x = torch.where(places == token_lengths[:, None, None] + 1, last, x)
        return self.transformer.decode_all(x, token_lengths + 2, memory)


def text_edit_terms(model: TextLevenshtein, pairs: Pairs) -> dict[str, Mean]:
    """Return the losses of `speechnar.losses.edits`.

    Deletion is learned from the targets with some or all tokens masked and filled by the model itself, which is what
    it is given in decoding.
    """
    tokens, lengths, mask_id = pairs.tokens, pairs.token_lengths, pairs.symbols.mask_id
    memory = model.memory(model(pairs.source, pairs.source_lengths))
    texts = [row[:n] for row, n in zip(tokens.tolist(), lengths.tolist())]
    with torch.no_grad():
        hidden = random_masks(tokens, lengths, mask_id)
        filled = hidden.where(hidden != mask_id, model.choices(memory, hidden, lengths).argmax(2))
    wrong = [row[:n] for row, n in zip(filled.tolist(), lengths.tolist())]
    partial = [with_tokens_dropped(text) for text in texts]
    return edit_losses(model, memory, wrong, partial, tokens, lengths, pairs.symbols, model.config.objective)
