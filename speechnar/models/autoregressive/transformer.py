"""The autoregressive Transformer of text to text, one token after another: the twin of the parallel text models.

Source: Vaswani et al. 2017. A deep encoder and a shallow decoder (12-1): Kasai et al. 2021. The beam search is
    `speechnar.decode.autoregressive`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from speechnar.layers.decoder_block import KeyValues
from speechnar.layers.transformer import Encoded, SourceMemory, TextModel, TransformerConfig
from speechnar.losses.mean import Mean
from speechnar.losses.pairs import Pairs, cross_entropy
from speechnar.nar.lengths import length_mask
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True)
class AutoregressiveTransformerConfig:
    """Sizes of the Transformer. `n_symbols` comes from the data: a training config leaves it out."""

    n_symbols: int = 0
    transformer: TransformerConfig = TransformerConfig()


class AutoregressiveTransformer(TextModel):
    """`forward` encodes, `decode` scores given tokens, `extend` reads more tokens of texts."""

    def __init__(self, config: AutoregressiveTransformerConfig) -> None:
        super().__init__(config.transformer, config.n_symbols)
        self.config = config

    def decode(self, memory: SourceMemory, tokens: Tensor) -> Tensor:
        """Return vectors (B, N, d_model), `transformer.logits` of which are those of the token after each.

        The tokens (B, N) begin with `<s>`.
        """
        causal = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool, device=tokens.device).tril()
        return self.transformer.decode(self.transformer.placed(self.transformer.embed(tokens)), memory, causal)[0]

    def extend(
        self, memory: SourceMemory, tokens: Tensor, past: list[KeyValues] | None
    ) -> tuple[Tensor, list[KeyValues]]:
        """Read one more token of each text.

        Args:
            memory: of B rows.
            tokens: (R, 1) that follow those in `past`, R a multiple of B: the texts of a source stand together. A text
                begins with `<s>`.
            past: keys and values of each layer for the tokens before; None for none.

        Returns:
            Logits (R, 1, V) of the token after each, and keys and values of each layer for all tokens.
        """
        before = 0 if past is None else past[0].keys.shape[2]
        x = self.transformer.placed(self.transformer.embed(tokens), before)
        hidden, present = self.transformer.decode(x, memory.each(len(tokens) // len(memory.real)), None, past)
        return self.transformer.logits(hidden), present

    def score(self, encoded: Encoded, tokens: Tensor, token_lengths: Tensor, symbols: Vocabulary) -> Tensor:
        """Return the log-probability (B,) in nats of each text of tokens (B, N), its end included, given its source."""
        wanted = F.pad(tokens, (0, 1)).scatter(1, token_lengths[:, None], symbols.eos_id)
        hidden = self.decode(self.memory(encoded), F.pad(tokens, (1, 0), value=symbols.bos_id))
        log_probs = self.transformer.logits(hidden).log_softmax(2).gather(2, wanted[:, :, None])[:, :, 0]
        return (log_probs * length_mask(token_lengths + 1, wanted.shape[1])).sum(1)


def next_token_terms(model: AutoregressiveTransformer, pairs: Pairs) -> dict[str, Mean]:
    """Return `decoder`: the cross-entropy of each token, and of the end, given those before; smoothed targets."""
    tokens, lengths, symbols = pairs.tokens, pairs.token_lengths, pairs.symbols
    given = F.pad(tokens, (1, 0), value=symbols.bos_id)
    wanted = F.pad(tokens, (0, 1)).scatter(1, lengths[:, None], symbols.eos_id)
    real = length_mask(lengths + 1, wanted.shape[1])
    hidden = model.decode(model.memory(model(pairs.source, pairs.source_lengths)), given)
    return {"decoder": cross_entropy(model.transformer.logits(hidden[real]), wanted, real)}
