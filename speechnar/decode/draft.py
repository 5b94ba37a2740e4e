"""A draft for a decoder to verify, and the limits of its verification; see `speechnar.decode.speculative`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from speechnar.decode.result import DecodeError


@dataclass(frozen=True)
class VerifyConfig:
    """Limits of speculative decoding; `recipes/english_base/RESULTS.md` has error rates and speed of other choices.

    Attributes:
        iterations: passes of the decoder, at most; what they do not reach stays as the draft has it.
        acceptance_threshold: nats by which the decoder may prefer another token before the draft's token is replaced.
        first_width: tokens that the first pass reads. It is wider than the others: what the decoder predicts far ahead
            rewrites the draft there, and so saves passes.
        width: tokens that a later pass reads, over all its rows, if it has several.
        max_row: tokens of the only row of a later pass, at most.
        tokens_behind_doubt: such a row ends so many tokens behind the first in whose place the decoder preferred
            another when it last read it: there it will probably end what it accepts.
        max_length_ratio, extra_length: a text of more than ratio * (tokens of the draft) + extra tokens is taken for an
            endless repetition and cut.
        max_extra_tokens: tokens behind the draft's last word that are taken before they count as a repetition.
        min_agreed: tokens of a row that the decoder accepts, from which on the draft's place is certain.
        search_range: tokens of the draft, besides two for each of the text since then, among which the next place is
            sought by the spelling.
        skip_cost: of a letter of the draft that the text lacks, as CTC rather writes too many; others that differ cost
            1.
        spelling_tolerance: letters more than the fewest that may differ where the draft continues.
        max_places: places at which the draft may continue by spelling.
        rewrite_difference: share of the letters of the longer spelling that may differ where a word of the draft is
            rewritten; if more differ, the decoder's token belongs to another place.
        free_marks: whether marks are written, and commas left out, without a pass, and a mark behind the draft's last
            token ends the text.
        comma_bonus: nats by which a comma, `;` or `:` may be less probable than the word behind it, where marks are
            free: the draft's stays, and one that the draft lacks is written if it is the decoder's second choice.
    """

    iterations: int = 40
    acceptance_threshold: float = 0.0
    first_width: int = 64
    width: int = 8
    max_row: int = 16
    tokens_behind_doubt: int = 3
    max_length_ratio: float = 1.5
    extra_length: int = 12
    max_extra_tokens: int = 3
    min_agreed: int = 2
    search_range: int = 4
    skip_cost: float = 0.8
    spelling_tolerance: int = 1
    max_places: int = 3
    rewrite_difference: float = 0.7
    free_marks: bool = True
    comma_bonus: float = 0.4

    def __post_init__(self) -> None:
        for name in ("iterations", "acceptance_threshold", "comma_bonus"):
            if getattr(self, name) < 0:
                raise DecodeError(f"{name} is {getattr(self, name)} but should be 0 or more")


@dataclass(frozen=True)
class Draft:
    """A text to verify.

    Attributes:
        tokens: ids of the decoder's tokens.
        acceptance_bonus: for each token, nats that are added to the acceptance threshold; empty for none.
    """

    tokens: Sequence[int]
    acceptance_bonus: Sequence[float] = ()
