"""The autoregressive Transformer of text to text, one token after another: the twin of the parallel text models.

With `group` above 1 it predicts so many tokens at once, given the groups before them, as `speechnar.models.
autoregressive.aed` does.

Source: Vaswani et al. 2017. A deep encoder and a shallow decoder (12-1): Kasai et al. 2021. Groups: Wang et al. 2018;
    groups that grow in training: Liu et al. 2020 (`speechnar.nar.schedules`). The beam search is
    `speechnar.decode.autoregressive`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from speechnar.layers.decoder_block import KeyValues, group_mask
from speechnar.layers.transformer import Encoded, SourceMemory, TextModel, TransformerConfig
from speechnar.losses.mean import Mean
from speechnar.losses.pairs import Pairs, check_groups, cross_entropy, next_groups
from speechnar.nar.lengths import length_mask
from speechnar.nar.schedules import stage
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True)
class AutoregressiveTransformerConfig:
    """Sizes of the Transformer. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        group: tokens that are predicted at once, 1 or more; above 1, `semi_autoregressive` is the way to decode.
        curriculum: groups of the stages of training before that of `group`, such as (1, 2) before 4: from one token at
            a time to several. All stages are equally long; a group that stands twice has twice the time.
    """

    n_symbols: int = 0
    transformer: TransformerConfig = TransformerConfig()
    group: int = 1
    curriculum: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_groups((*self.curriculum, self.group))


class AutoregressiveTransformer(TextModel):
    """`forward` encodes, `decode` scores given tokens, `extend` reads more tokens of texts."""

    def __init__(self, config: AutoregressiveTransformerConfig) -> None:
        super().__init__(config.transformer, config.n_symbols)
        self.config = config

    def decode(self, memory: SourceMemory, tokens: Tensor, group: int | None = None) -> Tensor:
        """Return vectors (B, N, d_model), `transformer.logits` of which are those of the token `group` places after.

        Args:
            tokens: (B, N), which begin with `group` `<s>`.
            group: by default that of the config.
        """
        allowed = group_mask(tokens.shape[1], 0, group or self.config.group, tokens.device)
        return self.transformer.decode(self.transformer.placed(self.transformer.embed(tokens)), memory, allowed)[0]

    def extend(
        self, memory: SourceMemory, tokens: Tensor, past: list[KeyValues] | None
    ) -> tuple[Tensor, list[KeyValues]]:
        """Read one more token of each text, or one more group.

        Args:
            memory: of B rows.
            tokens: (R, group) that follow those in `past`, R a multiple of B: the texts of a source stand together. A
                text begins with `group` `<s>`.
            past: keys and values of each layer for the tokens before; None for none.

        Returns:
            Logits (R, group, V) of the token `group` places after each, and keys and values of each layer for all
            tokens.
        """
        before = 0 if past is None else past[0].keys.shape[2]
        x = self.transformer.placed(self.transformer.embed(tokens), before)
        hidden, present = self.transformer.decode(x, memory.each(len(tokens) // len(memory.real)), None, past)
        return self.transformer.logits(hidden), present

    def score(self, encoded: Encoded, tokens: Tensor, token_lengths: Tensor, symbols: Vocabulary) -> Tensor:
        """Return the log-probability (B,) in nats of each text of tokens (B, N), its end included, given its source."""
        given, wanted = next_groups(tokens, token_lengths, self.config.group, symbols)
        hidden = self.decode(self.memory(encoded), given)
        log_probs = self.transformer.logits(hidden).log_softmax(2).gather(2, wanted[:, :, None])[:, :, 0]
        return (log_probs * length_mask(token_lengths + 1, wanted.shape[1])).sum(1)


def next_token_terms(model: AutoregressiveTransformer, pairs: Pairs) -> dict[str, Mean]:
    """Return `decoder`: the cross-entropy of each token, and of the end, given those before; smoothed targets."""
    tokens, lengths, symbols = pairs.tokens, pairs.token_lengths, pairs.symbols
    group = stage((*model.config.curriculum, model.config.group), pairs.progress)
    given, wanted = next_groups(tokens, lengths, group, symbols)
    real = length_mask(lengths + 1, wanted.shape[1])
    hidden = model.decode(model.memory(model(pairs.source, pairs.source_lengths)), given, group)
    return {"decoder": cross_entropy(model.transformer.logits(hidden[real]), wanted, real)}
