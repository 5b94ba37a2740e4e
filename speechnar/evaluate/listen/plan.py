"""Contents of a listening test, and the order of trials of each rater.

A rater's plan follows from the test and the rater's number alone, so that nothing of it has to be stored. A trial is an
item (a sentence) in a condition: a system (MOS), two systems in one order (CMOS), the same with a choice of X (ABX), or
all at once (MUSHRA). Over as many raters as there are conditions, every item is heard once in every condition, and
every condition stands once at every place of a block; each follows every other one equally often, over twice as many
raters where the conditions are odd.

Source: Williams 1949, "Experimental designs balanced for the estimation of residual effects of treatments"; the
    allotment of items as in the Blizzard Challenge's Latin squares; ITU-R BS.1534-3 for MUSHRA.
"""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import dataclass
from pathlib import Path

from speechnar import config

FORMAT = 1
TEST_FILE = "test.json"
AUDIO_FOLDER = "audio"
AUDIO_NAME = re.compile(r"[0-9a-f]{32}\.wav")

REFERENCE, ANCHOR, WRECK = "reference", "anchor", "wreck"
RESERVED = (REFERENCE, ANCHOR, WRECK)
TRAINING, RATED, CATCH = "training", "rated", "catch"


class ListenError(ValueError):
    """A listening test that cannot be made, served or reported; the message says why and what to do."""


@dataclass(frozen=True)
class Choice:
    """One of a few answers, with its score and its label."""

    score: int
    label: str


@dataclass(frozen=True)
class Method:
    """The question and the answers of a kind of test.

    Attributes:
        question: above the answers.
        samples: names of what is heard, in order; empty where they are counted (MUSHRA).
        choices: the answers, best first; empty for sliders from 0 to 100.
    """

    question: str
    samples: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()

    @property
    def scores(self) -> range:
        """Return all scores that may be given."""
        given = [choice.score for choice in self.choices] or [0, 100]
        return range(min(given), max(given) + 1)


METHODS = {
    "mos": Method(
        "How natural does the sample sound?",
        ("the sample",),
        tuple(Choice(5 - n, label) for n, label in enumerate(("Excellent", "Good", "Fair", "Poor", "Bad"))),
    ),
    "cmos": Method(
        "Which of the two sounds more natural?",
        ("A", "B"),
        (
            Choice(3, "B is much better"),
            Choice(2, "B is better"),
            Choice(1, "B is slightly better"),
            Choice(0, "They are about the same"),
            Choice(-1, "A is slightly better"),
            Choice(-2, "A is better"),
            Choice(-3, "A is much better"),
        ),
    ),
    "abx": Method(
        "X is the same as one of the two. Which one?",
        ("A", "B", "X"),
        (Choice(0, "X is A"), Choice(1, "X is B")),
    ),
    "mushra": Method("How good is each sample, compared with the reference?"),
}


@dataclass(frozen=True)
class Stimulus:
    """An audio file of the test: its opaque name, its system and its item."""

    file: str
    system: str
    item: str


@dataclass(frozen=True)
class ListeningTest:
    """A test as stored in `test.json`.

    Attributes:
        id: opaque; raters' tokens hold for one test alone.
        method: a key of METHODS.
        systems: under test, by name; in CMOS and ABX every two are compared, in the order given here.
        items: names of the wavs to rate.
        training: names of the wavs of the practice trials, which are not counted.
        rounds: how many conditions of each item a rater hears.
        catch: how many trials have an answer that is known.
        loudness: LUFS of every file.
    """

    format: int
    id: str
    method: str
    title: str
    intro: str
    consent: str
    question: str
    systems: tuple[str, ...]
    items: tuple[str, ...]
    training: tuple[str, ...]
    rounds: int
    catch: int
    seed: int
    sample_rate: int
    loudness: float
    stimuli: tuple[Stimulus, ...]


@dataclass(frozen=True)
class Trial:
    """One page of a test.

    Attributes:
        kind: TRAINING, RATED or CATCH.
        systems: what each sample is, in the order in which they are shown; in ABX the last is X, in MUSHRA the first
            is the open reference.
    """

    kind: str
    item: str
    systems: tuple[str, ...]


def load(folder: Path) -> ListeningTest:
    """Read `test.json` and check that all its audio exists.

    Raises:
        ListenError: it is no test, of another format, or names audio that it should not or does not have.
    """
    if not (folder / TEST_FILE).is_file():
        raise ListenError(f"{folder} holds no {TEST_FILE}: make a test with `speechnar evaluate listen make`")
    test = config.load(ListeningTest, folder / TEST_FILE)
    if test.format != FORMAT or test.method not in METHODS:
        raise ListenError(f"{folder} is a test of format {test.format}, {test.method}; make it again with this version")
    for stimulus in test.stimuli:
        if not AUDIO_NAME.fullmatch(stimulus.file):
            raise ListenError(f"{folder / TEST_FILE} names the audio file {stimulus.file!r}, which is none of a test's")
        if not (folder / AUDIO_FOLDER / stimulus.file).is_file():
            raise ListenError(f"{folder} lacks {AUDIO_FOLDER}/{stimulus.file}; make the test again")
    return test


