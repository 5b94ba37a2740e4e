"""Beam search with an autoregressive decoder, one token a step: the baseline of the parallel methods.

Source: Watanabe et al. 2017, "Hybrid CTC/Attention Architecture for End-to-End Speech Recognition", section III. Length
    penalty: Wu et al. 2016, "Google's Neural Machine Translation System", section 7, in fairseq's form.
Differs: CTC scores whole hypotheses at the end, not each prefix during the search.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from speechnar.decode.forced_alignment import total_log_probs
from speechnar.decode.interface import CausalReader, DecoderInput, State, padded
from speechnar.decode.result import DecodeError
from speechnar.text.symbols import Vocabulary

Finished = tuple[tuple[float, list[int]], ...]
"""Scores and tokens of finished hypotheses of an utterance, without `<s>` and `</s>`."""


@dataclass(frozen=True, eq=False)
class BeamState(State):
    """The best hypothesis so far of each utterance as `tokens`; `scores` is its log-probability.

    Attributes:
        hypotheses: (B, H, n + 1) int64 unfinished hypotheses, which begin with `<s>`, the best first.
        totals: (B, H) natural log-probabilities of these; -inf where there is none.
        rows: (B * H,) the hypotheses of the step before that these continue.
        finished: of each utterance.
        past: keys and values of the reader.
        encoder_out: what is decoded.
    """

    hypotheses: np.ndarray = field(default_factory=lambda: np.zeros((1, 1, 1), np.int64))
    totals: np.ndarray = field(default_factory=lambda: np.zeros((1, 1)))
    rows: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    finished: tuple[Finished, ...] = ()
    past: Any = field(default=None, repr=False)
    encoder_out: DecoderInput | None = field(default=None, repr=False)


@dataclass(frozen=True)
class AutoregressiveDecoder:
    """Decode one token after another.

    Attributes:
        beam: number of hypotheses that are kept in each step; 1 is greedy.
        ctc_weight: weight of CTC's log-probability of a whole hypothesis, in [0, 1], beside the decoder's.
        length_penalty: the score of a hypothesis is its log-probability, divided by its length to this power; 0 prefers
            short texts, 1 is the mean.
    """

    vocabulary: Vocabulary
    beam: int = 10
    ctc_weight: float = 0.3
    length_penalty: float = 0.0
    iterations: None = None
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = CausalReader

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise DecodeError(f"beam is {self.beam} but should be 1 or more")
        if not 0 <= self.ctc_weight <= 1:
            raise DecodeError(f"ctc_weight is {self.ctc_weight} but should be from 0 to 1")

    def first(self, encoder_out: DecoderInput) -> BeamState:
        batch = len(encoder_out.lengths)
        tokens, lengths = padded([()] * batch)
        start = np.full((batch, 1, 1), self.vocabulary.bos_id, np.int64)
        return BeamState(
            tokens, lengths, np.zeros((batch, 1)), hypotheses=start, totals=np.zeros((batch, 1)),
            rows=np.arange(batch), finished=((),) * batch, encoder_out=encoder_out,
        )  # fmt: skip

    def step(self, state: BeamState) -> BeamState:
        """Extend each hypothesis by one token; a text has at most as many tokens as there are encoder frames."""
        assert state.encoder_out is not None
        batch, width = state.totals.shape
        last = state.hypotheses[:, :, -1].ravel()
        log_probs, past = state.encoder_out.reader.predict(last, state.past, state.rows)
        size = log_probs.shape[1]
        totals = (state.totals[:, :, None] + log_probs.reshape(batch, width, size)).reshape(batch, -1)
        best = _highest(totals, self.beam)
        totals, parents, tokens = np.take_along_axis(totals, best, 1), best // size, best % size
        hypotheses = np.take_along_axis(state.hypotheses, parents[:, :, None], 1)
        hypotheses = np.concatenate([hypotheses, tokens[:, :, None]], axis=2)
        ended = (tokens == self.vocabulary.eos_id) & np.isfinite(totals)
        going = np.where(tokens == self.vocabulary.eos_id, -np.inf, totals)
        finished = list(state.finished)
        for row, n in zip(*map(np.ndarray.tolist, ended.nonzero())):
            finished[row] += ((self._score(totals[row, n], state.step + 1), hypotheses[row, n, 1:-1].tolist()),)
        for row, limit in enumerate(state.encoder_out.lengths.tolist()):
            if np.isfinite(state.totals[row, 0]) and self._ends(finished[row], going[row].max(), state.step, limit):
                if not finished[row]:
                    cut = hypotheses[row, :, 1 : limit + 1].tolist()
                    finished[row] = tuple((float(total), text) for total, text in zip(going[row], cut))
                going[row] = -np.inf
        order = (-going).argsort(axis=1, kind="stable")  # the unfinished ones first
        hypotheses = np.take_along_axis(hypotheses, order[:, :, None], 1)
        going, parents = np.take_along_axis(going, order, 1), np.take_along_axis(parents, order, 1)
        rows = (np.arange(batch)[:, None] * width + parents).ravel()
        state = replace(
            state, hypotheses=hypotheses, totals=going, rows=rows, past=past, finished=tuple(finished),
            done=not np.isfinite(going).any(),
        )  # fmt: skip
        return self._with_best(state)

    def _score(self, total: float, length: int) -> float:
        return float(total) / length**self.length_penalty

    def _ends(self, finished: Finished, best: float, step: int, limit: int) -> bool:
        """Return True if the search of an utterance is over; `best` is the total of its best unfinished hypothesis.

        Totals only fall: once enough finished hypotheses are better than all unfinished ones, none can overtake. With a
        length penalty it is possible but rare.
        """
        enough = sorted((score for score, _ in finished), reverse=True)[self.beam - 1 : self.beam]
        overtaken = bool(enough) and self._score(best, step + 1) < enough[0]
        return not np.isfinite(best) or overtaken or step >= limit

    def _with_best(self, state: BeamState) -> BeamState:
        """Return the state with the best text of each utterance as its tokens."""
        assert state.encoder_out is not None
        texts, scores = [], []
        for row, log_probs in enumerate(state.encoder_out.utterances()):
            if np.isfinite(state.totals[row, 0]):
                score, tokens = float(state.totals[row, 0]), state.hypotheses[row, 0, 1:].tolist()
            else:
                score, tokens = self._choose(state.finished[row], log_probs)
            texts.append(tokens)
            scores.append(score)
        tokens, lengths = padded(texts)
        return replace(
            state, tokens=tokens, token_lengths=lengths, scores=np.full(tokens.shape, np.array(scores)[:, None])
        )

    def _choose(self, finished: Finished, log_probs: np.ndarray) -> tuple[float, list[int]]:
        """Return the hypothesis with the best weighted sum of the log-probabilities of CTC and the decoder."""
        if len(finished) == 1 or not self.ctc_weight:
            return max(finished)
        ctc = total_log_probs(log_probs, [tokens for _, tokens in finished], self.vocabulary.blank_id)
        totals = (1 - self.ctc_weight) * np.array([total for total, _ in finished]) + self.ctc_weight * ctc
        return finished[int(totals.argmax())]


def _highest(totals: np.ndarray, number: int) -> np.ndarray:
    """Return the positions (B, number) of the highest values of each row of (B, M), or of all M, the best first."""
    if totals.shape[1] > number:
        best = np.argpartition(-totals, number - 1, axis=1)[:, :number]
    else:
        best = np.broadcast_to(np.arange(totals.shape[1]), totals.shape)
    order = (-np.take_along_axis(totals, best, 1)).argsort(axis=1, kind="stable")
    found: np.ndarray = np.take_along_axis(best, order, 1)
    return found
