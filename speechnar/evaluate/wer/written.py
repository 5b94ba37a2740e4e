"""Scores of written text: capitals, marks and numbers, each apart from the words.

    reference    Dr. Smith    paid    $3.50,               didn't he?
    hypothesis   Dr. Smith    paid    three dollars fifty  didn't he.

Words are aligned without case and marks. Marks stand in the slot behind a pair of words; words that stand opposite to
nothing share the slot before them, so that a missed word does not count its mark as missed too. Case is compared where
the words are the same, and numbers, which are words with a digit, where they are the same with all that is written in
them: `$3.50` is neither `3.50` nor `three dollars fifty`, and `10:30` is not `10.30`. Above, one number, one comma and
one question mark are missed, and one full stop is wrong.

F1 is 2 right / (2 right + wrong + missed), a ratio of sums over utterances as error rates are.

Source: precision, recall and F1 at aligned positions as in Tilk & Alumaee 2016, "Bidirectional recurrent neural network
    with attention mechanism for punctuation restoration", section 4.
Differs: there the recognized words are those of the reference; here the words may differ, as said above.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from speechnar.evaluate.stats.statistics import FEWEST, Interval, bootstrap_interval
from speechnar.evaluate.wer.error_rate import Alignment, score

CAPITAL, NUMBER, MARKS = "capital", "number", "all marks"
MARK_NAMES = {
    ".": "full stop",
    ",": "comma",
    "?": "question mark",
    "!": "exclamation mark",
    ":": "colon",
    ";": "semicolon",
    "…": "ellipsis",
    "—": "dash",
    "-": "hyphen",
    '"': "quotation mark",
    "(": "bracket",
}
KINDS = (CAPITAL, NUMBER, MARKS, *MARK_NAMES.values())
TOKEN = re.compile(
    r"(?P<word>[$£€#]?\w+(?:(?:['.&@/](?=\w)|(?<=\d)[,:-](?=\d))\w+)*%?)"
    r"|(?P<ellipsis>…|\.\.+)|(?P<dash>--+|[–—]|(?<!\S)-(?!\S))|(?P<hyphen>(?<=\w)-(?=\w))"
    r'|(?P<quote>["“”„«»])|(?P<bracket>[()\[\]])|(?P<mark>[.,?!:;])'
)
SAME_FOR = {"ellipsis": "…", "dash": "—", "hyphen": "-", "quote": '"', "bracket": "("}


@dataclass(frozen=True)
class WrittenText:
    """A text as words and marks.

    Attributes:
        words: N words as they are written, with their capitals.
        slots: N + 1 groups of marks: before the first word, and behind each word.
    """

    words: tuple[str, ...]
    slots: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, text: str) -> WrittenText:
        """Split a text. Quotation marks, dashes and brackets of all shapes are one mark each; other signs are left out.

        A point, comma or colon between digits is of the number. A hyphen between letters divides words.
        """
        text = unicodedata.normalize("NFC", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        words: list[str] = []
        slots: list[list[str]] = [[]]
        for found in TOKEN.finditer(text):
            if found.lastgroup == "word":
                words.append(found[0])
                slots.append([])
            else:
                slots[-1].append(SAME_FOR.get(found.lastgroup or "", found[0]))
        return cls(tuple(words), tuple(map(tuple, slots)))

    @property
    def plain(self) -> str:
        """The words in lower case."""
        return " ".join(self.words).lower()


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts of one kind of writing in N utterances: three (N,) int64 arrays.

    Attributes:
        right: in the reference and in the hypothesis.
        wrong: in the hypothesis alone.
        missed: in the reference alone.
    """

    right: np.ndarray
    wrong: np.ndarray
    missed: np.ndarray


@dataclass(frozen=True)
class WrittenScore:
    """Precision, recall and F1 of one kind of writing, with 95 % intervals; nan where there is nothing to divide by.

    Attributes:
        kind: one of `KINDS`.
        reference: how many the references have.
    """

    kind: str
    reference: int
    precision: Interval
    recall: Interval
    f1: Interval


