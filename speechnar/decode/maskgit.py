"""MaskGIT: Mask-Predict that draws its tokens; a token that was not masked again stays.

    first     _  _  _  _  _  _      as many masks as an image has tokens
    step 1    7  3  3  1  9  2      all are drawn
              _  3  _  _  _  _      the least probable are masked again; the schedule says how many
    step 2    8  3  5  1  4  2      ...

Source: Chang et al. 2022, "MaskGIT: Masked Generative Image Transformer", section 3.2; the noise on confidences, which
    shrinks to 0, is that of the authors' code (`choice_temperature`, 4.5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from speechnar.decode.interface import DecoderInput, MaskedReader
from speechnar.decode.mask_predict import MaskedState, lowest, masked_state, masks_left
from speechnar.decode.result import DecodeError
from speechnar.decode.sampling import draw, gumbel
from speechnar.nar.schedules import Schedule


@dataclass(frozen=True)
class MaskGITDecoder:
    """Draw sequences of `DecoderInput.lengths` tokens; of the reader, `predict` alone is used.

    Attributes:
        mask_id: the token of a mask.
        iterations: number of times that tokens are drawn, 1 or more.
        schedule: shape of the share of the tokens that stay masked: "cosine", or "linear" as in Mask-Predict.
        temperature: of the tokens; 0 takes the most probable ones.
        noise: factor of the Gumbel noise on confidences in the first step; falls linearly to 0 in the last one.
        seed: of the draws.
    """

    mask_id: int
    iterations: int = 8
    schedule: str = "cosine"
    temperature: float = 1.0
    noise: float = 4.5
    seed: int = 0
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = MaskedReader

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise DecodeError(f"iterations is {self.iterations} but should be 1 or more")
        for name in ("temperature", "noise"):
            if getattr(self, name) < 0:
                raise DecodeError(f"{name} is {getattr(self, name)} but should be 0 or more")

    def first(self, encoder_out: DecoderInput) -> MaskedState:
        rows = [[self.mask_id] * length for length in encoder_out.lengths.tolist()]
        return masked_state(rows, self.mask_id, encoder_out.reader)

    def step(self, state: MaskedState) -> MaskedState:
        assert state.reader is not None
        masks, rng = state.masks, np.random.default_rng((self.seed, state.step))
        drawn_scores, drawn = draw(state.reader.predict(state.tokens, state.token_lengths), self.temperature, rng)
        tokens, scores = np.where(masks, drawn, state.tokens), np.where(masks, drawn_scores, state.scores)
        left = masks_left(Schedule(1.0, 0.0, self.schedule), (state.step + 1) / self.iterations, state.free)
        noise = self.noise * (1 - (state.step + 1) / self.iterations)
        again = lowest(scores + noise * gumbel(scores.shape, rng), masks, left)
        done = not again.any()
        masked = tokens if done else np.where(again, self.mask_id, tokens)
        return replace(state, tokens=masked, scores=scores, masks=again, done=done)
