from __future__ import annotations

from pathlib import Path

import pytest

from speechnar.text.normalize import normalize

TABLES = [Path(__file__).parent / name for name in ("normalize.tsv", "neighbors.tsv")]
LINES = [line for table in TABLES for line in table.read_text(encoding="utf-8").splitlines()]
TABLE = [tuple(line.split("\t")) for line in LINES if "\t" in line]


def test_table_is_large():
    assert len(TABLE) >= 750


@pytest.mark.parametrize(("written", "spoken"), TABLE, ids=[written for written, _ in TABLE])
def test_table(written, spoken):
    assert normalize(written) == spoken


@pytest.mark.parametrize("spoken", [spoken for _, spoken in TABLE])
def test_spoken_text_is_left_alone(spoken):
    assert normalize(spoken) == spoken


def test_neighboring_lines_do_not_disturb_each_other():
    ended = [(written, spoken) for written, spoken in TABLE if written[-1] in ".?!" and not written.startswith("WARN")]
    for first, second in zip(ended, ended[1:]):
        assert normalize(f"{first[0]} {second[0]}") == f"{first[1]} {second[1]}"


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("ring\x07 the\u200b bell\ufeff", "ring the bell"),
        ("so\u00adft hy\u2010phen", "soft hy-phen"),
        ("a\u00a0b\u2003c\u2028d", "a b c d"),
        ("cafe\u0301", "cafe"),
        ("ﬁne ＡＢＣ １２", "fine ABC twelve"),
        ("👩\u200d🚀 flies 🇺🇸", "flies"),
        ("hello世界hello", "hello hello"),
        ("\ud800broken", "broken"),
    ],
)
def test_strange_characters(written, spoken):
    assert normalize(written) == spoken


@pytest.mark.parametrize("text", ["", " \n ", "…", "🙂", "東京", "-", "()", '""', "\x00"])
def test_nothing_to_say_is_empty(text):
    assert normalize(text) == ""


@pytest.mark.parametrize("digits", [16, 200, 5000])
def test_long_digit_strings_are_read_digit_by_digit(digits):
    assert normalize("7" * digits).split() == ["seven"] * digits


@pytest.mark.parametrize(
    "text", ["1" * 5000 + "th", "1" * 5000 + "-day", "$" + "1" * 5000, "3." + "1" * 5000, "9" * 5000 + " km"]
)
def test_numbers_beyond_all_names_are_read(text):
    assert len(normalize(text).split()) >= 5000


def test_words_to_keep_are_kept():
    keep = {"youtube", "c++", "st.", "łódź", "5g"}
    assert normalize("YouTube's C++ on 5G, (Łódź).", keep) == "YouTube's C++ on 5G, Łódź."
    assert normalize("5G and Dr. Who", keep) == "5G and Doctor Who"
    assert normalize("\U000f0000 in the text, C++!", keep) == "in the text, C++!"