@dataclass(frozen=True)
class WrittenReport:
    """The scores of one system, for each kind that the reference or the hypothesis has."""

    system: str
    scores: tuple[WrittenScore, ...]


def written_report(
    system: str, reference: Mapping[str, str], hypothesis: Mapping[str, str], speakers: Sequence[str] | None = None
) -> WrittenReport:
    """Score the writing of a system.

    Args:
        reference, hypothesis: utterance to text as it is written; the hypothesis has all utterances of the reference.
        speakers: (N,) the speaker of each utterance, where known: whole speakers are drawn if there are enough of them.

    Raises:
        WerError: no reference has any word.
    """
    groups = speakers if speakers is not None and len(set(speakers)) >= FEWEST else None
    found = tallies(reference, hypothesis)
    return WrittenReport(system, tuple(_scored(kind, found[kind], groups) for kind in KINDS if kind in found))


def tallies(reference: Mapping[str, str], hypothesis: Mapping[str, str]) -> dict[str, Tally]:
    """Count what is right, wrong and missed in each utterance, for each kind that occurs.

    Raises:
        WerError: no reference has any word.
    """
    said = {utterance: WrittenText.of(text) for utterance, text in reference.items()}
    heard = {utterance: WrittenText.of(hypothesis[utterance]) for utterance in reference}
    left, right = ({utterance: text.plain for utterance, text in texts.items()} for texts in (said, heard))
    aligned = score("", left, right, str).alignments
    rows = [list(_compared(one, said[one.utterance], heard[one.utterance])) for one in aligned]
    found: dict[str, np.ndarray] = {}
    for n, row in enumerate(rows):
        for kind, its, theirs in row:
            counts = found.setdefault(kind, np.zeros((3, len(rows)), np.int64))
            both = (its & theirs).total()
            counts[:, n] += both, theirs.total() - both, its.total() - both
    return {kind: Tally(*counts) for kind, counts in found.items()}


def _compared(
    alignment: Alignment, said: WrittenText, heard: WrittenText
) -> Iterator[tuple[str, Counter[str], Counter[str]]]:
    """Yield kinds, with what the reference and the hypothesis have of them, slot by slot."""
    slots = [(list(said.slots[0]), list(heard.slots[0]))]
    numbers: list[tuple[list[str], list[str]]] = [([], [])]
    at = [0, 0]
    for pair in alignment.pairs:
        if all(pair):
            slots.append(([], []))
            numbers.append(([], []))
        words = []
        for side, (text, word) in enumerate(zip((said, heard), pair)):
            if word:
                words.append(text.words[at[side]])
                at[side] += 1
                slots[-1][side].extend(text.slots[at[side]])
                if any(char.isdigit() for char in words[-1]):
                    numbers[-1][side].append(words[-1])
        if pair[0] == pair[1]:
            left, right = ([word] if word != word.lower() else [] for word in words)
            yield CAPITAL, Counter(left), Counter(right)
    for left, right in numbers:
        yield NUMBER, Counter(left), Counter(right)
    for left, right in slots:
        yield MARKS, Counter(left), Counter(right)
        for mark in dict.fromkeys((*left, *right)):
            yield MARK_NAMES[mark], Counter(mark * left.count(mark)), Counter(mark * right.count(mark))


def _scored(kind: str, tally: Tally, groups: Sequence[str] | None) -> WrittenScore:
    right, wrong, missed = tally.right, tally.wrong, tally.missed

    def ratio(above: np.ndarray, below: np.ndarray) -> Interval:
        if not below.any():
            return Interval(np.nan, np.nan, np.nan)
        interval = bootstrap_interval(above, below, groups)
        return Interval(interval.value, interval.low, min(interval.high, 1.0))

    return WrittenScore(
        kind,
        int((right + missed).sum()),
        ratio(right, right + wrong),
        ratio(right, right + missed),
        ratio(2 * right, 2 * right + wrong + missed),
    )
