"""Speculative decoding: an autoregressive decoder verifies a draft, many tokens in one pass.

    draft     the  night  before  she  left
    decoder   the  knight             predicts every position in one pass; the first difference ends what it accepts
    rows           before  she  left  behind its own token the draft continues where it is spelled like the text that
                   night  before ...  was written since the two last agreed; at several places, if these are as like
    decoder                           reads all rows in one pass; the row with the longest accepted beginning is taken

Where the draft is right, no token is predicted one by one. A wrong token costs a pass, unless the decoder has read on
behind another wrong token and predicted a similarly spelled token here: then the draft has been rewritten already. With
an acceptance threshold of 0 and enough iterations, the words are those that the decoder would write token by token.
Decoders of speech may repeat themselves endlessly: what they write far behind the end of the draft is left out.

Capitals and marks cost no pass: see `speechnar.decode.acceptance`.

Source: Stern et al. 2018, "Blockwise Parallel Decoding for Deep Autoregressive Models", section 3; Leviathan et al.
    2023, "Fast Inference from Transformers via Speculative Decoding", section 2.
Differs: the draft is a CTC text, all at once. Behind a wrong token it is taken up again by its spelling, and where the
    place is not clear, at several places at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from speechnar.decode.acceptance import Acceptance, Written, second_choice
from speechnar.decode.draft import Draft, VerifyConfig
from speechnar.decode.greedy import best_path
from speechnar.decode.interface import BranchReader, DecoderInput, DraftReader, State, Verdict, single
from speechnar.decode.passes import Passes
from speechnar.decode.spelling import edit_distances
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True, eq=False)
class SpeculativeState(State):
    """The accepted text and what is left of the draft; `tokens` is both, `scores` is -inf where the draft is left.

    Attributes:
        accepted: tokens that the decoder accepted or wrote.
        draft, thresholds: the whole draft as it is rewritten, and the acceptance threshold of each of its tokens.
        doubted: for each of its tokens, whether the decoder preferred another when it last read it, one that differs in
            more than capitals and marks.
        starts: places in the draft that the rows of the next pass begin at.
        agreed_to: number of accepted tokens, and of the draft's, up to which the two agree.
        limit: tokens of the text, at most.
        words: number of words in the draft at first.
        extra: tokens that were written behind the draft's last word.
    """

    accepted: tuple[Written, ...] = ()
    draft: tuple[int, ...] = ()
    thresholds: tuple[float, ...] = ()
    doubted: tuple[bool, ...] = ()
    starts: tuple[int, ...] = (0,)
    agreed_to: tuple[int, int] = (0, 0)
    limit: int = 0
    words: int = 0
    extra: int = 0
    reader: DraftReader | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SpeculativeDecoder:
    """Verify a draft with an autoregressive decoder.

    Attributes:
        vocabulary: of the decoder; its draft is written in the same tokens.
        draft: returns the draft of an utterance.
        max_tokens: tokens that the decoder can read, at most.
    """

    vocabulary: Vocabulary
    draft: Callable[[DecoderInput], Draft]
    max_tokens: int
    config: VerifyConfig = VerifyConfig()
    batched: ClassVar[bool] = False
    reader: ClassVar[type | None] = DraftReader

    @cached_property
    def acceptance(self) -> Acceptance:
        """The rule by which the decoder accepts tokens of the draft."""
        config = self.config
        return Acceptance(self.vocabulary, config.acceptance_threshold, config.free_marks, config.comma_bonus)

    @property
    def iterations(self) -> int:
        return self.config.iterations

    def first(self, encoder_out: DecoderInput) -> SpeculativeState:
        draft = self.draft(encoder_out)
        tokens, bonus = tuple(draft.tokens), draft.acceptance_bonus or [0.0] * len(draft.tokens)
        thresholds = tuple(self.config.acceptance_threshold + extra for extra in bonus)
        limit = min(self.max_tokens, int(self.config.max_length_ratio * len(tokens)) + self.config.extra_length)
        empty = SpeculativeState(*_row((), ()), reader=encoder_out.reader)
        return self._state(
            empty, draft=tokens, thresholds=thresholds, doubted=(False,) * len(tokens), limit=limit,
            words=self._n_words(tokens),
        )  # fmt: skip

    def step(self, state: SpeculativeState) -> SpeculativeState:
        assert state.reader is not None
        rows = self.rows(state)
        return self.judged(state, rows, state.reader.read(rows))

    def judged(self, state: SpeculativeState, rows: np.ndarray, verdict: Verdict) -> SpeculativeState:
        """Take the row of the draft, of those that were read, with the longest accepted beginning."""
        assert state.reader is not None
        vocabulary, starts = self.vocabulary, state.starts
        last = state.accepted[-1].token if state.accepted else None
        agreed = [
            self.acceptance.agreed(row, state.thresholds[start:], verdict, n, last)
            for n, (row, start) in enumerate(zip(rows, starts))
        ]
        row = int(np.argmax([len(taken) for taken in agreed]))
        n, place = len(agreed[row]), starts[row] + len(agreed[row])
        accepted = (*state.accepted, *(written for taken in agreed[row] for written in taken))
        token = int(verdict.best[row, n])
        is_expected = place < len(state.draft) and state.thresholds[place] > self.config.acceptance_threshold
        if is_expected and token != state.draft[place] and 0 < n == rows.shape[1]:  # the next pass reads the draft's
            self._keep(state.reader, rows, row, agreed[row])
            agreed_to = (len(accepted), place) if n >= self.config.min_agreed else state.agreed_to
            return self._state(state, accepted=accepted, starts=(place,), agreed_to=agreed_to)
        if token == vocabulary.eos_id:
            self._keep(state.reader, rows, row, agreed[row], token)
            return self._state(state, accepted=accepted, ended=True)
        in_number = bool(accepted) and self.acceptance.ends_in_digit(accepted[-1].token)
        chosen, second = (token, float(verdict.best_log_probs[row, n])), second_choice(verdict, row, n)
        last = accepted[-1].token if accepted else None
        behind: tuple[Written, ...] = (Written(*chosen, *second),)
        if place < len(state.draft) and not is_expected and self.acceptance.misses_comma(chosen, second, last):
            behind = (Written(*second), Written(*chosen))
        self._keep(state.reader, rows, row, agreed[row], *(written.token for written in behind))
        accepted = (*accepted, *behind)
        extra = state.extra + (place >= len(state.draft) and self._n_words(w.token for w in accepted) > state.words)
        if extra > self.config.max_extra_tokens:
            return self._state(state, accepted=accepted[:-extra], ended=True)
        if self.config.free_marks and place >= len(state.draft) and self.acceptance.is_mark(token) and not in_number:
            return self._state(state, accepted=accepted, extra=extra, ended=True)
        draft, thresholds, doubted = list(state.draft), list(state.thresholds), list(state.doubted)
        self._rewrite(draft, thresholds, doubted, starts[row], place + 1, verdict, row)
        agreed_to = (len(accepted) - 1, place) if n >= self.config.min_agreed else state.agreed_to
        return self._state(
            state, accepted=accepted, draft=tuple(draft), thresholds=tuple(thresholds),
            doubted=tuple(doubted), agreed_to=agreed_to,
            starts=tuple(self._continuations(draft, place, accepted, *agreed_to)), extra=extra,
        )  # fmt: skip

    @staticmethod
    def _keep(
        reader: DraftReader, rows: np.ndarray, row: int, agreed: Sequence[Sequence[Written]], *behind: int
    ) -> None:
        """Append to the reader's text what was written for the first tokens of a row, and what is behind them.

        What was read as it is written need not be read again.
        """
        as_read = [[written.token for written in taken] == [read] for taken, read in zip(agreed, rows[row])]
        same = [*as_read, False].index(False)
        again = [*(written.token for taken in agreed[same:] for written in taken), *behind]
        if not again and same:  # the reader has to read on behind a token
            same, again = same - 1, [int(rows[row, same - 1])]
        if again:
            reader.keep(row, same, *again)

    def branch(self, state: SpeculativeState, n: int) -> SpeculativeState:
        """Return the state in which accepted token `n` is what it might be instead, and the text behind it a draft.

        A mark at the end of the text is no part of the draft: a mark there ends a text, as it does behind any draft.
        """
        assert isinstance(state.reader, BranchReader)
        written, rest = state.accepted[n], state.accepted[n + 1 :]
        if rest and self.acceptance.is_mark(rest[-1].token):
            rest = rest[:-1]
        changed = Written(written.other, written.other_log_prob)
        return self._state(
            SpeculativeState(*_row((), ()), reader=state.reader.branch(n, written.other)),
            accepted=(*state.accepted[:n], changed), draft=tuple(each.token for each in rest),
            thresholds=tuple(self.config.acceptance_threshold + each.bonus for each in rest), limit=state.limit,
            doubted=(False,) * len(rest), words=state.words, agreed_to=(n + 1, 0),
        )  # fmt: skip

    def complete(self, state: SpeculativeState, rest: Sequence[Written]) -> SpeculativeState:
        """Return the state with more accepted tokens, which end the text."""
        return self._state(state, accepted=(*state.accepted, *rest), ended=True)

    def _state(self, state: SpeculativeState, ended: bool = False, **changes: object) -> SpeculativeState:
        """Return the state with some fields changed, and those that follow from them."""
        state = replace(state, **changes)  # type: ignore[arg-type]
        rest = () if ended else state.draft[state.starts[0] :]
        tokens, lengths, scores = _row(
            (*(written.token for written in state.accepted), *rest), [written.log_prob for written in state.accepted]
        )
        done = ended or len(state.accepted) >= state.limit
        return replace(state, tokens=tokens, token_lengths=lengths, scores=scores, done=done)

    def rows(self, state: SpeculativeState) -> np.ndarray:
        """Return the rows of the next pass, (B, N): the draft from each of its starts on, padded with `</s>`."""
        draft, starts = state.draft, state.starts
        width = min(self._width(state), state.limit - len(state.accepted), len(draft) - min(starts))
        rows = np.full((len(starts), width), self.vocabulary.eos_id)
        for row, start in zip(rows, starts):
            its = draft[start : start + len(row)]
            row[: len(its)] = its
        return rows

    def _width(self, state: SpeculativeState) -> int:
        """Return the number of tokens of each row of the next pass, at most."""
        config, starts = self.config, state.starts
        if not state.step:
            return config.first_width
        if len(starts) > 1:
            return max(1, config.width // len(starts))
        ahead = (*state.doubted[starts[0] : starts[0] + config.max_row], True)
        return min(config.max_row, ahead.index(True) + 1 + config.tokens_behind_doubt)

    def _n_words(self, tokens: Iterable[int]) -> int:
        return sum(self.vocabulary.begins_word[token] for token in tokens)

    def _rewrite(
        self,
        draft: list[int],
        thresholds: list[float],
        doubted: list[bool],
        start: int,
        first: int,
        verdict: Verdict,
        row: int,
    ) -> None:
        """Rewrite the draft, in place, behind a wrong token, where the decoder has read on.

        From the place on where a wrong word would cost another pass, the rest of each whole word becomes the one token
        that the decoder predicts there, if the two are spelled alike; if they are not, the row was compared at the
        wrong place. What is rewritten is still a draft. `doubted` is brought up to date.

        Args:
            start: place in the draft that the row begins at.
            first: first place that may be rewritten.
        """
        vocabulary = self.vocabulary
        end = min(start + verdict.log_probs.shape[1], len(draft))
        edges = [n for n in range(first, end) if vocabulary.begins_word[draft[n]]]
        usual = min(thresholds, default=0.0)
        for place in range(first, end):
            best, best_log_prob = int(verdict.best[row, place - start]), verdict.best_log_probs[row, place - start]
            lacking = float(best_log_prob - verdict.log_probs[row, place - start])
            doubted[place] = lacking > thresholds[place] and self.acceptance.is_other(draft[place], best)
        for a, b in reversed(list(zip(edges, edges[1:]))):
            lacking = verdict.best_log_probs[row, a - start : b - start] - verdict.log_probs[row, a - start : b - start]
            wrong = np.flatnonzero(lacking > thresholds[a:b])
            if not len(wrong):
                continue
            place = a + int(wrong[0])
            token = int(verdict.best[row, place - start])
            if token == vocabulary.eos_id or (place == a and not vocabulary.begins_word[token]):
                continue
            before, after = "".join(vocabulary.symbols[old] for old in draft[place:b]), vocabulary.symbols[token]
            if edit_distances(after, [before])[1] <= self.config.rewrite_difference * max(len(before), len(after)):
                draft[place:b] = [token]
                thresholds[place:b] = [usual]
                doubted[place:b] = [False]

    def _continuations(
        self, draft: Sequence[int], place: int, accepted: Sequence[Written], first: int, start: int
    ) -> list[int]:
        """Return the places at which the draft may continue behind the decoder's last token, the most probable first.

        They are those up to which the draft is spelled like the text, from where the two last agreed.

        Args:
            place: of the draft's token in whose place the decoder's last one was written.
            first, start: where the two agreed, in the text and in the draft.
        """
        if place >= len(draft) or draft[place] == accepted[-1].token:
            return [min(place + 1, len(draft))]
        config, symbols = self.config, self.vocabulary.symbols
        written = "".join(symbols[each.token] for each in accepted[first:]).lower()
        end = start + 2 * (len(accepted) - first) + config.search_range
        spelled = [symbols[token].lower() for token in draft[start:end]]
        distances = edit_distances(written, spelled, config.skip_cost)
        near = [n for n, distance in enumerate(distances) if distance <= min(distances) + config.spelling_tolerance]
        return [start + n for n in sorted(near, key=distances.__getitem__)][: config.max_places]


def greedy_draft(vocabulary: Vocabulary) -> Callable[[DecoderInput], Draft]:
    """Return the function that makes a draft of CTC's best path, for a decoder with the vocabulary of CTC."""
    return lambda encoder_out: Draft(best_path(single(encoder_out), vocabulary).tokens.tolist())


def verify(decoder: SpeculativeDecoder, reader: DraftReader) -> Passes[SpeculativeState]:
    """Verify a draft that needs no output of an encoder. `scores` are -inf where the decoder read nothing."""
    state = decoder.first(DecoderInput(np.empty((1, 0, 0)), np.zeros(1, np.int64), reader))
    while not state.done and state.step < decoder.iterations:
        state = yield from next_pass(decoder, state)
    return state


def next_pass(decoder: SpeculativeDecoder, state: SpeculativeState) -> Passes[SpeculativeState]:
    """Return the state after one more pass."""
    assert state.reader is not None
    rows = decoder.rows(state)
    verdict = yield state.reader, rows
    return replace(decoder.judged(state, rows, verdict), step=state.step + 1)


def _row(tokens: Sequence[int], log_probs: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (1, N) tokens, their number, and (1, N) scores, -inf behind those that are given."""
    scores = np.full((1, len(tokens)), -np.inf)
    scores[0, : len(log_probs)] = log_probs
    return np.array([tokens], np.int64), np.array([len(tokens)]), scores
