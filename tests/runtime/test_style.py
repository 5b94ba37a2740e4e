"""A transcript in the plain style has the words that were said, in lower case."""

import pytest

from speechnar.decode.result import DecodeError, Word
from speechnar.runtime.style import plain_words, styled


@pytest.mark.parametrize(
    "written, said",
    [
        ("Smith,", "smith"), ("didn't", "didn't"), ("'cause", "cause"), ("$3.50", "three dollars and fifty cents"),
        ("10:30,", "ten thirty"), ("80%", "eighty percent"), ("1999.", "nineteen ninety nine"), ("O’Brien", "o'brien"),
        ("state-of-the-art", "state of the art"), ("—", ""), ("Café", "café"), ("U.S.", "u s"), ('"Where', "where"),
    ],
)  # fmt: skip
def test_what_is_written_is_said(written: str, said: str) -> None:
    assert " ".join(plain_words(written)) == said


def test_the_words_of_a_number_share_its_time() -> None:
    words = list(styled([Word("It", 0.0, 0.5, 0.9), Word("-", 0.5, 0.6, 0.9), Word("80%", 1.0, 2.3, 0.8)], "plain"))
    assert [word.text for word in words] == ["it", "eighty", "percent"]
    assert (words[1].start, words[2].end) == (1.0, 2.3)
    assert words[1].end == words[2].start == pytest.approx(1.6)
    assert words[1].confidence == words[2].confidence == 0.8


def test_the_written_style_changes_nothing() -> None:
    words = [Word("Hi,", 0.0, 0.5, 0.9)]
    assert list(styled(words, "written")) == words


@pytest.mark.parametrize(
    "text, written",
    [
        ("he left. she stayed", "he left. She stayed"), ("why? because", "why? Because"), ("Mr. smith", "Mr. smith"),
        ("at 10 a.m. we left", "at 10 a.m. we left"), ("well... yes", "well... yes"), ("one, two", "one, two"),
        ('"go." he', '"go." He'), ("the U.S. and", "the U.S. and"), ("wait. 3 men", "wait. 3 men"),
    ],
)  # fmt: skip
def test_a_sentence_begins_with_a_capital(text: str, written: str) -> None:
    words = [Word(word, n, n + 1, 1.0) for n, word in enumerate(text.split())]
    assert " ".join(word.text for word in styled(words, "written")) == written


def test_another_style_is_refused() -> None:
    with pytest.raises(DecodeError, match="written, plain but is 'loud'"):
        list(styled([Word("hi", 0.0, 0.5, 0.9)], "loud"))
