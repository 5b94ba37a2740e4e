"""GLAT: all target tokens in one pass; in training the decoder glances at the more of them the worse it still is.

Source: Qian et al. 2021, "Glancing Transformer for Non-Autoregressive Neural Machine Translation", section 3.
Differs: the decoder's input is a uniform copy of the encoder's output, not of the source's embeddings. The tokens that
    were glanced at are in their own positions only; none has a part in the loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from speechnar.layers.length_head import length_head
from speechnar.layers.transformer import SourceMemory, TextModel, TokenLogits, TransformerConfig, uniform_copy
from speechnar.losses.mean import Mean
from speechnar.losses.objectives import WITHOUT_BLANKS, check_objective, text_loss
from speechnar.losses.pairs import Pairs, cross_entropy
from speechnar.nar.glancing import glance
from speechnar.nar.lengths import length_mask
from speechnar.nar.schedules import Schedule, check_share


@dataclass(frozen=True)
class GLATConfig:
    """Sizes of the Transformer. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        reach: the largest difference between the lengths of source and target that can be told.
        fertility: the largest number of target tokens of a source token; above 0, the length is the sum of all source
            tokens' and `reach` does not count.
        glancing: ratio of the tokens glanced at to those predicted wrong, in [0, 1], over the training.
        objective: one of `speechnar.losses.objectives` without "axe"; but for "cross_entropy", of all tokens.
    """

    n_symbols: int = 0
    transformer: TransformerConfig = TransformerConfig()
    reach: int = 20
    fertility: int = 0
    glancing: Schedule = Schedule(0.5, 0.3)
    objective: str = "cross_entropy"

    def __post_init__(self) -> None:
        check_objective(self.objective, WITHOUT_BLANKS)
        check_share("glancing", self.glancing)


class GLAT(TextModel):
    """`forward` encodes, `memory` prepares cross-attention, `decode` predicts the tokens that are not given."""

    def __init__(self, config: GLATConfig) -> None:
        super().__init__(config.transformer, config.n_symbols)
        self.config = config
        self.length = length_head(config.transformer.d_model, config.reach, config.fertility)

    def decode(self, memory: SourceMemory, tokens: Tensor, token_lengths: Tensor, mask_id: int) -> TokenLogits:
        """Predict the token at each position of tokens (B, N); where there is a mask, the input is a copied source."""
        hidden = self._hidden(memory, tokens, token_lengths, tokens != mask_id)
        return TokenLogits(self.transformer.logits(hidden))

    def _hidden(self, memory: SourceMemory, tokens: Tensor, token_lengths: Tensor, given: Tensor) -> Tensor:
        copied = uniform_copy(memory.encoded, token_lengths, tokens.shape[1])
        x = torch.where(given[:, :, None], self.transformer.embed(tokens).to(copied.dtype), copied)
        return self.transformer.decode_all(x, token_lengths, memory)


def glancing_terms(model: GLAT, pairs: Pairs) -> dict[str, Tensor | Mean]:
    """Return the loss terms, in nats.

    Returns:
        `decoder`, by the config's objective; cross-entropy is that of the tokens that were not glanced at, with
        smoothed targets; `length`, of the
        number of tokens.
    """
    tokens, lengths = pairs.tokens, pairs.token_lengths
    encoded = model(pairs.source, pairs.source_lengths)
    memory = model.memory(encoded)
    with torch.no_grad():
        nothing = torch.zeros_like(tokens, dtype=torch.bool)
        predicted = model.transformer.logits(model._hidden(memory, tokens, lengths, nothing)).argmax(2)
        given = glance(predicted, tokens, lengths, model.config.glancing.at(pairs.progress))
    hidden, length = model._hidden(memory, tokens, lengths, given), model.length.loss(encoded, lengths)
    if model.config.objective != "cross_entropy":
        logits, blank_id = model.transformer.logits(hidden), pairs.symbols.blank_id
        whole = text_loss(model.config.objective, logits, lengths, tokens, lengths, blank_id)
        return {"decoder": whole, "length": length}
    wanted = length_mask(lengths, tokens.shape[1]) & ~given
    logits = model.transformer.logits(hidden[wanted])
    return {"decoder": cross_entropy(logits, tokens, wanted), "length": length}
