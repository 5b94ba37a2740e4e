"""The interface of all decoders, and the one loop in which they run.

    state = decoder.first(encoder_out)                      tokens of every position, or a first guess of them
    while not state.done: state = decoder.step(state)       better tokens, at most `decoder.iterations` times

A decoder never calls a network itself: `DecoderInput.reader` does, in PyTorch (`speechnar.infer.reader`) or in ONNX
Runtime (`speechnar.runtime.reader`). The protocols below say what each kind of decoder needs of a reader.

Source: Lee et al. 2018, "Deterministic Non-Autoregressive Neural Sequence Modeling by Iterative Refinement", section 3;
    the interface follows fairseq's `IterativeRefinementGenerator`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from speechnar.decode.result import DecodeError


@dataclass(frozen=True, eq=False)
class DecoderInput:
    """The output of an encoder for B utterances.

    Attributes:
        log_probs: (B, T, V) natural logarithms of CTC; padding has any value. V is 0 where the model has no CTC.
        lengths: (B,) int64 frames, which a text has no more tokens than.
        reader: what `Decoder.reader` names.
        length_log_probs: (B, L) natural log-probabilities of 0, 1, 2 ... tokens; None where the model predicts none.
    """

    log_probs: np.ndarray
    lengths: np.ndarray
    reader: Any = None
    length_log_probs: np.ndarray | None = None

    def utterances(self) -> Iterator[np.ndarray]:
        """Yield the log-probabilities of each utterance, (T_i, V), without padding."""
        for log_probs, length in zip(self.log_probs, self.lengths.tolist()):
            yield log_probs[:length]


@dataclass(frozen=True, eq=False)
class State:
    """The state of a decoder after some steps.

    Attributes:
        tokens: (B, N) int64, N from 1; padding has any value.
        token_lengths: (B,) int64.
        scores: (B, N) natural log-probabilities of the tokens; -inf for tokens that nothing has judged.
        done: whether a further step would change nothing.
        step: number of steps that were taken.
        history: `tokens` before each step, where `refine` was asked to keep them.
    """

    tokens: np.ndarray
    token_lengths: np.ndarray
    scores: np.ndarray
    done: bool = False
    step: int = 0
    history: tuple[np.ndarray, ...] = ()

    def sequences(self) -> list[list[int]]:
        """Return the tokens of each utterance, without padding."""
        return [row[:length] for row, length in zip(self.tokens.tolist(), self.token_lengths.tolist())]


AnyState = TypeVar("AnyState", bound=State)


class Decoder(Protocol[AnyState]):
    """A method of decoding.

    Attributes:
        iterations: number of steps, at most; None for as many as it takes.
        batched: whether the method decodes several utterances at once; else it takes batches of one.
        reader: the protocol that `DecoderInput.reader` must follow, one of those below; None if the method needs none.
    """

    @property
    def iterations(self) -> int | None: ...
    @property
    def batched(self) -> bool: ...
    @property
    def reader(self) -> type | None: ...

    def first(self, encoder_out: DecoderInput) -> AnyState:
        """Return the state from which the steps go on."""

    def step(self, state: AnyState) -> AnyState:
        """Return the state after one more step; the loop counts the steps."""


def refine(decoder: Decoder[AnyState], encoder_out: DecoderInput, keep_history: bool = False) -> AnyState:
    """Run a decoder to its end and return the last state."""
    state = decoder.first(encoder_out)
    while not state.done and (decoder.iterations is None or state.step < decoder.iterations):
        history = (*state.history, state.tokens) if keep_history else ()
        state = replace(decoder.step(state), step=state.step + 1, history=history)
    return state


class MaskedReader(Protocol):
    """A masked decoder, which predicts the tokens of all positions at once, whatever is masked."""

    def predict(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        """Return (B, N, V) natural log-probabilities of the token at each position, given (B, N) with masks."""

    def predict_counts(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        """Return (B, N) int64: how many tokens each mask most probably stands for, from 0."""

    def aligned_with(self, texts: Sequence[Sequence[int]], repeats: int) -> MaskedReader:
        """Return a reader of other texts of one utterance, `repeats` rows for each text, one after another.

        Its attention finds the frames of these texts' tokens instead of those of CTC's best path.
        """


class EditReader(Protocol):
    """A decoder that edits texts, by three predictions for all positions at once."""

    def predict_deletions(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        """Return (B, N) the probability that a token of (B, N) should be deleted."""

    def predict_insertions(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        """Return (B, N + 1) int64: how many tokens to insert before each token, and after the last one."""

    def predict(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        """Return (B, N, V) natural log-probabilities of the token at each position, given (B, N) with masks."""


class TokenReader(Protocol):
    """A parallel decoder that knows the number of tokens itself."""

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (B, N, V) natural log-probabilities of the token at each position, and (B,) int64 lengths."""