def balanced_square(size: int) -> list[tuple[int, ...]]:
    """Return Williams' Latin square of 0 ... size - 1: each follows each other as often; with its mirror if odd."""
    first = [(step + 1) // 2 if step % 2 else -(step // 2) for step in range(size)]
    rows = [tuple((number + shift) % size for number in first) for shift in range(size)]
    return rows if size % 2 == 0 else rows + [row[::-1] for row in rows]


def pairs(test: ListeningTest) -> list[tuple[str, str]]:
    """Return every pair of systems, in the order of the test."""
    return list(itertools.combinations(test.systems, 2))


def conditions(method: str, systems: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the conditions of an item: the samples of a trial. MUSHRA has one, whose order differs in each trial."""
    orders: list[tuple[str, ...]] = list(itertools.permutations(systems, 2))
    if method == "mos":
        return [(system,) for system in systems]
    if method == "cmos":
        return orders
    if method == "abx":
        return [(*order, x) for order in orders for x in order]
    return [(REFERENCE, *systems, REFERENCE, ANCHOR)]


def plan(test: ListeningTest, number: int) -> tuple[Trial, ...]:
    """Return the trials of rater `number`, from 0: practice first, then rated trials with catch trials among them."""
    rng = random.Random(f"{test.seed} {number}")
    found = conditions(test.method, test.systems)
    practice = [
        Trial(TRAINING, item, _shown(test, found[(number + n) % len(found)], number + n))
        for n, item in enumerate(test.training)
    ]
    rated = _rated(test, number, found, rng)
    places = [
        rng.randrange(n * len(rated) // test.catch, (n + 1) * len(rated) // test.catch) + 1 for n in range(test.catch)
    ]
    for n in reversed(range(test.catch)):
        rated.insert(places[n], Trial(CATCH, test.items[n], _catch(test, rng)))
    return (*practice, *rated)


def _rated(test: ListeningTest, number: int, found: list[tuple[str, ...]], rng: random.Random) -> list[Trial]:
    """Return blocks as long as there are conditions; in each, the conditions follow a row of the square.

    Items are dealt into as many classes as there are conditions. A turn gives each class a condition, and the next turn
    the next one; which item of a class is heard in which block is left to chance.
    """
    size = len(found)
    square = balanced_square(size)
    trials: list[Trial] = []
    for turn in range(number, number + test.rounds):
        classes = [rng.sample(items, len(items)) for items in (test.items[n::size] for n in range(size))]
        row = square[(turn + number // size) % len(square)]  # equal shifts would tie an item to a position
        for block in range(len(classes[0])):
            for condition in row:
                items = classes[(condition - turn) % size]
                if block < len(items):
                    shown = _shown(test, found[condition], number + len(trials))
                    trials.append(Trial(RATED, items[block], shown))
    return trials


def _shown(test: ListeningTest, samples: tuple[str, ...], row: int) -> tuple[str, ...]:
    if test.method != "mushra":
        return samples
    square = balanced_square(len(samples) - 1)
    return (samples[0], *(samples[1 + n] for n in square[row % len(square)]))


def _catch(test: ListeningTest, rng: random.Random) -> tuple[str, ...]:
    """Return samples of which one is degraded, or in MUSHRA all but the hidden reference."""
    if test.method == "mos":
        return (WRECK,)
    if test.method == "mushra":
        hidden = [REFERENCE] + [WRECK] * (len(test.systems) + 1)
        rng.shuffle(hidden)
        return (REFERENCE, *hidden)
    order = [test.systems[0], WRECK]
    rng.shuffle(order)
    return tuple(order) if test.method == "cmos" else (*order, rng.choice(order))


def n_scores(trial: Trial, method: str) -> int:
    """Return the number of scores of an answer: one, or in MUSHRA one for each sample but the open reference."""
    return len(trial.systems) - 1 if method == "mushra" else 1


def passed(trial: Trial, scores: tuple[int, ...], method: str) -> bool:
    """Return True if an answer to a catch trial is one that an attentive rater would give."""
    if method == "mos":
        return scores[0] <= 2
    if method == "cmos":
        return scores[0] < 0 if trial.systems[1] == WRECK else scores[0] > 0
    if method == "abx":
        return trial.systems[scores[0]] == trial.systems[2]
    best = scores[trial.systems[1:].index(REFERENCE)]
    return all(best > score for system, score in zip(trial.systems[1:], scores) if system == WRECK)
