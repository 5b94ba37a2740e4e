"""Mask-CTC: mask the tokens of CTC's best path of which CTC is not confident, and fill the masks, easiest first.

    CTC        s  e  c  s         the best path
    first      s  _  _  s         tokens below the threshold are masked
    step 1     s  _     s         each run of masks shrinks to one mask,
               s  _  _  s         and expands to as many as the decoder predicts: 0 deletes, 2 or more insert tokens;
               s  i  _  s         the most probable predictions replace their masks
    step 2     s  i  x  s         the same with the masks that are left, until there is none

Every step takes two passes of the decoder, one for the numbers of masks and one for the tokens; without `resizing` runs
keep their masks, and a step takes one.

Source: Mask-CTC (Higuchi et al. 2020), section 3.3. Dynamic length prediction and shrink-and-expand decoding: Improved
    Mask-CTC (Higuchi et al. 2021), section 3.2.
Differs: a step fills an equal share of the masks that are left, so that `iterations` steps are enough whatever numbers
    are predicted. The authors' code fills the same number of masks in every step, and goes on until none is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from speechnar.decode.greedy import best_path
from speechnar.decode.interface import DecoderInput, MaskedReader, padded
from speechnar.decode.mask_predict import MaskedState, lowest, masked_state, predicted
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True)
class MaskCTCDecoder:
    """Decode by Mask-CTC.

    Attributes:
        threshold: confidence in [0, 1] below which a token of CTC is masked.
        iterations: number of steps in which all masks are filled, 1 or more.
        resizing: whether the decoder predicts how many tokens each run of masks stands for; else as many as CTC has,
            as in Mask-CTC of 2020.
    """

    vocabulary: Vocabulary
    threshold: float = 0.9
    iterations: int = 10
    resizing: bool = True
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = MaskedReader

    def first(self, encoder_out: DecoderInput) -> MaskedState:
        mask_id, rows = self.vocabulary.mask_id, []
        for log_probs in encoder_out.utterances():
            path = best_path(log_probs, self.vocabulary)
            rows.append(np.where(path.confidences >= self.threshold, path.tokens, mask_id).tolist())
        return masked_state(rows, mask_id, encoder_out.reader)

    def step(self, state: MaskedState) -> MaskedState:
        left = self.iterations - state.step
        if self.resizing:
            state = resized(state, self.vocabulary.mask_id)
        if state.done:
            return state
        scores, guesses = predicted(state, self.vocabulary)
        filled = lowest(-scores, state.masks, -(-state.masks.sum(axis=1) // left))
        masks = state.masks & ~filled
        return replace(
            state, tokens=np.where(filled, guesses, state.tokens), scores=np.where(filled, scores, state.scores),
            masks=masks, done=not masks.any(),
        )  # fmt: skip


def resized(state: MaskedState, mask_id: int) -> MaskedState:
    """Return the state in which each run of masks has shrunk and expanded; the other tokens keep their scores."""
    assert state.reader is not None
    after = masked_state(resize_masks(state.sequences(), state.reader, mask_id), mask_id, state.reader)
    after.scores[_known(after)] = state.scores[_known(state)]
    return after


def _known(state: MaskedState) -> np.ndarray:
    """Return which positions (B, N) hold a token that is neither a mask nor padding."""
    return ~state.masks & (np.arange(state.tokens.shape[1]) < state.token_lengths[:, None])


def resize_masks(rows: list[list[int]], reader: MaskedReader, mask_id: int) -> list[list[int]]:
    """Return rows in which each run of masks has the number of masks that the decoder predicts for it."""
    shrunk = [[token for n, token in enumerate(row) if token != mask_id or row[n - 1 : n] != [mask_id]] for row in rows]
    counts = reader.predict_counts(*padded(shrunk)).tolist()
    return [
        [token for token, count in zip(row, numbers) for _ in range(count if token == mask_id else 1)]
        for row, numbers in zip(shrunk, counts)
    ]
