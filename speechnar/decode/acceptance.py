"""Decide which tokens of a draft a decoder accepts, and what is written for them.

Capitals and marks cost no pass. Where the decoder prefers the same token with another capital, or another mark, its
token is written in place of the draft's; a mark that it misses is written, and a comma that it does not want is left
out. The tokens behind, in the same pass, are still accepted or rejected as they were read, behind the draft's own
writing: a text without the commas that were written so, after which the decoder expects few. So a comma may be a little
less probable than the word behind it. The first word behind the end of a sentence that the draft lacks gets its
capital. Only the end of a sentence that is none for the decoder costs a pass, as any other token does. The next pass
reads the text as it is written.

Drafts spell numbers, decoders write digits ("three dollars and fifty cents", "$3.50"). So behind a digit nothing is
written that is not the decoder's own choice: no mark without a pass, because it may be a decimal point, and no word of
the draft that is only nearly as probable, because it may be of the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from speechnar.decode.interface import Verdict
from speechnar.text.symbols import Vocabulary

SENTENCE_ENDS = (".", "?", "!", "...")
MARKS = (",", ";", ":")
"""Tokens that are a mark: those behind which a sentence begins, and others."""

QUOTES = "\"'\u201d\u2019"


class Written(NamedTuple):
    """A token of the text.

    Attributes:
        log_prob: what the decoder gives it.
        other, other_log_prob: the best token at its place or, if it is the best itself, the second best, and what the
            decoder gives that; -1 where the reader has no second best ones, or where the place is not that of a token
            that was read.
        bonus: nats that were added to its acceptance threshold.
    """

    token: int
    log_prob: float
    other: int = -1
    other_log_prob: float = -np.inf
    bonus: float = 0.0


@dataclass(frozen=True, eq=False)
class Acceptance:
    """The rule by which tokens are accepted.

    Attributes:
        vocabulary: of the decoder.
        threshold: nats by which the decoder may prefer another token, without the bonus of expected words.
        free_marks: whether marks are written, and commas left out, without a pass.
        comma_bonus: nats by which a comma, `;` or `:` may be less probable than the word behind it, where marks are
            free: the draft's stays, and one that the draft lacks is written if it is the decoder's second choice.
    """

    vocabulary: Vocabulary
    threshold: float
    free_marks: bool
    comma_bonus: float

    def agreed(
        self, row: np.ndarray, thresholds: Sequence[float], verdict: Verdict, n: int, last: int | None
    ) -> list[list[Written]]:
        """Return for each token at the beginning of row `n`, within the draft, that the decoder accepts, what is
        written for it.

        Args:
            row: (N,) tokens of the draft, padded.
            thresholds: acceptance thresholds of those that are not padding, and perhaps of more.
            last: the token before the row that was read, if there is one.
        """
        found: list[list[Written]] = []
        size = min(len(row), len(thresholds))
        tokens, best = row[:size].tolist(), verdict.best[n, :size].tolist()
        given, best_given = verdict.log_probs[n, :size].tolist(), verdict.best_log_probs[n, :size].tolist()
        sentence_begins = False
        for place in range(size):
            following = tokens[place + 1] if place + 1 < size else None
            in_number = last is not None and self.ends_in_digit(last)
            bonus = thresholds[place]
            if np.isfinite(bonus):
                bonus -= self.threshold
            threshold = bonus if in_number else thresholds[place]
            pairs = self._written(
                tokens[place], best[place], given[place], best_given[place], threshold, following, in_number
            )
            if pairs is None:
                break
            second = second_choice(verdict, n, place)
            if len(pairs) == 1 and pairs[0][0] == best[place] and not bonus:
                if self.misses_comma(pairs[0], second, last):
                    pairs.insert(0, second)
            written = [Written(*pair, bonus=bonus) for pair in pairs]
            if len(pairs) == 1 and verdict.second is not None:  # else a mark stands before what was read
                is_best = pairs[0][0] == best[place]
                other, log_prob = second if is_best else (best[place], best_given[place])
                written[0] = written[0]._replace(other=other, other_log_prob=log_prob)
            if sentence_begins and written:
                written[0] = written[0]._replace(token=self._capital(written[0].token))
            sentence_begins = sentence_begins and not written
            if self._ends_sentence(written) and not self._marks.get(tokens[place]):
                sentence_begins = len(written) == 1
                if not sentence_begins:
                    written[1] = written[1]._replace(token=self._capital(written[1].token))
            found.append(written)
            last = written[-1].token if written else tokens[place]
        return found

    def _ends_sentence(self, written: Sequence[Written]) -> bool:
        return bool(written) and self._marks.get(written[0].token, False)

    def _written(
        self,
        token: int,
        best: int,
        log_prob: float,
        best_log_prob: float,
        threshold: float,
        following: int | None,
        in_number: bool,
    ) -> list[tuple[int, float]] | None:
        """Return what is written for a token of the draft, or None if the decoder rejects it.

        Args:
            best: the token that the decoder prefers; `best_log_prob` and `log_prob` are what it gives the two.
            following: the next token of the draft, if the row has it.
            in_number: whether a digit stands before, so that a mark may be a part of the number, as in 3.50 or 6,000.
        """
        marks = self._marks
        if token == best:
            return [(token, log_prob)]
        if self.alike(token, best):
            return [(best, best_log_prob)]
        missed = best in marks and token not in marks
        if in_number:
            return [(token, log_prob)] if best_log_prob - log_prob <= threshold and not missed else None
        if token in marks and best in marks and marks[best] >= marks[token]:
            return [(best, best_log_prob)]
        if self.free_marks:
            if missed and log_prob >= np.log1p(-min(np.exp(best_log_prob), 0.999)) - threshold:
                return [(best, best_log_prob), (token, log_prob)]
            if marks.get(token) is False and following is not None and self.alike(following, best):
                return [(token, log_prob)] if best_log_prob - log_prob <= self.comma_bonus else []
        return [(token, log_prob)] if best_log_prob - log_prob <= threshold else None

    def misses_comma(self, chosen: tuple[int, float], second: tuple[int, float], last: int | None) -> bool:
        """Return whether the second best token is a comma, `;` or `:` that is written before the best one.

        Args:
            chosen, second: the two tokens, with their log-probabilities.
            last: the token before. A comma is written behind a word alone: not at the beginning, nor behind a digit or
                a mark.
        """
        symbols, begins = self.vocabulary.symbols, self.vocabulary.begins_word
        if not self.free_marks or self._marks.get(second[0]) is not False:
            return False
        if last is None or not symbols[last].rstrip(QUOTES)[-1:].isalpha():
            return False
        word_begins = begins[chosen[0]] and any(map(str.isalnum, symbols[chosen[0]]))
        return word_begins and chosen[1] - second[1] <= self.comma_bonus

    def ends_in_digit(self, token: int) -> bool:
        """Return whether a number may go on behind a token."""
        return self.vocabulary.symbols[token][-1:].isdigit()

    def is_mark(self, token: int) -> bool:
        """Return whether a token is a mark behind a word."""
        return token in self._marks

    def is_other(self, token: int, other: int) -> bool:
        """Return whether two tokens differ in more than capitals and marks."""
        return not (self.alike(token, other) or self.is_mark(token) or self.is_mark(other))

    def alike(self, token: int, other: int) -> bool:
        """Return whether two tokens differ in their capitals alone, if at all."""
        symbols = self.vocabulary.symbols
        return symbols[token].lower() == symbols[other].lower()

    def _capital(self, token: int) -> int:
        """Return the token with a capital, of a token that begins a word with a small letter; others as they are."""
        symbol = self.vocabulary.symbols[token]
        capital = symbol[:1] + symbol[1:2].upper() + symbol[2:]
        return self.vocabulary.ids.get(capital, token) if self.vocabulary.begins_word[token] else token

    @cached_property
    def _marks(self) -> dict[int, bool]:
        """Return the tokens that are a mark behind a word, and whether the mark ends a sentence."""
        ids = self.vocabulary.ids
        return {ids[symbol]: symbol in SENTENCE_ENDS for symbol in (*SENTENCE_ENDS, *MARKS) if symbol in ids}


def second_choice(verdict: Verdict, row: int, n: int) -> tuple[int, float]:
    """Return the second best token at a position, and its log-probability; -1 and -inf where it is not known."""
    if verdict.second is None or verdict.second_log_probs is None:
        return -1, -np.inf
    return int(verdict.second[row, n]), float(verdict.second_log_probs[row, n])
