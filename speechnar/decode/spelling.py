"""Spellings of words: what is compared between texts of two models, and how CTC writes a word of another model."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from speechnar.text.symbols import TextError
from speechnar.text.whisper_bpe import BytePairs

MARKS = '.,?!:;"\u201c\u201d()[]-\u2013\u2014\u2026'


def key_of(word: str) -> str:
    """Return a word without case and marks, by which words of two texts are compared."""
    word = unicodedata.normalize("NFC", word).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").lower()
    kept = "".join(char for char in word if char.isalnum() or char in "'$%")
    return kept.strip("'") or word


def ctc_tokens(tokenizer: BytePairs, words: Sequence[str]) -> list[int] | None:
    """Return the tokens of words, without the marks around them, and in lower case where CTC writes that only.

    Returns:
        ids; None where CTC cannot write a word, such as a number.
    """
    found: list[int] = []
    for word in words:
        for spelling in _spellings(word):
            try:
                found += tokenizer.encode(spelling)
                break
            except TextError:
                continue
        else:
            return None
    return found


def _spellings(word: str) -> Iterator[str]:
    bare = word.strip(MARKS) or word
    yield bare
    yield bare.lower()
    yield key_of(word)


def edit_distances(text: str, parts: Iterable[str], skip: float = 1.0) -> list[float]:
    """Return the edit distances of a text from nothing, from the first part, from the first two parts, and so on.

    Args:
        skip: cost of a letter of the parts that the text lacks; other differences cost 1.
    """
    row = [float(n) for n in range(len(text) + 1)]
    found = [row[-1]]
    for part in parts:
        for letter in part:
            above, best = row, row[0] + skip
            row = [best]
            for other, diagonal, over in zip(text, above, above[1:]):  # `min` would take twice the time
                best += 1
                if over + skip < best:
                    best = over + skip
                if diagonal + (letter != other) < best:
                    best = diagonal + (letter != other)
                row.append(best)
        found.append(row[-1])
    return found
