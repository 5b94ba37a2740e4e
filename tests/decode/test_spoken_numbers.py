"""Numbers in digits stand for the words that they are read as, and times have a colon where they are read as times."""

from __future__ import annotations

import pytest

from speechnar.decode.spoken_numbers import said_by_numbers, with_commas, with_times


@pytest.mark.parametrize(
    ("text", "draft", "others"),
    [
        ("$12.75", "twelve dollars and seenty five sse", ""),
        ("1998.", "nineteen ninety ate", ""),
        ("1984", "nineteen eighty four her dog", "her dog"),
        ("206", "two hundred men and six", "men and"),
        ("$12.75", "twelve dollars and seventy five cents each plus tax", "each plus tax"),
        ("12", "a dozen men", "a dozen men"),
        ("twelve", "twelve", "twelve"),  # no digit
        ("", "", ""),
        ("12", "", ""),
        ("", "twelve", "twelve"),
        ("1 " * 1000, "one " * 1000, "one " * 1000),  # too long for a number
    ],
)
def test_numbers_stand_for_the_words_that_they_are_read_as(text: str, draft: str, others: str) -> None:
    words = draft.split()
    said = said_by_numbers(text.split(), words)
    assert [word for n, word in enumerate(words) if n not in said] == others.split()


@pytest.mark.parametrize(
    ("text", "draft", "expected"),
    [
        ("at 10.30, didn't he?", "at tenorty didn't he", "at 10:30, didn't he?"),
        ("from 9.15 to 11.45.", "from nine fifteen to eleven forty five", "from 9:15 to 11:45."),
        ("the train, 7.45 pm", "the train seventy five P M", "the train, 7:45 pm"),
        ('at ("10.30")', "at ten thirty", 'at ("10:30")'),
        ("so 10.30 it is", "so 10:30 it is", "so 10:30 it is"),  # the draft has it as a time
        ("at 10.30 sharp", "at 10.30 sharp", "at 10.30 sharp"),
        ("at 10.30, didn't he?", "at 10.30 didn't he", "at 10:30, didn't he?"),
        ("it was at 9.00", "it was at 9.00", "it was at 9:00"),
        ('"at 7.50" pm', "at 7.50 pm", '"at 7:50" pm'),
        ("it closed at 10.45.", "it closed at 10.45.", "it closed at 10.45."),  # perhaps a fraction
        ("version 3.10.", "version 3.10.", "version 3.10."),
        ("10.30", "10.30", "10.30"),
        ("at 10.30, didn't he?", "at03 didn't he", "at 10:30, didn't he?"),
        ("closes at 8.40 p.M.", "closes at 8 Pm.", "closes at 8:40 p.m."),
        ("6 PM. or 7 A.M.", "6 PM. or 7 A.M.", "6 PM. or 7 A.M."),
        ("at 10.30 meters", "at ten point three zero meters", "at 10.30 meters"),
        ("by 3.11 is", "by three poynt eleven is", "by 3.11 is"),
        ("version 3.10", "version three ten", "version 3.10"),
        ("costs 10.30", "costs ten thirty", "costs 10.30"),
        ("at 3.50 each", "at three dollars and fifty cents each", "at 3.50 each"),
        ("at $10.30 or £3.50", "at ten thirty or three fifty", "at $10.30 or £3.50"),
        ("by -10.30 and by 1.25%", "by minus ten thirty and by one twenty five", "by -10.30 and by 1.25%"),
        ("at 24.59 or at 7.75", "at twenty four fifty nine or at seven seventy five", "at 24.59 or at 7.75"),
        ("at 10.30", "a dog", "at 10.30"),
        ("paid $3.50 at 1030. Didn't he?", "paid 3 50 at03, didn't he.", "paid $3.50 at 10:30. Didn't he?"),
        ("at 7.45 p.m. from", "at 745 Pm from", "at 7:45 p.m. from"),
        ("leaves at 745 p.m. from", "leaves at 745 Pm from", "leaves at 7:45 p.m. from"),
        (
            "at 1030 feet, in 1030. At 1000. At 350. At 1345. At 1045.",
            "a dog",
            "at 1030 feet, in 1030. At 1000. At 350. At 1345. At 1045.",
        ),
        ("260 pm, 1330 am", "a dog", "260 pm, 1330 am"),
        ("ten thirty", "ten thirty", "ten thirty"),
        ("", "", ""),
    ],
)
def test_a_number_that_is_read_as_a_time_has_a_colon(text: str, draft: str, expected: str) -> None:
    assert with_times(text.split(), draft.split()) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("was $1249.99, which", "was $1,249.99, which"),
        ('"$12000." or \u00a31000000?', '"$12,000." or \u00a31,000,000?'),
        ("$999.99 in 1999, $0500, $1,249 and 1249.99", "$999.99 in 1999, $0500, $1,249 and 1249.99"),
    ],
)
def test_money_has_commas_between_thousands(text: str, expected: str) -> None:
    assert with_commas(text.split()) == expected.split()
    assert with_commas(text.split(), keep=text.split()) == text.split()


def test_expected_words_stay_as_they_are() -> None:
    assert with_times(["at", "10.30."], ["at", "ten", "thirty"], keep=["10.30"]) == ["at", "10.30."]
    assert with_times(["pM", "aM"], [], keep=["pM"]) == ["pM", "am"]
    assert with_times(["at", "1030."], [], keep=["1030"]) == ["at", "1030."]


def test_many_numbers_in_a_row_are_left_as_they_are() -> None:
    assert with_times(["at", *["10.30"] * 1000], "ten thirty".split() * 1000) == ["at", *["10.30"] * 1000]
