"""CMLM: a decoder that predicts the masked tokens of a target from the others and from the source, all at once.

Source: Ghazvininejad et al. 2019, "Mask-Predict: Parallel Decoding of Conditional Masked Language Models", sections 2
    and 3. Order-agnostic cross-entropy over a target that is masked as a whole: Du et al. 2021, "Order-Agnostic Cross
    Entropy for Non-Autoregressive Machine Translation". Decoding is `speechnar.decode.mask_predict`.
Differs: the length is predicted from the mean of the encoder's vectors, not from a special token.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from speechnar.layers.length_head import length_head
from speechnar.layers.transformer import SourceMemory, TextModel, TokenLogits, TransformerConfig
from speechnar.losses.mean import Mean
from speechnar.losses.objectives import WITHOUT_BLANKS, check_objective, text_loss
from speechnar.losses.pairs import Pairs, cross_entropy
from speechnar.nar.lengths import length_mask
from speechnar.nar.masking import random_masks
from speechnar.nar.schedules import Schedule, check_share


@dataclass(frozen=True)
class CMLMConfig:
    """Sizes of the Transformer. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        reach: the largest difference between the lengths of source and target that can be told.
        fertility: the largest number of target tokens of a source token; above 0, the length is the sum of all source
            tokens' and `reach` does not count.
        least_masked: smallest share of the tokens of a target that is masked, in [0, 1], over the training.
        objective: one of `speechnar.losses.objectives` without "axe"; "cross_entropy" is of random masks, the others
            of a target that is masked as a whole, for decoding in one iteration.
    """

    n_symbols: int = 0
    transformer: TransformerConfig = TransformerConfig()
    reach: int = 20
    fertility: int = 0
    least_masked: Schedule = Schedule(0.0, 0.0)
    objective: str = "cross_entropy"

    def __post_init__(self) -> None:
        check_objective(self.objective, WITHOUT_BLANKS)
        check_share("least_masked", self.least_masked)


class CMLM(TextModel):
    """`forward` encodes, `memory` prepares cross-attention for all iterations, `decode` fills masks."""

    def __init__(self, config: CMLMConfig) -> None:
        super().__init__(config.transformer, config.n_symbols)
        self.config = config
        self.length = length_head(config.transformer.d_model, config.reach, config.fertility)

    def decode(self, memory: SourceMemory, tokens: Tensor, token_lengths: Tensor, mask_id: int) -> TokenLogits:
        """Predict the token at each position of tokens (B, N) with masks."""
        return TokenLogits(self.transformer.logits(self._hidden(memory, tokens, token_lengths)))

    def _hidden(self, memory: SourceMemory, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        return self.transformer.decode_all(self.transformer.embed(tokens), token_lengths, memory)


def conditional_mask_terms(model: CMLM, pairs: Pairs) -> dict[str, Tensor | Mean]:
    """Return the loss terms of a CMLM, in nats.

    Returns:
        `decoder`, by the config's objective, a mean over masks or tokens; `length`, of the number of tokens.
    """
    tokens, lengths, mask_id = pairs.tokens, pairs.token_lengths, pairs.symbols.mask_id
    encoded = model(pairs.source, pairs.source_lengths)
    length = model.length.loss(encoded, lengths)
    memory = model.memory(encoded)
    if model.config.objective != "cross_entropy":
        logits = model.decode(memory, torch.full_like(tokens, mask_id), lengths, mask_id).logits
        whole = text_loss(model.config.objective, logits, lengths, tokens, lengths, pairs.symbols.blank_id)
        return {"decoder": whole, "length": length}
    hidden = random_masks(tokens, lengths, mask_id, least=model.config.least_masked.at(pairs.progress))
    masks = (hidden == mask_id) & length_mask(lengths, tokens.shape[1])
    logits = model.transformer.logits(model._hidden(memory, hidden, lengths)[masks])
    return {"decoder": cross_entropy(logits, tokens, masks), "length": length}
