"""Words that nobody said are taken for wrong, and words that were said are kept, in log-probabilities made by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from speechnar.decode.acoustic_check import AcousticCheck, CheckConfig, _is_repeated, changes
from speechnar.decode.spelling import key_of
from speechnar.text.whisper_bpe import BytePairs

TOKENS = BytePairs(("<blank>", "▁", *"abcdefghijklmnopqrstuvwxyz'"))
WORD = 6  # frames of a word, and of the blanks behind it


def said(*words: str, doubt: float = 1e-4, tokens: BytePairs = TOKENS) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """(T, V) log-probabilities of words with `WORD` blanks behind each, and the frames of each."""
    rows: list[int] = []
    frames = []
    for word in words:
        ids = tokens.encode(word)
        frames.append((len(rows), len(rows) + len(ids)))
        rows += [*ids, *[0] * WORD]
    probs = np.full((len(rows), len(tokens)), doubt)
    probs[np.arange(len(rows)), rows] = 1 - doubt * (len(tokens) - 1)
    return np.log(probs), frames


def judged(heard: Sequence[str], text: Sequence[str], confidence: float = 0.9, doubt: float = 1e-4) -> list[bool]:
    log_probs, frames = said(*heard, doubt=doubt)
    check = AcousticCheck(log_probs, TOKENS, heard, frames)
    return [check.is_wrong(change, text, [confidence] * len(text)) for change in changes(heard, text)]


def words_of(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize(
    ("draft", "text", "expected"),
    [
        ("the lions den", "The lion's den.", []),  # case and marks are no words, and a word may be spelled otherwise
        ("computer", "computer computer", [("", "computer")]),
        ("a b c d", "a d", [("b c", "")]),
        ("a d", "a b c d", [("", "b c")]),
        ("the fin spon gall", "the", [("fin spon gall", "")]),
        ("", "thank you", [("", "thank you")]),
        ("jump sover it", "jumps over it", []),
        ("kathleen said", "cathleen then said", [("", "then")]),
        ("one exx to ecstasy", "one ecstasy", [("exx to", "")]),
        # The words that both texts have are not always those that stand for each other.
        (
            "heart and theove heart and the waterworks",
            "heart and the Louvre, heart and the grand waterworks",
            [("", "Louvre,"), ("", "grand")],
        ),
        ("tear down the fence tear the fis", "Tear down the fence, tear down the fence.", [("", "down")]),
    ],
)
def test_changes_are_runs_of_words_that_one_text_has(draft: str, text: str, expected: list[tuple[str, str]]) -> None:
    left, right = draft.split(), text.split()
    found = [(" ".join(left[change.draft]), " ".join(right[change.text])) for change in changes(left, right)]
    assert found == expected


def test_without_changes_both_texts_have_as_many_words() -> None:
    rng = random.Random(0)
    for _ in range(300):
        left, right = ([rng.choice("abcde") * rng.randint(1, 2) for _ in range(rng.randrange(9))] for _ in range(2))
        found = changes(left, right)
        removed = sum(change.draft.stop - change.draft.start for change in found)
        added = sum(change.text.stop - change.text.start for change in found)
        assert len(left) - removed == len(right) - added
        assert all(
            (change.draft.start == change.draft.stop) != (change.text.start == change.text.stop) for change in found
        )
        assert found == sorted(found, key=lambda change: change.draft.start)


def test_a_word_that_is_written_twice_was_said_once() -> None:
    assert judged(["stop"], ["Stop.", "Stop."]) == [True]
    assert judged(["stop"], ["stop", "stop"]) == [True]
    assert judged(["stop", "stop"], ["stop", "stop"]) == []
    assert judged(["three"], ["three"] * 4) == [True]
    assert judged(["fight"], ["fight", "to", "fight"]) == [True]


def test_a_word_that_ctc_nearly_heard_may_be_inserted() -> None:
    """CTC gives the frames of "of" three parts to blanks and two to the word, so its best path lacks it."""
    log_probs, frames = said("plan", "of", "it")
    start, end = frames[1]
    log_probs[start:end, 0] = np.log(0.6)
    log_probs[np.arange(start, end), TOKENS.encode("of")] = np.log(0.39)
    check = AcousticCheck(log_probs, TOKENS, ["plan", "it"], [frames[0], frames[2]])
    (change,) = changes(["plan", "it"], text := ["plan", "of", "it"])
    assert not check.is_wrong(change, text, [0.9] * 3)
    (change,) = changes(["plan", "it"], text := ["plan", "nurse", "it"])
    assert check.is_wrong(change, text, [0.9] * 3)


def test_a_doubtful_insertion_needs_more_support() -> None:
    log_probs, frames = said("view", doubt=0.02)
    check = AcousticCheck(log_probs, TOKENS, ["view"], frames)
    (change,) = changes(["view"], text := ["view", "it"])
    gains = check._gain(change, text)[0] / check._gain(change, text)[1]
    edge = AcousticCheck(log_probs, TOKENS, ["view"], frames, CheckConfig(insertion=gains - 1.0))
    assert not edge.is_wrong(change, text, [1.0, 0.9])
    assert edge.is_wrong(change, text, [1.0, 0.2])  # its logarithm is -1.6


@pytest.mark.parametrize(
    ("text", "is_loop"),
    [
        ("a man of the old town a man of the old town there", True),
        ("a man of the old town or by any one there", False),
        ("a man of the old man there", False),  # three words in a row may be said twice
        ("a man there there", True),
        ("a man of the old town there a man of the", True),
    ],
)
def test_a_row_of_words_that_is_repeated_is_a_loop(text: str, is_loop: bool) -> None:
    draft = "a man of the old town there".split()
    assert any(_is_repeated(change, text.split()) for change in changes(draft, text.split())) == is_loop


def test_what_was_said_is_not_left_out() -> None:
    assert judged(words_of("fin compliments"), ["fin"]) == [True]
    assert judged(words_of("damages the acquired relative he"), ["damages", "he"]) == [True]


def test_a_fragment_beside_its_word_is_left_out() -> None:
    """The decoder writes the word that the draft has in two: with it, no frame is left for the fragment."""
    assert judged(["snow", "boy"], ["snowboy"]) == [False]
    assert judged(["they", "w", "were"], ["they", "were"], doubt=0.03) == [False]


def test_a_number_in_digits_stands_for_its_words() -> None:
    assert judged(words_of("paid three dollars fifty"), ["paid", "$3.50"]) == [False]
    assert judged(words_of("a dozen men"), ["a", "12", "men"]) == []


WITH_DIGITS = BytePairs(("<blank>", "▁", *"abcdefghijklmnopqrstuvwxyz'0123456789$%.,:"))
"""As the CTC branch that ships has them: with these, it can judge what stands beside a number."""


@pytest.mark.parametrize(
    ("draft", "text", "lost"),
    [
        ("paid three dollers and fifty sense at", "paid $3.50 at", []),
        ("paid three dollers and fifty sense at", "paid him at", ["dollers and fifty sense"]),
        ("it costs twelve dollars and seenty five sse", "it costs $12.75.", []),
        ("in nineteen eighty four her dog died", "in 1984 died", ["her dog"]),
        ("nineteen ninety eight he went home and", "1998 and", ["he went home"]),
        ("in nineteen eighty four not five", "in 1984 five", ["not"]),
        ("two hundred men and six", "206", ["men"]),
        ("it was twelve dollars and seventy five cents each plus tax", "it was $12.75", ["each plus tax"]),
        ("two thousand", "2,000", []),
    ],
)
def test_words_that_a_number_stands_for_are_not_lost_and_those_beside_it_are_kept(
    draft: str, text: str, lost: list[str]
) -> None:
    heard, words = draft.split(), text.split()
    log_probs, frames = said(*heard, tokens=WITH_DIGITS)
    check = AcousticCheck(log_probs, WITH_DIGITS, heard, frames)
    found = check.wrong(words, [0.9] * len(words))
    assert [" ".join(heard[change.draft]) for change in found] == lost


def test_words_behind_a_number_that_nobody_said_are_wrong() -> None:
    heard, words = ["two", "thousand"], ["2,000", "bye", "bye"]
    log_probs, frames = said(*heard, tokens=WITH_DIGITS)
    assert AcousticCheck(log_probs, WITH_DIGITS, heard, frames).wrong(words, [0.9] * 3)


@pytest.mark.parametrize(
    ("draft", "text", "wrong"), [("one", "1, 1,", [True]), ("one one", "1, 1,", []), ("a", "a 1", [False])]
)
def test_a_number_is_written_as_often_as_it_was_heard(draft: str, text: str, wrong: list[bool]) -> None:
    assert judged(words_of(draft), words_of(text)) == wrong


@pytest.mark.parametrize(
    ("draft", "text", "wrong"),
    [
        ("d doctter smith", "Dr. Smith", [False]),  # CTC wrote "doctor" in two pieces: none of it is lost
        ("mister fox said smith", "Mr. Smith", [True]),
        ("d doctter smith", "Mr. Smith", [True]),  # another title
    ],
)
def test_a_title_stands_for_its_word(draft: str, text: str, wrong: list[bool]) -> None:
    assert judged(words_of(draft), words_of(text)) == wrong


def test_words_that_ctc_cannot_write_are_not_judged() -> None:
    assert judged(["view"], ["view", "9"]) == [False]


def test_the_span_of_a_change_is_between_the_neighbors() -> None:
    log_probs, frames = said("ab", "cd", "ef")
    check = AcousticCheck(log_probs, TOKENS, ["ab", "cd", "ef"], frames)
    (one,) = changes(["ab", "cd", "ef"], ["ab", "ef"])
    assert check.span(one) == (frames[0][1], frames[2][0])
    (everything,) = changes(["ab", "cd", "ef"], [])
    assert check.span(everything) == (0, len(log_probs))


@pytest.mark.parametrize(
    ("word", "key"),
    [("Hello,", "hello"), ("O\u2019Brien's", "o'brien's"), ("$3.50!", "$350"), ("—", "—"), ("'tis", "tis")],
)
def test_keys(word: str, key: str) -> None:
    assert key_of(word) == key
