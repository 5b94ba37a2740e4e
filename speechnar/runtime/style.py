"""The styles of a transcript: as people write, with capitals, marks and digits, or the plain words that were said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from speechnar.decode.result import DecodeError, Word

STYLES = ("written", "plain")

READ_OUT = re.compile(r"[0-9%$&+=@#£€°½¼¾]|^(?:Mr|Mrs|Ms|Dr|Prof|vs|etc)\b\.?", re.IGNORECASE)
"""Words that are not said as they are spelled."""


SENTENCE_END = re.compile(r"(?<!\.\.)[.?!][\"')]*$")
ABBREVIATION = re.compile(r"\W*(?:Mr|Mrs|Ms|Dr|St|Prof|Jr|Sr|No|vs|etc|e\.g|i\.e|[ap]\.m|(?:[A-Za-z]\.)*[A-Za-z])\.\W*")
"""Words whose full stop need not end a sentence."""


def check(style: str) -> None:
    """Refuse a style that there is not.

    Raises:
        DecodeError: with the styles that there are.
    """
    if style not in STYLES:
        raise DecodeError(f"the style should be one of {', '.join(STYLES)} but is {style!r}")


def ends_sentence(word: str) -> bool:
    """Return whether a sentence ends with a word, by its mark."""
    return bool(SENTENCE_END.search(word)) and not ABBREVIATION.fullmatch(word)


def styled(words: Iterable[Word], style: str, before: str = "") -> Iterator[Word]:
    """Yield words in a style; in the written one, a word behind the end of a sentence gets a capital.

    Args:
        before: the word before the first one, if there is one.

    Raises:
        DecodeError: there is no such style.
    """
    check(style)
    sentence_begins = ends_sentence(before)
    for word in words:
        if style == "written":
            yield replace(word, text=word.text[:1].upper() + word.text[1:]) if sentence_begins else word
            sentence_begins = ends_sentence(word.text)
            continue
        said = plain_words(word.text)
        letters = [len(text) for text in said]
        for n, text in enumerate(said):  # the time of a number is shared among its words by their letters
            start, end = (word.start + (word.end - word.start) * sum(letters[:k]) / sum(letters) for k in (n, n + 1))
            yield replace(word, text=text, start=start, end=end)


def plain_words(text: str) -> list[str]:
    """Return the words of a text as they are said, in lower-case letters and apostrophes; of a mark, none."""
    if READ_OUT.search(text):
        from speechnar.text.normalize import normalize  # it takes a tenth of a second to load

        text = normalize(text)
    text = re.sub(r"(?<![^\W\d_])['’]+|['’]+(?![^\W\d_])", " ", text.lower()).replace("’", "'")
    return re.sub(r"[^\w']|[\d_]", " ", text).split()
