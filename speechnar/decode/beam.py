"""CTC prefix beam search, with a language model and hot words where they are given.

Each prefix carries the weight of all alignments that spell it, in two parts: alignments that end in a blank, and
alignments that end in the last token of the prefix. The score of the `Scorer` is a factor of both. Weights are plain
numbers, which Python adds faster than logarithms; after each frame they are scaled so that the best prefix has 1.

Source: Hannun et al. 2014, "First-pass large vocabulary continuous speech recognition using bi-directional recurrent
    DNNs", algorithm 1.
Differs: a frame tries only tokens near its most probable one; a frame that is a blank almost surely tries none; the
    language model scores the letters of a word before the word ends.
"""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import ClassVar

import numpy as np

from speechnar.decode.forced_alignment import align
from speechnar.decode.greedy import check, words_of
from speechnar.decode.interface import DecoderInput, State, padded
from speechnar.decode.result import DecodeError, Hypothesis
from speechnar.decode.scorer import Scorer, TextState
from speechnar.text.symbols import Vocabulary

SCORED_PER_PREFIX = 2  # new prefixes that the scorer is asked about, per frame and prefix of the beam


@dataclass(frozen=True)
class PrefixBeamConfig:
    """The width of the search.

    Attributes:
        beam: prefixes that are kept after each frame, 1 or more.
        token_threshold: nats below a frame's most probable token at which a token is not tried.
        beam_threshold: nats below the best prefix at which a prefix is not extended, nor a new prefix taken in.
        blank_skip_threshold: probability of the blank from which a frame is taken as nothing but blank.
    """

    beam: int = 16
    token_threshold: float = 6.0
    beam_threshold: float = 10.0
    blank_skip_threshold: float = 0.999

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise DecodeError(f"beam is {self.beam} but should be 1 or more")


@dataclass(frozen=True)
class Candidate:
    """A text of the n-best list.

    Attributes:
        tokens: ids.
        score: natural logarithm of the weight of all alignments of the text, times the factor of the scorer.
    """

    tokens: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class BeamDecoder:
    """Decode by prefix beam search: all tokens at once, without a further iteration. `scores` are of whole texts."""

    vocabulary: Vocabulary
    config: PrefixBeamConfig = PrefixBeamConfig()
    scorer: Scorer | None = None
    iterations: int = 0
    batched: ClassVar[bool] = True
    reader: ClassVar[type | None] = None

    def first(self, encoder_out: DecoderInput) -> State:
        best = [nbest(one, self.vocabulary, self.scorer, self.config)[0] for one in encoder_out.utterances()]
        tokens, lengths = padded([candidate.tokens for candidate in best])
        scores = np.broadcast_to(np.array([[candidate.score] for candidate in best]), tokens.shape)
        return State(tokens, lengths, scores, done=True)

    def step(self, state: State) -> State:
        return state


@dataclass(eq=False, slots=True)
class _Prefix:
    """A node of the tree of prefixes.

    Attributes:
        token: the last of the prefix; the others are those of the parents.
        factor: what the scorer multiplies the weight by for the last token.
        in_blank, in_token: weight of alignments that end in a blank, and in the last token.
        next_blank, next_token: the same after the coming frame.
        frame: the last in which the prefix was in the beam or came into it; -1 where it has been dropped since.
        longer: the prefixes with one token more that are in the beam or lead to one that is.
    """

    parent: _Prefix | None
    token: int
    state: TextState | None
    factor: float = 1.0
    in_blank: float = 0.0
    in_token: float = 0.0
    next_blank: float = 0.0
    next_token: float = 0.0
    weight: float = 0.0
    frame: int = -1
    longer: dict[int, _Prefix] = field(default_factory=dict)

    def tokens(self) -> tuple[int, ...]:
        found = []
        node = self
        while node.parent is not None:
            found.append(node.token)
            node = node.parent
        return tuple(reversed(found))


def beam_search(
    log_probs: np.ndarray,
    vocabulary: Vocabulary,
    frame_seconds: float,
    scorer: Scorer | None = None,
    config: PrefixBeamConfig | None = None,
) -> Hypothesis:
    """Return the words of the best text that the search finds, with the times of its most probable alignment.

    Args:
        log_probs: (T, V) natural logarithms, T from 0; V is the size of the vocabulary.
        frame_seconds: seconds from one frame to the next.
        scorer: made for the same vocabulary.

    Raises:
        DecodeError: the shape does not fit the vocabulary, or a value is NaN.
    """
    best = nbest(log_probs, vocabulary, scorer, config)[0]
    return Hypothesis(
        words_of(align(log_probs, best.tokens, vocabulary.blank_id), vocabulary, frame_seconds), best.score
    )


