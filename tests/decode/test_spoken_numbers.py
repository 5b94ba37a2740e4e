"""Numbers in digits stand for the words that they are read as, and times have a colon where they are read as times."""

from __future__ import annotations

import pytest

from speechnar.decode.spoken_numbers import is_said, with_times


@pytest.mark.parametrize(
    ("text", "draft", "said"),
    [
        ("$12.75", "twelve dollars and seenty five sse", True),
        ("1998.", "nineteen ninety ate", True),
        ("$3", "three dollars and fifty cents", False),
        ("12", "a dozen men", False),
        ("twelve", "twelve", False),  # no digit
        ("", "", False),
        ("12", "", False),
    ],
)
def test_a_number_is_said_if_it_is_read_aloud_like_the_draft(text: str, draft: str, said: bool) -> None:
    assert is_said(text.split(), draft.split()) is said


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
        ("ten thirty", "ten thirty", "ten thirty"),
        ("", "", ""),
    ],
)
def test_a_number_that_is_read_as_a_time_has_a_colon(text: str, draft: str, expected: str) -> None:
    assert with_times(text.split(), draft.split()) == expected.split()
