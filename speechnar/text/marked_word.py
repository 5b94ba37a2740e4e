"""Split a word into its letters, its capital and the marks around it."""

from __future__ import annotations

import re
from dataclasses import dataclass

OPAQUE = "0"
"""Stands for a word that is never changed."""

_WORD = re.compile(r"([\W_]*)([a-zA-Z][a-z]*(?:['’][a-z]+)*)([\W_]*)")
_CAPITALS = {"i": "I", "i'm": "I'm", "i'll": "I'll", "i've": "I've", "i'd": "I'd"}


@dataclass(frozen=True)
class MarkedWord:
    """A word of English letters, with apostrophes inside and marks around it.

    Attributes:
        before, after: the marks around it.
        letters: small letters, with straight apostrophes inside.
        has_capital: whether its first letter is a capital.
    """

    before: str
    letters: str
    after: str
    has_capital: bool

    @classmethod
    def parse(cls, word: str) -> MarkedWord | None:
        """Return the parts of a word without white space.

        Returns:
            None for other words: numbers, addresses, words with hyphens or with capitals inside (`iPhone`, `NASA`).
        """
        match = _WORD.fullmatch(word)
        if match is None:
            return None
        before, letters, after = match.groups()
        return cls(before, letters.lower().replace("’", "'"), after, letters[0].isupper())

    def with_words(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """Return other words of small letters with the capital and the marks of this one."""
        new = [_CAPITALS.get(word, word) for word in words]
        if self.has_capital and self.letters not in _CAPITALS:
            new[0] = new[0][0].upper() + new[0][1:]
        new[0] = self.before + new[0]
        new[-1] += self.after
        return tuple(new)


def plain(word: str) -> str:
    """Return the letters of a word, or `OPAQUE`; nothing for marks alone."""
    parsed = MarkedWord.parse(word)
    return parsed.letters if parsed else OPAQUE if any(map(str.isalnum, word)) else ""
