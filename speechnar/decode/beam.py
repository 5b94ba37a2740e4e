"""CTC prefix beam search, with a language model and hot words where they are given.

Each prefix carries the weight of all alignments that spell it, in two parts: those that end in a blank and those that
end in its last unit. What the `Scorer` says of a prefix is a factor of both. Weights are plain numbers, which Python
adds faster than logarithms; after each frame they are scaled so that the best prefix has 1.

Source: Hannun et al. 2014, "First-pass large vocabulary continuous speech recognition using bi-directional recurrent
    DNNs", algorithm 1.
Differs: a frame tries only units near its best one; where the blank is certain there is nothing to try; the language
    model judges the letters of a word before its end.
"""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np

from speechnar.decode.forced_alignment import align
from speechnar.decode.greedy import check, words
from speechnar.decode.result import DecodeError, Hypothesis
from speechnar.decode.scorer import Scorer, TextState
from speechnar.decode.units import Units

HEARD = 2  # for each prefix of the beam, prolongations a frame that the scorer is asked about


@dataclass(frozen=True)
class BeamOptions:
    """How far the search looks.

    Attributes:
        beam: prefixes that are kept after each frame, 1 or more.
        unit_margin: nats below a frame's best unit at which a unit is not tried.
        prefix_margin: nats below the best prefix at which a prefix is not prolonged, nor a new one taken in.
        certain_blank: probability from which a frame is taken as nothing but blank.
    """

    beam: int = 16
    unit_margin: float = 6.0
    prefix_margin: float = 10.0
    certain_blank: float = 0.999

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise DecodeError(f"beam is {self.beam} but should be 1 or more")


@dataclass(frozen=True)
class Candidate:
    """A text that the search ended with.

    Attributes:
        tokens: unit ids.
        score: natural logarithm of the weight of all its alignments, times what the scorer says.
    """

    tokens: tuple[int, ...]
    score: float


@dataclass(eq=False, slots=True)
class _Prefix:
    """A node of the tree of prefixes; `in_blank` and `in_unit` are its weights, `next_...` those of the coming frame.

    Attributes:
        factor: what the scorer says of the unit after the parent.
        frame: the last in which the prefix was in the beam or came into it; -1 where it has been dropped since.
        longer: those of its prolongations that are in the beam or lead to one that is.
    """

    parent: _Prefix | None
    unit: int
    state: TextState | None
    factor: float = 1.0
    in_blank: float = 0.0
    in_unit: float = 0.0
    next_blank: float = 0.0
    next_unit: float = 0.0
    weight: float = 0.0
    frame: int = -1
    longer: dict[int, _Prefix] = field(default_factory=dict)

    def tokens(self) -> tuple[int, ...]:
        found = []
        node = self
        while node.parent is not None:
            found.append(node.unit)
            node = node.parent
        return tuple(reversed(found))


def beam_search(
    log_probs: np.ndarray,
    units: Units,
    frame_seconds: float,
    scorer: Scorer | None = None,
    options: BeamOptions | None = None,
) -> Hypothesis:
    """The words of the best text that the search finds, with the times of its best alignment.

    Args:
        log_probs: (T, V) natural logarithms, T from 0; V is the number of units.
        frame_seconds: seconds from one frame to the next.
        scorer: made of the same units.

    Raises:
        DecodeError: the shape does not fit the units, or a value is not a number.
    """
    best = candidates(log_probs, units, scorer, options)[0]
    return Hypothesis(words(align(log_probs, best.tokens, units.blank_id), units, frame_seconds), best.score)


def candidates(
    log_probs: np.ndarray, units: Units, scorer: Scorer | None = None, options: BeamOptions | None = None
) -> list[Candidate]:
    """The texts that the search ends with, best first; as `beam_search` otherwise."""
    check(log_probs, units)
    options = options or BeamOptions()
    root = _Prefix(None, -1, scorer.start() if scorer else None, in_blank=1.0)
    beam, log_scale = [root], 0.0
    with _garbage_left():
        for frame, (blank, tried) in enumerate(_frames(log_probs, units.blank_id, options)):
            if not tried:
                for node in beam:
                    node.in_blank, node.in_unit = (node.in_blank + node.in_unit) * blank, 0.0
            else:
                beam = _advance(beam, frame, blank, tried, scorer, options)
            best = max(node.in_blank + node.in_unit for node in beam)
            if best == 0:
                raise DecodeError(f"frame {frame} of log_probs gives no unit any probability")
            log_scale += math.log(best)
            for node in beam:
                node.in_blank /= best
                node.in_unit /= best
    found = []
    for node in beam:
        if weight := node.in_blank + node.in_unit:
            last = scorer.finish(node.state) if scorer and node.state else 0.0
            found.append(Candidate(node.tokens(), log_scale + math.log(weight) + last))
    return sorted(found, key=lambda candidate: -candidate.score)


@contextlib.contextmanager
def _garbage_left() -> Iterator[None]:
    """Puts off Python's search for cycles, which takes as long as the beam's when so many objects come and go."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _frames(
    log_probs: np.ndarray, blank_id: int, options: BeamOptions
) -> Iterator[tuple[float, list[tuple[int, float]]]]:
    """For each frame the probability of the blank, and the units to try with theirs, the most probable first."""
    near = log_probs >= log_probs.max(axis=1, keepdims=True, initial=-np.inf) - options.unit_margin
    blanks = np.exp(log_probs[:, blank_id].astype(np.float64))
    near[blanks >= options.certain_blank] = False
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
    options: BeamOptions,
) -> list[_Prefix]:
    """The beam after one more frame."""
    prob_of = dict(tried)
    for node in beam:
        node.weight = node.in_blank + node.in_unit
        node.next_blank = node.weight * blank
        node.next_unit = node.in_unit * prob_of.get(node.unit, 0.0)
        node.frame = frame
    touched = list(beam)
    least = max(node.weight for node in beam) * max(blank, tried[0][1]) * math.exp(-options.prefix_margin)
    least_heard = max(least, _nth_largest([node.weight for node in beam], tried, options.beam * HEARD))
    for node in beam:
        for unit, prob in tried:
            weight = node.weight * prob
            if weight < least_heard:
                break
            if unit == node.unit:  # the same again is a new unit only after a blank
                weight = node.in_blank * prob
            if (longer := node.longer.get(unit)) is None:
                state, factor = scorer.move(node.state, unit) if scorer and node.state else (None, 1.0)
                if weight * factor < least:
                    continue
                longer = node.longer[unit] = _Prefix(node, unit, state, factor)
            weight *= longer.factor
            if longer.frame == frame:
                longer.next_unit += weight
            else:
                longer.frame, longer.next_blank, longer.next_unit = frame, 0.0, weight
                touched.append(longer)
    for node in touched:
        node.in_blank, node.in_unit = node.next_blank, node.next_unit
        node.weight = node.in_blank + node.in_unit
    touched.sort(key=attrgetter("weight"), reverse=True)
    for node in touched[options.beam :]:
        _drop(node)
    return touched[: options.beam]


def _nth_largest(weights: list[float], tried: list[tuple[int, float]], n: int) -> float:
    """The n-th largest product of a weight and a unit's probability; 0 if there are not so many."""
    if len(weights) * len(tried) <= n:
        return 0.0
    products = np.outer(weights, [prob for _, prob in tried]).ravel()
    return float(np.partition(products, -n)[-n])


def _drop(node: _Prefix) -> None:
    """Takes a prefix out of the tree unless it leads to others, and then those before it that led to it alone."""
    node.frame = -1
    while node.parent and not node.longer and node.frame < 0:
        del node.parent.longer[node.unit]
        node = node.parent
