"""Choose the front end of a language by its code: what turns its text into sentences of words, and words into phones.

English has its own steps, lexicon and tagger (`text.normalize`, `text.g2p`). Languages that gruut has a lexicon of
share the steps of `Normalizer` and a `Dictionary`; German, Spanish and French add steps of their own. All others, and
each with `-x-letters` behind its code (`de-x-letters`), are read letter by letter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from functools import cache, cached_property
from typing import Protocol

from speechnar.text.characters import left_out
from speechnar.text.guesser import Phones
from speechnar.text.languages.spellings import LATIN, SPELLINGS
from speechnar.text.symbols import TextError

LETTERS = "-x-letters"
"""The end of a code, by which a language that has a lexicon is read letter by letter (a private subtag of BCP 47)."""
_CODE = re.compile(r"([a-z]{2,3})(?:-[a-z0-9]{2,8})*(-x-letters)?", re.I)
_STOP = re.compile(r"([.?!]+)\s+(?=\S)")


class FrontEnd(Protocol):
    """The steps that read a language; `Phonemizer` puts them together."""

    @property
    def name(self) -> str:
        """Return the language's name in English."""

    def normalize(self, text: str, keep: Collection[str] = ()) -> str:
        """Return the words that a reader says, and pauses; `keep` are lower-case words that stay as they are."""

    def split_sentences(self, text: str) -> list[str]:
        """Return the sentences of normalized text; joined by spaces, they are the text."""

    def pronounce(self, words: Sequence[str], pauses: Sequence[str]) -> Sequence[Phones]:
        """Return the phones of each word of a sentence; `pauses` are the pause marks after them, or nothing."""

    def left_out(self, text: str) -> list[tuple[str, int]]:
        """Return what the front end cannot say, each with the number of its line, from 1."""

    def other_letters(self, text: str) -> str:
        """Return the letters of a text that the language does not write with, each once, in order."""


class English:
    """The front end of American English."""

    name = "English"

    def normalize(self, text: str, keep: Collection[str] = ()) -> str:
        from speechnar.text.normalize import normalize

        return normalize(text, keep)

    def split_sentences(self, text: str) -> list[str]:
        from speechnar.text.sentences import split_sentences

        return split_sentences(text)

    def pronounce(self, words: Sequence[str], pauses: Sequence[str]) -> Sequence[Phones]:
        from speechnar.text.g2p import pronouncer

        return pronouncer()(words)

    def left_out(self, text: str) -> list[tuple[str, int]]:
        return left_out(text)

    def other_letters(self, text: str) -> str:
        return _others(text, LATIN + "éèêëïçñ")  # those of its loanwords


class Other:
    """The front end of another language.

    Args:
        language: two or three letters.
        letters: whether it is read letter by letter.

    Raises:
        TextError: its lexicon is not installed.
    """

    def __init__(self, language: str, letters: bool) -> None:
        from speechnar.text.languages import french, german, spanish
        from speechnar.text.languages.dictionary import Dictionary
        from speechnar.text.languages.letters import spell
        from speechnar.text.languages.normalizer import Normalizer

        own = {"de": german.German, "es": spanish.Spanish, "fr": french.French}
        self._language = language
        self._dictionary = None if letters else Dictionary(language)
        self._spell = spell
        self._normalizer: Normalizer = own.get(language, Normalizer)(language)

    @cached_property
    def name(self) -> str:
        return name_of(self._language)

    def normalize(self, text: str, keep: Collection[str] = ()) -> str:
        return self._normalizer(text, keep)

    def split_sentences(self, text: str) -> list[str]:
        sentences, start = [], 0
        for stop in _STOP.finditer(text):
            if stop[1][-1] == "." or not text[stop.end()].islower():  # not in «¿Qué? dijo»
                sentences.append(text[start : stop.end(1)])
                start = stop.end()
        return [*sentences, text[start:]] if text[start:] else sentences

    def pronounce(self, words: Sequence[str], pauses: Sequence[str]) -> Sequence[Phones]:
        return self._dictionary.pronounce(words, pauses) if self._dictionary else self._spell(words)

    def left_out(self, text: str) -> list[tuple[str, int]]:
        found = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.isascii() or not self._normalizer.numbers.known:
                found += [(word, number) for word in line.split() if any(map(self._is_lost, word))]
        return found

    def _is_lost(self, char: str) -> bool:
        kind = unicodedata.category(char)
        if char in "ʼʻʾʿ":
            return False
        if kind[0] in "LM" and self._dictionary:
            plain = unicodedata.normalize("NFC", char.lower())
            return kind[0] == "L" and not any(map(self._dictionary.in_alphabet, plain))
        if kind == "Nd":
            return not self._normalizer.numbers.known
        return kind == "So" and not self._normalizer.signs.get(char) and char not in "°©®™"

    def other_letters(self, text: str) -> str:
        return _others(text, self._dictionary.spelling.alphabet) if self._dictionary else ""


def _others(text: str, alphabet: str) -> str:
    letters = {char for char in unicodedata.normalize("NFC", text.lower()) if char.isalpha()}
    return "".join(sorted(letters - set(alphabet)))


def parse_language(language: str) -> tuple[str, bool]:
    """Return the code of a language without its region, and whether it is read letter by letter: `de_DE` is `de`.

    Raises:
        TextError: it is no code of a language.
    """
    match = _CODE.fullmatch(language.strip().replace("_", "-"))
    if not match:
        raise TextError(f"the language is {language!r} but should be a code, such as en-us or de")
    code = match[1].lower()
    return code, match[2] is not None or code not in (*SPELLINGS, "en")


def name_of(language: str) -> str:
    """Return the English name of a language by its code: `German` for `de`; the code where it has no name."""
    try:
        code, _ = parse_language(language)
    except TextError:
        return language
    if code == "en":
        return "English"
    from babel import Locale, UnknownLocaleError

    try:
        return str(Locale.parse(code).english_name)
    except UnknownLocaleError:
        return code


@cache
def front_end(language: str) -> FrontEnd:
    """Return the front end of a language, made at the first call: `en-us`, `de`, `fi`, `de-x-letters`.

    Raises:
        TextError: it is no code of a language, or the language's lexicon is not installed.
    """
    code, letters = parse_language(language)
    return English() if code == "en" and not letters else Other(code, letters)
