"""Look up the phones of words of other languages in gruut's data packages: lexicon, compounds, elisions, guesser.

Source: gruut 2.4 (MIT) and its data packages `gruut-lang-*` 2.0 (MIT): the lexicons and the guessers.
Differs: gruut scans the whole lexicon for every new word; here an index of hashes is made when the language is first
used. A German, Dutch, Swedish or Luxembourgish word that the lexicon lacks is parted into two or three that it has;
French liaison goes by a list of words in place of a tagger.
"""

from __future__ import annotations

import importlib
import re
import sqlite3
import threading
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from speechnar.text.characters import clean
from speechnar.text.guesser import Guesser, Phones
from speechnar.text.languages.liaison import join
from speechnar.text.languages.spellings import LATIN, SPELLINGS
from speechnar.text.symbols import WORD_BREAK, TextError, stress_of

_LONGEST_GUESS = 60  # letters; a longer "word" is cut, since nothing that long is one
_SHORTEST_PART = 3  # letters of a compound's part
_WORDS_OF_A_LETTER = frozenset("AEOUYÀÓ")  # in Spanish, French and others, as at the beginning of a sentence
_TO_CYRILLIC = dict(zip(LATIN, "а б к д е ф г х и дж к л м н о п к р с т у в в кс и з".split()))


