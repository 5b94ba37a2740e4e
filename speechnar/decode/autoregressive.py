"""Beam search with an autoregressive decoder, one token a step: the baseline of the parallel methods.

Source: Watanabe et al. 2017, "Hybrid CTC/Attention Architecture for End-to-End Speech Recognition", section III.
Differs: CTC scores whole hypotheses at the end, not each prefix during the search.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from speechnar.decode.forced_alignment import total_log_probs
from speechnar.decode.interface import CausalReader, DecoderInput, State, padded, single
from speechnar.decode.result import DecodeError
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True, eq=False)
class BeamState(State):
    """The best hypothesis so far as `tokens`; `scores` is its log-probability.

    Attributes:
        hypotheses: (H, n + 1) int64 unfinished hypotheses, which begin with `<s>`, the best first.
        totals: (H,) natural log-probabilities of these.
        rows: (H,) the hypotheses of the step before that these continue.
        finished: log-probabilities and tokens of finished hypotheses, without `<s>` and `</s>`.
        past: keys and values of the reader.
        log_probs: (T, V) of CTC.
    """

    hypotheses: np.ndarray = field(default_factory=lambda: np.zeros((1, 1), np.int64))
    totals: np.ndarray = field(default_factory=lambda: np.zeros(1))
    rows: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    finished: tuple[tuple[float, list[int]], ...] = ()
    past: Any = field(default=None, repr=False)
    log_probs: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    reader: CausalReader | None = field(default=None, repr=False)


@dataclass(frozen=True)
class AutoregressiveDecoder:
    """Decode one token after another.

    Attributes:
        beam: number of hypotheses that are kept in each step; 1 is greedy.
        ctc_weight: weight of CTC's log-probability of a whole hypothesis, in [0, 1], beside the decoder's.
    """

    vocabulary: Vocabulary
    beam: int = 10
    ctc_weight: float = 0.3
    iterations: None = None
    batched: ClassVar[bool] = False
    reader: ClassVar[type | None] = CausalReader

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise DecodeError(f"beam is {self.beam} but should be 1 or more")
        if not 0 <= self.ctc_weight <= 1:
            raise DecodeError(f"ctc_weight is {self.ctc_weight} but should be from 0 to 1")

    def first(self, encoder_out: DecoderInput) -> BeamState:
        tokens, lengths = padded([()])
        start = np.full((1, 1), self.vocabulary.bos_id, np.int64)
        log_probs = single(encoder_out)
        return BeamState(
            tokens, lengths, np.zeros((1, 1)), hypotheses=start, log_probs=log_probs, reader=encoder_out.reader
        )

    def step(self, state: BeamState) -> BeamState:
        """Extend each hypothesis by one token; a text has at most as many tokens as there are encoder frames."""
        assert state.reader is not None
        log_probs, past = state.reader.predict(state.hypotheses[:, -1], state.past, state.rows)
        totals = (state.totals[:, None] + log_probs).ravel()
        best = (
            np.argpartition(-totals, self.beam - 1)[: self.beam] if len(totals) > self.beam else np.arange(len(totals))
        )
        best = best[np.argsort(-totals[best], kind="stable")]
        rows, tokens = best // log_probs.shape[1], best % log_probs.shape[1]
        ended = tokens == self.vocabulary.eos_id
        finished = state.finished + tuple(
            (float(totals[n]), state.hypotheses[row, 1:].tolist()) for n, row in zip(best[ended], rows[ended])
        )
        going, rows, tokens = totals[best[~ended]], rows[~ended], tokens[~ended]
        hypotheses = np.hstack([state.hypotheses[rows], tokens[:, None]])
        # Totals only fall: once enough finished hypotheses are better than all unfinished ones, none can overtake.
        enough = sorted((total for total, _ in finished), reverse=True)[self.beam - 1 : self.beam]
        frames = len(state.log_probs)
        if not len(going) or (enough and going[0] < enough[0]) or state.step >= frames:
            if not finished:
                finished = tuple((float(total), row[1 : frames + 1]) for total, row in zip(going, hypotheses.tolist()))
            return _with_best(replace(state, finished=finished, done=True), *self._choose(finished, state.log_probs))
        state = replace(state, hypotheses=hypotheses, totals=going, rows=rows, finished=finished, past=past)
        return _with_best(state, float(going[0]), hypotheses[0, 1:].tolist())

    def _choose(self, finished: tuple[tuple[float, list[int]], ...], log_probs: np.ndarray) -> tuple[float, list[int]]:
        """Return the hypothesis with the best weighted sum of the log-probabilities of CTC and the decoder."""
        if len(finished) == 1 or not self.ctc_weight:
            return max(finished)
        ctc = total_log_probs(log_probs, [tokens for _, tokens in finished], self.vocabulary.blank_id)
        totals = (1 - self.ctc_weight) * np.array([total for total, _ in finished]) + self.ctc_weight * ctc
        return finished[int(totals.argmax())]


def _with_best(state: BeamState, total: float, tokens: list[int]) -> BeamState:
    array, lengths = padded([tokens])
    return replace(state, tokens=array, token_lengths=lengths, scores=np.full(array.shape, total))
