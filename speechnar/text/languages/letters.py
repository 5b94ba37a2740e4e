"""Read any script letter by letter: the front end of languages without a lexicon, whose symbols are letters.

A symbol is a letter in NFC and small, such as `ä` or `ж`; a mark that no letter composes with is a symbol of its own. A
model learns what they sound like, best in languages that are written as they are spoken (Finnish, Italian, Turkish).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from speechnar.text.guesser import Phones
from speechnar.text.symbols import WORD_BREAK


def spell(words: Sequence[str]) -> list[Phones]:
    """Return the letters of each word; a hyphen in it becomes `" "`, and an apostrophe is dropped."""
    return [_letters(word) for word in words]


def _letters(word: str) -> Phones:
    letters = unicodedata.normalize("NFC", word.casefold())
    kept = (
        WORD_BREAK if char == "-" else char for char in letters if char == "-" or unicodedata.category(char)[0] in "LM"
    )
    return tuple(kept)
