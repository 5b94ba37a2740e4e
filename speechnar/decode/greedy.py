"""Greedy CTC decoding, and words with times from tokens that are aligned with frames.

Source: Graves et al. 2006, "Connectionist temporal classification", section 3.2, best path decoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from speechnar.decode.interface import DecoderInput, State, padded
from speechnar.decode.result import DecodeError, Hypothesis, Word
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True, eq=False)
class Alignment:
    """Tokens, each with the frames in which it is said; all arrays are (N,), in order of time.

    Attributes:
        tokens: int64 ids, without blanks.
        starts, ends: int64, the first frame, and the frame after the last.
        confidences: in [0, 1], the largest probability of the token in its frames.
        score: natural log-probability of the whole path, blanks included.
    """

    tokens: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    confidences: np.ndarray
    score: float

    @classmethod
    def of_path(cls, path: np.ndarray, log_probs: np.ndarray, blank_id: int) -> Alignment:
        """Merge the repeats of a path, (T,) token ids, and drop its blanks."""
        starts_run = np.ones(len(path), np.bool_)
        starts_run[1:] = path[1:] != path[:-1]
        changes = np.flatnonzero(starts_run)
        along = log_probs[np.arange(len(path)), path]
        peaks = np.exp(np.maximum.reduceat(along, changes)) if len(path) else along
        ends = np.append(changes[1:], len(path))[: len(changes)]
        kept = path[changes] != blank_id
        return cls(
            path[changes][kept], changes[kept], ends[kept], np.minimum(peaks[kept], 1.0), float(along.sum(dtype=float))
        )


@dataclass(frozen=True)
class GreedyDecoder:
    """Decode by the most probable path of CTC: all tokens at once, without a further iteration."""

    vocabulary: Vocabulary
    iterations: int = 0
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = None

    def first(self, encoder_out: DecoderInput) -> State:
        found = [best_path(log_probs, self.vocabulary) for log_probs in encoder_out.utterances()]
        tokens, lengths = padded([alignment.tokens for alignment in found])
        scores, _ = padded([np.log(alignment.confidences) for alignment in found], float)
        return State(tokens, lengths, scores, done=True)

    def step(self, state: State) -> State:
        return state


def best_path(log_probs: np.ndarray, vocabulary: Vocabulary) -> Alignment:
    """Return the tokens of the most probable path, with their frames.

    Args:
        log_probs: (T, V) natural logarithms, T from 0; V is the size of the vocabulary.

    Raises:
        DecodeError: the shape does not fit the vocabulary, or a value is NaN.
    """
    check(log_probs, vocabulary)
    return Alignment.of_path(log_probs.argmax(axis=1), log_probs, vocabulary.blank_id)


def greedy(log_probs: np.ndarray, vocabulary: Vocabulary, frame_seconds: float) -> Hypothesis:
    """Return the words of the most probable path.

    Args:
        log_probs: as `best_path` takes them.
        frame_seconds: seconds from one frame to the next.

    Raises:
        DecodeError: the shape does not fit the vocabulary, or a value is NaN.
    """
    alignment = best_path(log_probs, vocabulary)
    return Hypothesis(words_of(alignment, vocabulary, frame_seconds), alignment.score)


def words_of(alignment: Alignment, vocabulary: Vocabulary, frame_seconds: float) -> tuple[Word, ...]:
    """Join tokens to words, each from the first frame of its first token to the end of its last token.

    A token that spells nothing, such as a `▁` that stands alone, divides words and belongs to none. A mark, such as a
    comma, is written in the pause behind its word: it counts neither for the word's end nor for its confidence.
    """
    found: list[Word] = []
    text, first, last, confidence = "", 0, 0, 1.0

    def close() -> None:
        if text:
            found.append(Word(text, first * frame_seconds, last * frame_seconds, confidence))

    for token, start, end, token_confidence in zip(
        alignment.tokens.tolist(), alignment.starts.tolist(), alignment.ends.tolist(), alignment.confidences.tolist()
    ):
        if vocabulary.begins_word[token]:
            close()
            text, confidence = "", 1.0
        if spelling := vocabulary.spellings[token]:
            first = first if text else start
            if not text or any(map(str.isalnum, spelling)):
                last, confidence = end, min(confidence, token_confidence)
            text += spelling
    close()
    return tuple(found)


def check(log_probs: np.ndarray, vocabulary: Vocabulary) -> None:
    """Raise DecodeError for anything but (T, V) log-probabilities of the tokens of a vocabulary."""
    if log_probs.ndim != 2 or log_probs.shape[1] != len(vocabulary):
        raise DecodeError(f"log_probs have shape {log_probs.shape} but should be (frames, {len(vocabulary)} tokens)")
    if np.isnan(log_probs).any():
        raise DecodeError("log_probs hold values that are not numbers: is the audio finite?")
