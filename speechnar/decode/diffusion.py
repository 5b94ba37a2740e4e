"""Masked (absorbing-state) diffusion: a canvas of masks that turn into tokens, which stay as they are.

    first      _ _ _ _ _ _        a canvas that is longer than the text: what is left over becomes `</s>`
    step 1     s _ _ _ _ /        as many masks are replaced as the schedule says, the most confident ones
    step 2     s i _ k _ /        or, sampled, ones drawn at random, by tokens drawn from their distributions
    step 3     s i c k / /

Source: Whisfusion (Kwok et al. 2025), section 3: diffusion decoding of text on a frozen Whisper encoder, by confidence.
    Absorbing-state diffusion: Austin et al. 2021 (D3PM), section 3.1; with the linear schedule, each mask that is left
    is replaced in step s of S with the probability 1 / (S - s), as in Sahoo et al. 2024 (MDLM), section 3.2.
Differs: the canvas is as long as CTC's best path and `MARGIN` more, and not of a fixed length.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from speechnar.decode.greedy import best_path
from speechnar.decode.interface import DecoderInput, MaskedReader
from speechnar.decode.mask_predict import MaskedState, lowest, masked_state
from speechnar.text.symbols import Vocabulary

MARGIN = 4
"""Positions of the canvas beyond the tokens of CTC's best path."""


@dataclass(frozen=True, eq=False)
class DiffusionState(MaskedState):
    """A canvas; `random` draws the samples."""

    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0), repr=False)


@dataclass(frozen=True)
class DiffusionDecoder:
    """Decode by masked diffusion.

    Attributes:
        iterations: number of steps, 1 or more.
        sampled: whether positions and tokens are drawn at random; else the most confident tokens come first.
        seed: of what is drawn.
    """

    vocabulary: Vocabulary
    iterations: int = 10
    sampled: bool = False
    seed: int = 0
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = MaskedReader

    def first(self, encoder_out: DecoderInput) -> DiffusionState:
        mask_id = self.vocabulary.mask_id
        paths = [best_path(log_probs, self.vocabulary) for log_probs in encoder_out.utterances()]
        made = masked_state([[mask_id] * (len(path.tokens) + MARGIN) for path in paths], mask_id, encoder_out.reader)
        return DiffusionState(**vars(made), random=np.random.default_rng(self.seed))

    def step(self, state: DiffusionState) -> DiffusionState:
        assert state.reader is not None
        left = self.iterations - state.step
        log_probs = state.reader.predict(state.tokens, state.token_lengths)
        special = np.array(self.vocabulary.is_special)
        special[self.vocabulary.eos_id] = False
        log_probs = np.where(special, -np.inf, log_probs)
        if self.sampled:
            noise = state.random.gumbel(size=log_probs.shape)
            tokens = (log_probs + noise).argmax(axis=2)
            chosen = state.masks & (state.random.random(state.masks.shape) < 1 / left)
        else:
            tokens = log_probs.argmax(axis=2)
            number = -(-state.masks.sum(axis=1) // left)
            chosen = lowest(-log_probs.max(axis=2), state.masks, number)
        scores = np.take_along_axis(log_probs, tokens[:, :, None], axis=2)[:, :, 0]
        masks = state.masks & ~chosen
        made = replace(
            state, tokens=np.where(chosen, tokens, state.tokens), scores=np.where(chosen, scores, state.scores),
            masks=masks, done=not masks.any(),
        )  # fmt: skip
        return self._without_ends(made) if made.done else made

    def _without_ends(self, state: DiffusionState) -> DiffusionState:
        """Return a finished state whose texts end at their first `</s>`."""
        ends = (state.tokens == self.vocabulary.eos_id) & state.free
        size = state.tokens.shape[1]
        first = np.where(ends.any(axis=1), ends.argmax(axis=1), size)
        return replace(state, token_lengths=np.minimum(first, state.token_lengths))
