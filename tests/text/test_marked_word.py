"""Words with marks and capitals."""

from __future__ import annotations

import pytest

from speechnar.text.marked_word import MarkedWord, plain


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("Don't", ("", "don't", "", True)),
        ('"stop,"', ('"', "stop", ',"', False)),
        ("Mr.", ("", "mr", ".", True)),
        ("I", ("", "i", "", True)),
        ("'tis", ("'", "tis", "", False)),
        ("boys’", ("", "boys", "’", False)),
        ("rock’n’roll", ("", "rock'n'roll", "", False)),
    ],
)
def test_a_word_is_letters_between_marks(word: str, parts: tuple[str, str, str, bool]) -> None:
    found = MarkedWord.parse(word)
    assert found is not None
    assert (found.before, found.letters, found.after, found.has_capital) == parts
    assert plain(word) == parts[1]


@pytest.mark.parametrize(
    "word", ["iPhone", "NASA", "co-op", "a.m.", "x@y.org", "3rd", "42", "café", "don't-know", "a\x07b"]
)
def test_other_words_are_never_changed(word: str) -> None:
    assert MarkedWord.parse(word) is None and plain(word) == "0"


def test_marks_alone_are_no_words() -> None:
    assert [plain(word) for word in ("--", "…", "'", "_", "\x07")] == [""] * 5


def test_other_words_get_the_capital_and_the_marks() -> None:
    found = MarkedWord.parse("“Theyhad,”")
    assert found is not None
    assert found.with_words(("they", "had")) == ("“They", "had,”")
    found = MarkedWord.parse("andi.")
    assert found is not None
    assert found.with_words(("and", "i")) == ("and", "I.")
