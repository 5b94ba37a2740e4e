"""CTC of text to text: the source, stretched, is decoded to tokens and blanks at once; no length is predicted.

    source     Ich  komme           stretched     Ich  Ich  komme  komme
                                    tokens        I    _    am     coming

Source: Libovicky and Helcl 2018, "End-to-End Non-Autoregressive Neural Machine Translation with Connectionist Temporal
    Classification", section 3. With glancing at the best alignment: Gu and Kong 2021, "Fully Non-autoregressive Neural
    Machine Translation: Tricks of the Trade", section 3. Aligned cross-entropy in place of CTC: Ghazvininejad et al.
    2020.
Differs: the source is stretched by repeating the encoder's vectors, and the decoder also attends to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from speechnar.layers.transformer import Encoded, SourceMemory, TextModel, TransformerConfig, uniform_copy
from speechnar.losses.axe import axe_loss
from speechnar.losses.ctc import ctc_loss
from speechnar.losses.mean import Mean
from speechnar.losses.pairs import Pairs
from speechnar.nar.ctc import best_alignment
from speechnar.nar.glancing import glance
from speechnar.nar.schedules import Schedule, check_share

OBJECTIVES = ("ctc", "axe")


@dataclass(frozen=True)
class TextCTCConfig:
    """Sizes of the Transformer. `n_symbols` comes from the data: a training config leaves it out.

    Attributes:
        stretch: frames for each source token; a target has at most as many tokens as there are frames.
        glancing: ratio of the frames glanced at to those that are not as in the best alignment, in [0, 1], over the
            training; None for no glancing.
        objective: "ctc", the sum over all alignments; or "axe", the cross-entropy of the best one, in which each token
            has one frame. Decoding is that of CTC in both. With AXE a token may share the frame of the one before at
            the cost of saying it, which for the same token is none: it hardly learns to write "b b".
    """

    n_symbols: int = 0
    transformer: TransformerConfig = TransformerConfig()
    stretch: int = 2
    glancing: Schedule | None = None
    objective: str = "ctc"

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(f"the objective is {self.objective!r} but should be one of {', '.join(OBJECTIVES)}")
        if self.objective == "axe" and self.glancing:
            raise ValueError("glancing is at CTC's best alignment, which AXE does not learn: leave glancing out")
        if self.glancing:
            check_share("glancing", self.glancing)
        if self.stretch < 1:
            raise ValueError(f"stretch is {self.stretch} but should be 1 or more")


@dataclass(frozen=True)
class Frames:
    """The distributions of CTC.

    Attributes:
        log_probs: (B, T, V) float32 natural logarithms; padding of any value.
        lengths: (B,) frames.
    """

    log_probs: Tensor
    lengths: Tensor


class TextCTC(TextModel):
    """`forward` encodes, `frames` decodes."""

    def __init__(self, config: TextCTCConfig) -> None:
        super().__init__(config.transformer, config.n_symbols)
        self.config = config

    def frames(self, encoded: Encoded) -> Frames:
        """Return the distributions of all frames."""
        return self._frames(self.transformer.memory(encoded))

    def _frames(self, memory: SourceMemory, path: Tensor | None = None, given: Tensor | None = None) -> Frames:
        logits, lengths = self._logits(memory, path, given)
        return Frames(logits.log_softmax(2), lengths)

    def _logits(
        self, memory: SourceMemory, path: Tensor | None = None, given: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits (B, T, V) and lengths; the frames that are True in `given` (B, T) see their token in `path`."""
        lengths = memory.encoded.lengths * self.config.stretch
        x = uniform_copy(memory.encoded, lengths, memory.encoded.hidden.shape[1] * self.config.stretch)
        if path is not None and given is not None:
            x = torch.where(given[:, :, None], self.transformer.embed(path).to(x.dtype), x)
        return self.transformer.logits(self.transformer.decode_all(x, lengths, memory)), lengths


def text_ctc_terms(model: TextCTC, pairs: Pairs) -> dict[str, Mean]:
    """Return `ctc` or `axe`, a mean over tokens, in nats; to CTC a pair with more tokens than frames counts as 0."""
    tokens, token_lengths, blank_id = pairs.tokens, pairs.token_lengths, pairs.symbols.blank_id
    memory = model.transformer.memory(model(pairs.source, pairs.source_lengths))
    path = given = None
    if model.config.glancing:
        with torch.no_grad():
            logits, lengths = model._logits(memory)  # need not be normalized to find the best path
            path = best_alignment(logits, lengths, tokens, token_lengths, blank_id)
            is_right = logits.gather(2, path[:, :, None])[:, :, 0] >= logits.amax(2)  # faster than argmax
            predicted = torch.where(is_right, path, -1)
            given = glance(predicted, path, lengths, model.config.glancing.at(pairs.progress))
    frames = model._frames(memory, path, given)
    loss = axe_loss if model.config.objective == "axe" else ctc_loss
    value = loss(frames.log_probs, frames.lengths, tokens, token_lengths, blank_id)
    return {model.config.objective: Mean(value, token_lengths.sum())}
