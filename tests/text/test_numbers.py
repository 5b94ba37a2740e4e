from __future__ import annotations

import pytest

from speechnar.text import numbers


@pytest.mark.parametrize(
    "value", [*range(0, 130), 999, 1000, 1001, 1100, 12345, 100000, 1000001, 987654321, 10**12 + 7]
)
def test_cardinals_and_ordinals_agree_with_num2words(value):
    num2words = pytest.importorskip("num2words").num2words

    def american(words):
        return words.replace(",", "").replace(" and ", " ")

    assert numbers.cardinal(value) == american(num2words(value))
    assert numbers.ordinal(value) == american(num2words(value, to="ordinal"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (476, "four hundred seventy-six"),
        (1000, "one thousand"),
        (1066, "ten sixty-six"),
        (1500, "fifteen hundred"),
        (1900, "nineteen hundred"),
        (1905, "nineteen oh five"),
        (1999, "nineteen ninety-nine"),
        (2000, "two thousand"),
        (2007, "two thousand seven"),
        (2010, "twenty ten"),
        (2100, "twenty-one hundred"),
    ],
)
def test_years(value, words):
    assert numbers.year(value) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-3.50", "minus three point five zero"),
        (".5", "point five"),
        ("1,234", "one thousand two hundred thirty-four"),
        ("007", "zero zero seven"),
        ("0", "zero"),
        ("0.25", "zero point two five"),
        ("1" * 16, " ".join(["one"] * 16)),
    ],
)
def test_numbers_as_written(text, words):
    assert numbers.number(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [("5", "five"), ("66", "sixty-six"), ("101", "one oh one"), ("747", "seven forty-seven"), ("1080", "ten eighty"),
     ("500", "five hundred"), ("9000", "nine thousand"), ("01", "zero one"), ("50344", "five zero three four four")],
)  # fmt: skip
def test_digits_of_names(text, words):
    assert numbers.pairs(text) == words


def test_any_length_is_read():
    assert numbers.number("9" * 10_000).count("nine") == 10_000


@pytest.mark.parametrize(
    ("word", "words"), [("inch", "inches"), ("sixty", "sixties"), ("day", "days"), ("foot", "foots")]
)
def test_plurals(word, words):
    assert numbers.plural(word) == words