class Dictionary:
    """The lexicon and the guesser of one language. Threads may share one.

    Args:
        language: a key of `SPELLINGS`.

    Raises:
        TextError: the language's package is not installed.
    """

    def __init__(self, language: str) -> None:
        self.spelling = SPELLINGS[language]
        try:
            package = importlib.import_module(f"gruut_lang_{language}")
        except ImportError:
            raise TextError(f"the language {language} is not installed: pip install 'speechnar[{language}]'") from None
        folder = Path(str(package.__file__)).parent / self.spelling.variant
        self._guess = Guesser(folder / "g2p" / "model.crf")
        self._lock = threading.Lock()
        uri = (folder / "lexicon.db").as_uri() + "?mode=ro"
        self._lexicon = sqlite3.connect(uri, uri=True, check_same_thread=False)
        self._rows, self._hashes = self._index()

    def _index(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the row of each entry and the hash of its word, in the order of the hashes."""
        count = self._lexicon.execute("SELECT count(*) FROM word_phonemes").fetchone()[0]
        words = self._lexicon.execute("SELECT word FROM word_phonemes ORDER BY id")
        hashes = np.fromiter((hash(word) for (word,) in words), np.int64, count)
        rows = np.fromiter(
            (n for (n,) in self._lexicon.execute("SELECT id FROM word_phonemes ORDER BY id")), int, count
        )
        order = np.argsort(hashes, kind="stable")
        return rows[order], hashes[order]

    def pronounce(self, words: Sequence[str], pauses: Sequence[str]) -> list[Phones]:
        """Return the phones of the words of one sentence, with `" "` between those of parts that are spoken apart.

        Args:
            words: without punctuation; one in capitals is spelled.
            pauses: the pause mark after each, or nothing.
        """
        phones = [self._word(word) for word in words]
        return join(words, pauses, phones) if self.spelling.liaison else phones

    def find(self, word: str) -> Phones:
        """Return the lexicon's first pronunciation of a lower-case word; none where it has none."""
        key = hash(word)
        start, end = np.searchsorted(self._hashes, key, "left"), np.searchsorted(self._hashes, key, "right")
        ids = self._rows[start:end].tolist()
        if not ids:
            return ()
        marks = ",".join("?" * len(ids))
        query = f"SELECT word, phonemes FROM word_phonemes WHERE id IN ({marks}) ORDER BY pron_order, id"
        with self._lock:
            found = self._lexicon.execute(query, ids).fetchall()
        return next((self._spoken(phones) for its, phones in found if its == word), ())

    @lru_cache(maxsize=50_000)  # noqa: B019 - one Dictionary of a language lives as long as the process
    def _word(self, word: str) -> Phones:
        spelled = word == word.upper() != word.lower() and word not in _WORDS_OF_A_LETTER
        if not spelled and (found := self.find(word.lower())):
            return found
        spoken: list[str] = []
        for part in re.split(r"[-_.]", word):
            if re.search(r"[^\W\d_]", part):
                spoken += [WORD_BREAK] * bool(spoken) + list(self._part(part))
        return tuple(spoken)

    def _part(self, word: str) -> Phones:
        """Return the phones of a word without hyphens."""
        if len(word) == 1 or word == word.upper() != word.lower():
            return self._letters(word.lower())
        word = word.lower()
        return self.find(word) or self._elided(word) or self._compound(word) or self._guessed(word)

    def _letters(self, word: str) -> Phones:
        phones: list[str] = []
        for char in word:
            phones += [WORD_BREAK] * bool(phones) + list(self.letter(char))
        return tuple(phones)

    def letter(self, char: str) -> Phones:
        """Return the phones of the name of a letter."""
        names = self.spelling.letters or {}
        if char in names:
            return tuple(names[char].split())
        plain = self.in_alphabet(char)
        return tuple(names.get(plain, "").split()) or self.find(plain) or self._guess(plain)

    def _elided(self, word: str) -> Phones:
        """Return the phones of a word with an apostrophe: those of its parts, `l'` and `horizon`."""
        first, apostrophe, rest = word.partition("'")
        if not apostrophe:
            return ()
        if whole := self.find(first + rest):
            return whole
        if not first or not rest:
            return self._part(first or rest)
        spoken = self.find(f"{first}'") or self.find(f"{first}e") or self._guessed(first)
        return (spoken[:-1] if spoken[-1:] == ("ə",) else spoken) + self._part(rest)

    @lru_cache(maxsize=20_000)  # noqa: B019
    def _compound(self, word: str) -> Phones:
        """Return the phones of a compound: of the longest last part in the lexicon, and of what is before it."""
        if self.spelling.links is None or len(word) > _LONGEST_GUESS:
            return ()
        for start in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
            last = self.find(word[start:])
            if not last or len(word) - start < _SHORTEST_PART + 1 and start < 5:
                continue
            for link in self.spelling.links:
                stem = word[: start - len(link)] if word[:start].endswith(link) else ""
                if len(stem) >= _SHORTEST_PART and (first := self.find(stem) or self._compound(stem)):
                    linking = self._guess(link) if link else ()
                    return first + linking + _secondary(last)
        return ()

    def _guessed(self, word: str) -> Phones:
        plain = "".join(map(self.in_alphabet, word))
        phones: Phones = ()
        for start in range(0, len(plain), _LONGEST_GUESS):
            phones += self._spoken(" ".join(self._guess(plain[start : start + _LONGEST_GUESS])))
        return phones

    @lru_cache(maxsize=4096)  # noqa: B019
    def in_alphabet(self, char: str) -> str:
        """Return letters of the language for one of another: without its accent, or transliterated; empty if none."""
        if char in self.spelling.alphabet:
            return char
        base = "".join(c for c in unicodedata.normalize("NFD", char) if c in self.spelling.alphabet)
        if base:
            return base
        latin = "".join(c for c in clean(char).lower() if c in LATIN)
        if "a" in self.spelling.alphabet:
            return latin
        return "".join(_TO_CYRILLIC[c] for c in latin)

    def _spoken(self, phones: str) -> Phones:
        if self.spelling.rewrite:
            phones = self.spelling.rewrite(phones)
        return tuple(phone for phone in phones.split() if phone not in ("-", "‿", "SIL"))


def _secondary(phones: Phones) -> Phones:
    """Return phones with secondary stress in place of primary: those of the last part of a compound."""
    return tuple("ˌ" + base if stress == "ˈ" else stress + base for stress, base in map(stress_of, phones))
