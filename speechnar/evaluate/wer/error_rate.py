"""Word and character error rates: alignments of utterances with their references, and counts over them.

An error rate is the substitutions, deletions and insertions of all utterances over the words of their references; or
over the characters, with one space between words. Alignments are jiwer's, with the fewest errors that are possible.

Source: segments as in Gillick & Cox 1989, "Some statistical issues in the comparison of speech recognition algorithms",
    and in sclite's MAPSSWE: stretches with errors of either system, parted by two words or more that both have right.
Differs: sclite weighs a substitution 4 and the others 3, here all weigh 1: its S, D and I may differ from ours.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, zip_longest
from typing import Any, Literal

import jiwer
import numpy as np

from speechnar.evaluate.stats.statistics import (
    FEWEST,
    Difference,
    Interval,
    MatchedPairs,
    bootstrap_interval,
    matched_pairs,
    paired_difference,
)

Unit = Literal["word", "character"]

BUFFER = 2  # words that both systems have right between two segments
LENGTHS = (0, 1, 6, 11, 21, 41)  # reference words at which the classes of the table by length begin


class WerError(ValueError):
    """Transcripts of which no error rate can be computed; the message says why."""


@dataclass(frozen=True)
class Alignment:
    """One utterance's hypothesis beside its reference.

    Attributes:
        pairs: (reference, hypothesis) words or characters, "" where nothing stands opposite.
        words: the reference's words.
        length: the reference's words or characters, whichever are aligned.
    """

    utterance: str
    pairs: tuple[tuple[str, str], ...]
    words: int
    length: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions


@dataclass(frozen=True)
class Score:
    """One system's alignments, in the reference's order."""

    system: str
    unit: Unit
    alignments: tuple[Alignment, ...]

    @property
    def errors(self) -> np.ndarray:
        """Return the (N,) errors of each utterance."""
        return np.array([alignment.errors for alignment in self.alignments])

    @property
    def lengths(self) -> np.ndarray:
        """Return the (N,) words or characters of each reference."""
        return np.array([alignment.length for alignment in self.alignments])


@dataclass(frozen=True)
class Counts:
    """Errors of some utterances together."""

    name: str
    utterances: int
    length: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def rate(self) -> float:
        """Return errors over reference words or characters; nan where there are none."""
        errors = self.substitutions + self.deletions + self.insertions
        return errors / self.length if self.length else float("nan")


@dataclass(frozen=True)
class Confusion:
    """The number of times that a hypothesis has one word for another; "" stands for none."""

    reference: str
    hypothesis: str
    count: int


@dataclass(frozen=True)
class System:
    """The error rate of one system, and the distribution of its errors.

    Attributes:
        rate: errors over reference words or characters, with its interval.
        confusions: all of them, the most frequent first.
    """

    total: Counts
    rate: Interval
    speakers: tuple[Counts, ...]
    lengths: tuple[Counts, ...]
    confusions: tuple[Confusion, ...]


@dataclass(frozen=True)
class WerComparison:
    """Two systems on the same utterances: `difference` is the second's rate minus the first's.

    Attributes:
        matched: the matched-pairs test (MAPSSWE), which is of words; None for characters.
    """

    first: str
    second: str
    difference: Difference
    matched: MatchedPairs | None


@dataclass(frozen=True)
class Report:
    """Error rates of systems, and each compared with each.

    Attributes:
        drawn: what the bootstrap draws, "speaker" or "utterance".
    """

    unit: Unit
    drawn: Literal["speaker", "utterance"]
    systems: tuple[System, ...]
    comparisons: tuple[WerComparison, ...]


def score(
    system: str,
    reference: Mapping[str, str],
    hypothesis: Mapping[str, str],
    normalize: Callable[[str], str],
    unit: Unit = "word",
) -> Score:
    """Align a system's transcripts with the reference.

    Args:
        reference, hypothesis: utterance to words; the hypothesis has all utterances of the reference.
        normalize: what both go through first.

    Raises:
        WerError: no reference has any word.
    """
    said = [" ".join(normalize(text).split()) for text in reference.values()]
    heard = [" ".join(normalize(hypothesis[utterance]).split()) for utterance in reference]
    if not any(said):
        raise WerError("no reference has any words, so there is nothing to divide errors by")
    output = jiwer.process_words(said, heard) if unit == "word" else jiwer.process_characters(said, heard)
    rows = zip(reference, said, output.references, output.hypotheses, output.alignments)
    alignments = [
        _alignment(utterance, len(text.split()), left, right, chunks) for utterance, text, left, right, chunks in rows
    ]
    return Score(system, unit, tuple(alignments))


def _alignment(
    utterance: str,
    words: int,
    reference: Sequence[str],
    hypothesis: Sequence[str],
    chunks: Sequence[jiwer.AlignmentChunk],
) -> Alignment:
    pairs: list[tuple[str, str]] = []
    counts: Counter[str] = Counter()
    for chunk in chunks:
        left = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        right = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        beside = list(zip_longest(left, right, fillvalue=""))
        pairs += beside
        counts[chunk.type] += len(beside)
    errors = (counts["substitute"], counts["delete"], counts["insert"])
    return Alignment(utterance, tuple(pairs), words, len(reference), *errors)


def report(scores: Sequence[Score], speakers: Sequence[str] | None = None) -> Report:
    """Compute the error rates of systems with intervals, and compare each pair.

    Args:
        scores: of the same reference, one or more.
        speakers: (N,) the speaker of each utterance, where they are known. Whole speakers are drawn if there are
            `FEWEST` or more, otherwise utterances.
    """
    groups = speakers if speakers is not None and len(set(speakers)) >= FEWEST else None
    return Report(
        scores[0].unit,
        "utterance" if groups is None else "speaker",
        tuple(_system(one, speakers, groups) for one in scores),
        tuple(_compared(first, second, groups) for first, second in combinations(scores, 2)),
    )


def _system(one: Score, speakers: Sequence[str] | None, groups: Sequence[str] | None) -> System:
    return System(
        _counts(one.system, one.alignments),
        bootstrap_interval(one.errors, one.lengths, groups),
        _grouped(one, speakers) if speakers is not None else (),
        _grouped(one, [bisect_right(LENGTHS, alignment.words) for alignment in one.alignments], _length_class),
        _confusions(one),
    )


def _compared(first: Score, second: Score, groups: Sequence[str] | None) -> WerComparison:
    difference = paired_difference(first.errors, second.errors, first.lengths, groups)
    matched = matched_pairs(*segments(first, second)) if first.unit == "word" else None
    return WerComparison(first.system, second.system, difference, matched)


def _counts(name: str, alignments: Sequence[Alignment]) -> Counts:
    return Counts(
        name,
        len(alignments),
        sum(alignment.length for alignment in alignments),
        sum(alignment.substitutions for alignment in alignments),
        sum(alignment.deletions for alignment in alignments),
        sum(alignment.insertions for alignment in alignments),
    )


def _grouped(one: Score, keys: Sequence[Any], name: Callable[[Any], str] = str) -> tuple[Counts, ...]:
    groups: dict[Any, list[Alignment]] = {}
    for key, alignment in zip(keys, one.alignments):
        groups.setdefault(key, []).append(alignment)
    return tuple(_counts(name(key), groups[key]) for key in sorted(groups))


def _length_class(above: int) -> str:
    first = LENGTHS[above - 1]
    if above == len(LENGTHS):
        return f"{first} and more"
    last = LENGTHS[above] - 1
    return f"{first} to {last}" if last > first else str(first)


def _confusions(one: Score) -> tuple[Confusion, ...]:
    counts = Counter(pair for alignment in one.alignments for pair in alignment.pairs if pair[0] != pair[1])
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confusion(*pair, count) for pair, count in ordered)


def segments(first: Score, second: Score) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors of two systems in each segment of the matched-pairs test.

    A segment is a stretch of an utterance with errors of one system or both; `BUFFER` words in a row that both have
    right, with nothing inserted between them, end it, and so does the utterance.

    Args:
        first, second: of the same reference words.

    Returns:
        (S,) int64 errors of the first system, and (S,) of the second; in every segment one of them is above 0.
    """
    before, after = _places(first), _places(second)
    (wrong,) = (before + after).nonzero()
    if not wrong.size:
        return wrong, wrong
    between = wrong[1:] // 2 - (wrong[:-1] + 1) // 2  # words stand at odd places
    starts = np.concatenate([[0], 1 + (between >= BUFFER).nonzero()[0]])
    return np.add.reduceat(before[wrong], starts), np.add.reduceat(after[wrong], starts)


def _places(one: Score) -> np.ndarray:
    """Return the errors by position: word i of an utterance at 2i + 1, insertions before it at 2i.

    After each utterance stand `BUFFER` words without errors, so that no segment reaches into the next.
    """
    errors: list[int] = []
    for alignment in one.alignments:
        inserted = 0
        for reference, hypothesis in alignment.pairs:
            if reference:
                errors += [inserted, int(reference != hypothesis)]
                inserted = 0
            else:
                inserted += 1
        errors += [inserted, *[0] * (2 * BUFFER + 1)]
    return np.array(errors)
