"""Semi-autoregressive decoding: a group of k tokens a step, each group given the groups before it.

    step 1     s i c            the first three tokens at once
    step 2     s i c k s /      the next three, which end the text

Source: Semi-Autoregressive Neural Machine Translation (Wang et al. 2018), section 3, greedy search.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from speechnar.decode.interface import DecoderInput, GroupReader, State, padded, single
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True, eq=False)
class GroupState(State):
    """A text that is not yet finished.

    Attributes:
        group: (k,) the last tokens, which are read next; `<s>` at first.
        past: keys and values of the reader.
        frames: of the encoder; a text has at most as many tokens.
    """

    group: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    past: Any = field(default=None, repr=False)
    frames: int = 0
    reader: GroupReader | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SemiAutoregressiveDecoder:
    """Decode as many tokens a step as the model was trained with."""

    vocabulary: Vocabulary
    iterations: None = None
    batched: ClassVar[bool] = False
    reader: ClassVar[type | None] = GroupReader

    def first(self, encoder_out: DecoderInput) -> GroupState:
        tokens, lengths = padded([()])
        reader: GroupReader = encoder_out.reader
        group = np.full(reader.group, self.vocabulary.bos_id, np.int64)
        single(encoder_out)
        frames = int(encoder_out.lengths[0])
        return GroupState(tokens, lengths, np.zeros((1, 1)), not frames, group=group, frames=frames, reader=reader)

    def step(self, state: GroupState) -> GroupState:
        assert state.reader is not None
        log_probs, past = state.reader.predict_group(state.group, state.past)
        special = np.array(self.vocabulary.is_special)
        special[self.vocabulary.eos_id] = False
        log_probs = np.where(special, -np.inf, log_probs)
        group = log_probs.argmax(axis=1)
        ends = np.flatnonzero(group == self.vocabulary.eos_id)
        new = group[: ends[0]] if len(ends) else group
        before = int(state.token_lengths[0])
        text = np.concatenate([state.tokens[0, :before], new])[: state.frames]
        scores = np.concatenate([state.scores[0, :before], log_probs.max(axis=1)[: len(new)]])[: state.frames]
        tokens, lengths = padded([text])
        done = bool(len(ends)) or len(text) >= state.frames
        return replace(
            state, tokens=tokens, token_lengths=lengths, scores=padded([scores], float)[0], group=group, past=past,
            done=done,
        )  # fmt: skip