class TransitionReader(TokenReader, Protocol):
    """A parallel decoder with scores for each two neighbors."""

    def transitions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (V, rank) twice: the score of b after a is row a of the first times row b of the second."""


class FrameReader(Protocol):
    """A decoder over frames, which predicts the symbols of all frames at once from an alignment."""

    def predict(self, alignment: np.ndarray) -> np.ndarray:
        """Return (B, T, V) natural log-probabilities of each frame's symbol, given (B, T) symbols, masks among them."""


class CausalReader(Protocol):
    """An autoregressive decoder, which predicts the next token."""

    def predict(self, tokens: np.ndarray, past: Any, rows: np.ndarray) -> tuple[np.ndarray, Any]:
        """Read one more token of each of H hypotheses, as many of each utterance, those of an utterance together.

        Args:
            tokens: (H,) the last token of each.
            past: what the call before returned; None for the first.
            rows: (H,) the hypotheses of that call that these continue.

        Returns:
            (H, V) natural log-probabilities of the next token, and `past` for the next call.
        """


class GroupReader(Protocol):
    """A semi-autoregressive decoder, which predicts the next k tokens of one text.

    Attributes:
        group: k.
    """

    group: int

    def predict_group(self, tokens: np.ndarray, past: Any) -> tuple[np.ndarray, Any]:
        """Read k more tokens, (k,), at first `<s>` k times; `past` is what the call before returned, None at first.

        Returns:
            (k, V) natural log-probabilities of the k tokens behind these, and `past` for the next call.
        """


@dataclass(frozen=True, eq=False)
class Verdict:
    """The predictions of an autoregressive decoder at each of N positions of B rows, given the tokens before it.

    Attributes:
        best: (B, N + 1) int64, the most probable token at each position, and behind the last one.
        best_log_probs: (B, N + 1) natural log-probabilities of these.
        log_probs: (B, N) natural log-probabilities of the tokens that stand there.
        second, second_log_probs: as the first two, of the second best token; None where the reader does not say it.
    """

    best: np.ndarray
    best_log_probs: np.ndarray
    log_probs: np.ndarray
    second: np.ndarray | None = None
    second_log_probs: np.ndarray | None = None


class GraphReader(Protocol):
    """A directed acyclic graph of tokens, whose vertices are the frames of `DecoderInput.log_probs`."""

    def transitions(self) -> np.ndarray:
        """Return (B, T, T) natural log-probabilities of going from a vertex to a later one; -inf to others."""


class DraftReader(Protocol):
    """An autoregressive decoder that keeps a text and reads many tokens that may follow it in one pass."""

    def read(self, rows: np.ndarray) -> Verdict:
        """Return what it predicts for (B, N) int64 tokens, each row following the text that is kept."""

    def keep(self, row: int, n: int, *tokens: int) -> None:
        """Append to the text: of the rows that were read last, the first `n` tokens of one, and one or more others."""


@runtime_checkable
class BranchReader(DraftReader, Protocol):
    """A `DraftReader` that can go on from an earlier place of the text."""

    def branch(self, n: int, token: int) -> BranchReader:
        """Return a reader whose text is the first `n` tokens of this one's, and another token."""


def single(encoder_out: DecoderInput) -> np.ndarray:
    """Return the log-probabilities (T, V) of the one utterance of a batch.

    Raises:
        DecodeError: there are several.
    """
    if len(encoder_out.lengths) != 1:
        raise DecodeError(f"the method decodes one utterance at a time but was given {len(encoder_out.lengths)}")
    return encoder_out.log_probs[0, : int(encoder_out.lengths[0])]


def padded(rows: Sequence[Any], dtype: type = int, value: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of any lengths as (B, N), N at least 1, padded with a value, and their lengths (B,) int64."""
    lengths = np.array([len(row) for row in rows], np.int64)
    shape = len(rows), max(1, int(lengths.max(initial=0)))
    array: np.ndarray = np.full(shape, value, np.int64 if dtype is int else dtype)
    for row, values in zip(array, rows):
        row[: len(values)] = values
    return array, lengths
