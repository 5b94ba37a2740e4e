"""The best text of a conditional random field over parallel predictions, by the Viterbi algorithm.

Source: Sun et al. 2019, "Fast Structured Decoding for Sequence Models", section 3.3: the search is over the most
    probable tokens of each position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from speechnar.decode.interface import DecoderInput, State, TransitionReader, padded
from speechnar.decode.result import DecodeError
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True)
class CRFDecoder:
    """Decode by the Viterbi algorithm, one pass of the network.

    Attributes:
        candidates: tokens of each position that the search takes into account, 1 or more.
    """

    vocabulary: Vocabulary
    candidates: int = 16
    iterations: int = 0
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = TransitionReader

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise DecodeError(f"candidates is {self.candidates} but should be 1 or more")

    def first(self, encoder_out: DecoderInput) -> State:
        reader: TransitionReader = encoder_out.reader
        log_probs, lengths = reader.predict()
        left, right = reader.transitions()
        allowed = np.where(self.vocabulary.is_special, -np.inf, log_probs)
        texts = [viterbi(each[:n], left, right, self.candidates) for each, n in zip(allowed, lengths.tolist())]
        tokens, lengths = padded(texts)
        return State(tokens, lengths, np.take_along_axis(allowed, tokens[:, :, None], axis=2)[:, :, 0], done=True)

    def step(self, state: State) -> State:
        return state


def viterbi(log_probs: np.ndarray, left: np.ndarray, right: np.ndarray, candidates: int) -> list[int]:
    """Return the tokens with the largest sum of log-probabilities and transition scores.

    Args:
        log_probs: (N, V) of the tokens alone.
        left, right: (V, rank) of the first and the second of two neighbors.
        candidates: tokens of each position, the most probable ones, that are searched.
    """
    if not len(log_probs):
        return []
    number = min(candidates, log_probs.shape[1])
    chosen = np.argsort(-log_probs, axis=1, kind="stable")[:, :number]
    scores = np.take_along_axis(log_probs, chosen, axis=1)
    total, before = scores[0], []
    for n in range(1, len(chosen)):
        reached = total[:, None] + left[chosen[n - 1]] @ right[chosen[n]].T
        before.append(reached.argmax(axis=0))
        total = reached.max(axis=0) + scores[n]
    best = [int(total.argmax())]
    for back in reversed(before):
        best.append(int(back[best[-1]]))
    return [int(row[n]) for row, n in zip(chosen, reversed(best))]
