"""Levenshtein decoding: a draft is edited until no edit is left; each step deletes, inserts and fills, all at once.

    draft      s e c c s         the best path of CTC
    delete     s   c   s         tokens that the decoder would delete
    insert     s _ c _ s         as many masks at each gap as the decoder predicts
    fill       s i c k s         the most probable tokens

Source: Levenshtein Transformer (Gu et al. 2019), section 3, figure 1.
Differs: the draft is CTC's best path and not an empty text, so that most texts need one step.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from speechnar.decode.greedy import best_path
from speechnar.decode.interface import DecoderInput, EditReader, State, padded
from speechnar.decode.mask_predict import most_probable
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True, eq=False)
class EditState(State):
    """A state with the decoder that edits its tokens.

    Attributes:
        longest: (B,) tokens that a text has at most.
    """

    longest: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    reader: EditReader | None = field(default=None, repr=False)


@dataclass(frozen=True)
class LevenshteinDecoder:
    """Decode by edits of a CTC draft.

    Attributes:
        iterations: number of steps, at most.
        threshold: probability in [0, 1] above which a token is deleted.
    """

    vocabulary: Vocabulary
    iterations: int = 10
    threshold: float = 0.5
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = EditReader

    def first(self, encoder_out: DecoderInput) -> EditState:
        drafts = [best_path(log_probs, self.vocabulary).tokens for log_probs in encoder_out.utterances()]
        tokens, lengths = padded(drafts)
        unjudged = np.full(tokens.shape, -np.inf)
        return EditState(tokens, lengths, unjudged, longest=encoder_out.lengths, reader=encoder_out.reader)

    def step(self, state: EditState) -> EditState:
        reader, mask_id = state.reader, self.vocabulary.mask_id
        assert reader is not None
        texts = state.sequences()
        deletions = reader.predict_deletions(state.tokens, state.token_lengths)
        kept = [[token for token, p in zip(text, row) if p <= self.threshold] for text, row in zip(texts, deletions)]
        counts = reader.predict_insertions(*padded(kept)).tolist()
        masked = [
            _with_masks(text, numbers, mask_id)[:longest]
            for text, numbers, longest in zip(kept, counts, state.longest.tolist())
        ]
        tokens, lengths = padded(masked)
        scores, guesses = most_probable(reader.predict(tokens, lengths), self.vocabulary)
        filled = np.where(tokens == mask_id, guesses, tokens)
        made = replace(state, tokens=filled, token_lengths=lengths, scores=scores)
        return replace(made, done=made.sequences() == texts)


def _with_masks(text: list[int], counts: list[int], mask_id: int) -> list[int]:
    """Return a text of K tokens with a number of masks at each of its K + 1 gaps."""
    found = [mask_id] * counts[0]
    for token, count in zip(text, counts[1:]):
        found += [token, *[mask_id] * count]
    return found