def nbest(
    log_probs: np.ndarray, vocabulary: Vocabulary, scorer: Scorer | None = None, config: PrefixBeamConfig | None = None
) -> list[Candidate]:
    """Return the texts that the search ends with, best first; arguments and errors are those of `beam_search`."""
    check(log_probs, vocabulary)
    config = config or PrefixBeamConfig()
    root = _Prefix(None, -1, scorer.start() if scorer else None, in_blank=1.0)
    beam, log_scale = [root], 0.0
    with _without_garbage_collection():
        for frame, (blank, tried) in enumerate(_frames(log_probs, vocabulary.blank_id, config)):
            if not tried:
                for node in beam:
                    node.in_blank, node.in_token = (node.in_blank + node.in_token) * blank, 0.0
            else:
                beam = _advance(beam, frame, blank, tried, scorer, config)
            best = max(node.in_blank + node.in_token for node in beam)
            if best == 0:
                raise DecodeError(f"frame {frame} of log_probs gives no token any probability")
            log_scale += math.log(best)
            for node in beam:
                node.in_blank /= best
                node.in_token /= best
    found = []
    for node in beam:
        if weight := node.in_blank + node.in_token:
            last = scorer.finish(node.state) if scorer and node.state else 0.0
            found.append(Candidate(node.tokens(), log_scale + math.log(weight) + last))
    return sorted(found, key=lambda candidate: -candidate.score)


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Stop the garbage collector meanwhile: with so many objects it would take as long as the search itself."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _frames(
    log_probs: np.ndarray, blank_id: int, config: PrefixBeamConfig
) -> Iterator[tuple[float, list[tuple[int, float]]]]:
    """Yield for each frame the probability of the blank, and the tokens to try with theirs, most probable first."""
    near = log_probs >= log_probs.max(axis=1, keepdims=True, initial=-np.inf) - config.token_threshold
    blanks = np.exp(log_probs[:, blank_id].astype(np.float64))
    near[blanks >= config.blank_skip_threshold] = False
    near[:, blank_id] = False
    frames, tried = np.nonzero(near)
    probs = np.exp(log_probs[frames, tried].astype(np.float64))
    order = np.lexsort((-probs, frames))
    pairs = list(zip(tried[order].tolist(), probs[order].tolist()))
    ends = np.cumsum(near.sum(axis=1)).tolist()
    for blank, start, end in zip(blanks.tolist(), [0, *ends], ends):
        yield blank, pairs[start:end]


def _advance(
    beam: list[_Prefix],
    frame: int,
    blank: float,
    tried: list[tuple[int, float]],
    scorer: Scorer | None,
    config: PrefixBeamConfig,
) -> list[_Prefix]:
    """Return the beam after one more frame."""
    prob_of = dict(tried)
    for node in beam:
        node.weight = node.in_blank + node.in_token
        node.next_blank = node.weight * blank
        node.next_token = node.in_token * prob_of.get(node.token, 0.0)
        node.frame = frame
    touched = list(beam)
    least = max(node.weight for node in beam) * max(blank, tried[0][1]) * math.exp(-config.beam_threshold)
    least_scored = max(least, _nth_largest([node.weight for node in beam], tried, config.beam * SCORED_PER_PREFIX))
    for node in beam:
        for token, prob in tried:
            weight = node.weight * prob
            if weight < least_scored:
                break
            if token == node.token:  # the same token again is a new one only after a blank
                weight = node.in_blank * prob
            if (longer := node.longer.get(token)) is None:
                state, factor = scorer.move(node.state, token) if scorer and node.state else (None, 1.0)
                if weight * factor < least:
                    continue
                longer = node.longer[token] = _Prefix(node, token, state, factor)
            weight *= longer.factor
            if longer.frame == frame:
                longer.next_token += weight
            else:
                longer.frame, longer.next_blank, longer.next_token = frame, 0.0, weight
                touched.append(longer)
    for node in touched:
        node.in_blank, node.in_token = node.next_blank, node.next_token
        node.weight = node.in_blank + node.in_token
    touched.sort(key=attrgetter("weight"), reverse=True)
    for node in touched[config.beam :]:
        _drop(node)
    return touched[: config.beam]


def _nth_largest(weights: list[float], tried: list[tuple[int, float]], n: int) -> float:
    """Return the n-th largest product of a weight and a token's probability; 0 if there are fewer products."""
    if len(weights) * len(tried) <= n:
        return 0.0
    products = np.outer(weights, [prob for _, prob in tried]).ravel()
    return float(np.partition(products, -n)[-n])


def _drop(node: _Prefix) -> None:
    """Remove a prefix from the tree unless it leads to others, and then the prefixes that led to it alone."""
    node.frame = -1
    while node.parent and not node.longer and node.frame < 0:
        del node.parent.longer[node.token]
        node = node.parent
