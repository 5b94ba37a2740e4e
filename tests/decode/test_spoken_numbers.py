"""Numbers in digits stand for the words that they are read as, and times have a colon where they are read as times."""

from __future__ import annotations

import pytest

from speechnar.decode.spoken_numbers import is_said, with_times


@pytest.mark.parametrize(
    ("text", "draft", "run", "said"),
    [
        ("$12.75", "twelve dollars and seenty five sse", "dollars and seenty five sse", True),
        ("1998.", "nineteen ninety ate", "ninety ate", True),
        ("$3", "three dollars and fifty cents", "and fifty cents", False),
        (
            "$3.50 and then he left",
            "three dollars and fifty cents and then he left the house with",
            "the house with",
            False,
        ),
        ("12", "a dozen men", "dozen men", False),
        ("twelve", "twelve men", "men", False),  # no digit
        ("1 " * 1000, "one " * 1000, "one", False),  # too long for a number
    ],
)
def test_words_of_a_draft_belong_to_a_number_that_is_read_like_them(
    text: str, draft: str, run: str, said: bool
) -> None:
    words, start = draft.split(), len(draft[: draft.index(run)].split())
    assert is_said(text.split(), words, slice(start, start + len(run.split())), in_draft=True) is said


@pytest.mark.parametrize(("run", "said"), [("$12 and 75 cents", True), ("men", False)])
def test_words_of_a_text_belong_to_a_number_that_the_draft_spells(run: str, said: bool) -> None:
    text = "men $12 and 75 cents".split()
    start = text.index(run.split()[0])
    inside = slice(start, start + len(run.split()))
    assert is_said(text, "twelve dollars and seventy five cents".split(), inside, in_draft=False) is said


@pytest.mark.parametrize(
    ("text", "draft", "expected"),
    [
        ("at 10.30, didn't he?", "at tenorty didn't he", "at 10:30, didn't he?"),
        ("from 9.15 to 11.45.", "from nine fifteen to eleven forty five", "from 9:15 to 11:45."),
        ("the train at 7.45 pm", "the train at seventy five P M", "the train at 7:45 pm"),
        ("about 10.30 meters", "about ten point three zero meters", "about 10.30 meters"),
        ("version 3.11 is", "version three point eleven is", "version 3.11 is"),
        ("$10.30 each", "ten thirty each", "$10.30 each"),
        ("25.30 and 7.75", "twenty five thirty and seven seventy five", "25.30 and 7.75"),  # no time
        ("at 10.30 sharp", "at 10.30 sharp", "at 10.30 sharp"),  # the draft has the same
        ("-10.30 and 10.30%", "minus ten thirty and ten thirty percent", "-10.30 and 10.30%"),
        ('("10.30")', "ten thirty", '("10:30")'),
        ("ten thirty", "ten thirty", "ten thirty"),
        ("", "", ""),
    ],
)
def test_a_number_that_is_read_as_a_time_has_a_colon(text: str, draft: str, expected: str) -> None:
    assert with_times(text.split(), draft.split()) == expected.split()


def test_many_numbers_in_a_row_are_left_as_they_are() -> None:
    assert with_times(["10.30"] * 1000, "ten thirty".split() * 1000) == ["10.30"] * 1000
