"""Scores of written text against tables worked by hand."""

from __future__ import annotations

import math

import pytest

from speechnar.evaluate.stats.statistics import bootstrap_interval
from speechnar.evaluate.wer.error_rate import WerError
from speechnar.evaluate.wer.written import CAPITAL, KINDS, MARKS, NUMBER, WrittenText, tallies, written_report


def counts(reference: str, hypothesis: str) -> dict[str, tuple[int, int, int]]:
    """Right, wrong and missed of each kind that has any."""
    found = tallies({"u": reference}, {"u": hypothesis})
    numbers = {kind: (int(t.right[0]), int(t.wrong[0]), int(t.missed[0])) for kind, t in found.items()}
    return {kind: three for kind, three in numbers.items() if any(three)}


@pytest.mark.parametrize(
    ("text", "words", "slots"),
    [
        ("Dr. Smith paid $3.50, didn't he?", ["Dr", "Smith", "paid", "$3.50", "didn't", "he"], "| . |  |  | , |  | ?"),
        ("“Well—no,” she said…", ["Well", "no", "she", "said"], '" | — | ," |  | …'),
        ("twenty-three - or 10:30, 1,000 and 50%!", ["twenty", "three", "or", "10:30", "1,000", "and", "50%"],
         "| - | — |  | , |  |  | !"),
        ("the U.S. (and AT&T) don\u2019t 'quote'", ["the", "U.S", "and", "AT&T", "don't", "quote"],
         "|  | .( |  | ( |  | "),
        ("Wait... what?! -- ", ["Wait", "what"], "| … | ?!—"),
        ("", [], ""),
    ],
)  # fmt: skip
def test_texts_are_split_into_words_and_marks(text: str, words: list[str], slots: str) -> None:
    written = WrittenText.of(text)
    assert list(written.words) == words
    assert ["".join(slot) for slot in written.slots] == [slot.strip() for slot in slots.split("|")]


def test_the_example_of_the_module() -> None:
    assert counts("Dr. Smith paid $3.50, didn't he?", "Dr. Smith paid three dollars fifty didn't he.") == {
        CAPITAL: (2, 0, 0),
        NUMBER: (0, 0, 1),
        MARKS: (1, 1, 2),
        "full stop": (1, 1, 0),
        "comma": (0, 0, 1),
        "question mark": (0, 0, 1),
    }


def test_a_word_error_is_no_error_of_its_mark() -> None:
    """The comma stands behind another word, the full stop behind a word more, and both are right."""
    assert counts("We sat, then left.", "We sad, then left it.") == {
        CAPITAL: (1, 0, 0),
        MARKS: (2, 0, 0),
        "comma": (1, 0, 0),
        "full stop": (1, 0, 0),
    }
    assert counts("It ended there now.", "It ended.")["full stop"] == (1, 0, 0)


def test_case_counts_where_the_word_is_the_same() -> None:
    assert counts("Paul met McDonald in Rome", "paul Met Mcdonald in Room") == {CAPITAL: (0, 2, 2)}
    # missed: Paul, McDonald; wrong: Met, Mcdonald; Rome was not recognized, so its case is not compared


def test_numbers_count_as_they_are_written() -> None:
    assert counts("at 10:30 for $3.50 and 7 more", "at 10.30 for $3.50 and seven more") == {NUMBER: (1, 1, 2)}


def test_a_mark_twice_in_one_slot_counts_twice() -> None:
    assert counts("no!! yes", "no! yes") == {MARKS: (1, 0, 1), "exclamation mark": (1, 0, 1)}


def test_metrics_and_intervals_are_of_sums_over_utterances() -> None:
    reference = {str(n): "One, two." for n in range(6)}
    hypothesis = {str(n): ["One, two.", "One two.", "one, two,"][n % 3] for n in range(6)}
    report = written_report("ours", reference, hypothesis)
    scores = {score.kind: score for score in report.scores}
    assert list(scores) == [kind for kind in KINDS if kind in (CAPITAL, NUMBER, MARKS, "full stop", "comma")]
    comma = scores["comma"]  # right 1, 0, 1; wrong 0, 0, 1; missed 0, 1, 0; each twice
    assert (comma.reference, comma.precision.value, comma.recall.value) == (6, 4 / 6, 4 / 6)
    assert comma.f1 == bootstrap_interval([2, 0, 2] * 2, [2, 1, 3] * 2)
    assert math.isnan(scores[NUMBER].f1.value) and scores[NUMBER].reference == 0
    assert scores["full stop"].precision.value == 1 and scores["full stop"].recall.value == 4 / 6


def test_speakers_are_drawn_where_they_are_known() -> None:
    reference = {str(n): "Yes." for n in range(10)}
    hypothesis = {str(n): "Yes." if n < 6 else "yes" for n in range(10)}
    speakers = [f"s{n // 2}" for n in range(10)]
    (capital, *_) = written_report("ours", reference, hypothesis, speakers).scores
    by_speaker = bootstrap_interval([1] * 6 + [0] * 4, [1] * 10, speakers)
    assert (capital.recall.low, capital.recall.high) == (by_speaker.low, 1.0)  # no more than all can be right


def test_references_without_words_are_refused() -> None:
    with pytest.raises(WerError, match="no reference has any words"):
        tallies({"u": "..."}, {"u": "Yes."})
