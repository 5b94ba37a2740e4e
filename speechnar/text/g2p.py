"""Look up the phones of words in gruut's American English data: lexicon and part-of-speech tagger; guess the others.

gruut's own pipeline also verbalizes numbers and dates, for which it imports half a second of libraries. Our normalizer
has done that already, so this module reads the data files (package `gruut_lang_en`) directly, and is sooner. The phones
of words that the lexicon lacks are guessed by a model of our own (`recipes/g2p`).

Source: gruut 2.4 (MIT), `phonemize.py`, `pos.py`, `g2p.py`: the order of look-ups and the names of the CRF features.
Differs: a plural or possessive initialism (`CEOs`) is spelled and takes its ending, a possessive that the lexicon lacks
is its known stem and the ending, and `A` inside a sentence is the letter: gruut guesses the first two and reads the
last as the article. A tag that the lexicon has no entry for takes the entry of its kind (`heteronyms.ROLES`), where
gruut takes the first of all; words and tags around a word come before its tag (`heteronyms.by_context`).
"""

from __future__ import annotations

import itertools
import re
import sqlite3
import string
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from speechnar.text.guesser import Guesser, Phones, coded
from speechnar.text.heteronyms import ROLES, by_context
from speechnar.text.letters import LetterGuesser
from speechnar.text.symbols import WORD_BREAK, TextError

_INITIALISM = re.compile(r"([A-Z]{2,})('?s)?$")
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+$")
_LETTERS = Path(__file__).parents[1] / "assets" / "letters" / "english.onnx"
_LONGEST_GUESS = 60  # letters; a longer "word" is cut, since nothing that long is one
_MOST_LETTERS = 20  # of a word that our model guesses, which hardly met longer ones; gruut's guesses these
_MOST_STRETCHED = 4  # letters of a word that are held long
_DOUBLED = frozenset(
    """all ball been boo bee call cool deep fall feel feet food fool free good hell hello hmm keep look meet mm moon
    need ooh oops room school see seen sleep soon sweet sorry tell too week well will yell shh zz""".split()
)
"""Words that are taken for a stretched one although the same with one letter is a word, too."""
_MISSING = {
    word: tuple(phones.split())
    for word, phones in {
        "unary": "j ˈu n ɚ i", "sudo": "s ˈu d ˌu", "async": "ˈeɪ s ˌɪ ŋ k", "regex": "ɹ ˈɛ d͡ʒ ˌɛ k s",
        "enum": "ˈi n ˌʌ m", "kubernetes": "k ˌu b ɚ n ˈɛ t i z", "vlog": "v l ˈɔ ɡ", "emoji": "ɪ m ˈoʊ d͡ʒ i",
        "tiktok": "t ˈɪ k t ˌɑ k", "gif": "ɡ ˈɪ f", "localhost": "l ˌoʊ k ə l h ˈoʊ s t", "init": "ɪ n ˈɪ t",
        "gooeys": "ɡ ˈu i z", "config": "k ˈɑ n f ˌɪ ɡ", "numpy": "n ˈʌ m p ˌaɪ", "enums": "ˈi n ˌʌ m z",
        "ternary": "t ˈɚ n ɚ i",
        "shh": "ʃ", "hmm": "h m", "mm": "m", "zz": "z", "brr": "b ɚ", "omg": "ˈoʊ ˈɛ m d͡ʒ ˈi",
        "nginx": "ˈɛ n d͡ʒ ɪ n ˌɛ k s",
    }.items()
}  # fmt: skip
"""Words of today that the lexicon lacks and the guesser gets wrong."""
_SYLLABLE = re.compile(r"(kw|sh|ch|th|wh|ph|[b-df-hj-np-tv-z])?uh$")
_SOUNDS = {
    "sh": "ʃ", "ch": "t͡ʃ", "th": "θ", "wh": "w", "ph": "f", "j": "d͡ʒ", "y": "j", "r": "ɹ", "g": "ɡ", "c": "k", "x": "z",
    "q": "k",
}  # fmt: skip


def _syllable(word: str) -> Phones:
    """Return the phones of a stuttered syllable (`buh`), which the guesser reads with another vowel; else none."""
    found = _SYLLABLE.match(word)
    if not found:
        return ()
    onset = found[1] or ""
    return (*(("k", "w") if onset == "kw" else (_SOUNDS.get(onset, onset),) if onset else ()), "ʌ")


def with_s(phones: Phones) -> Phones:
    """Add the plural or possessive ending: /ɪz/ after a sibilant, /s/ after a voiceless sound, else /z/."""
    if phones[-1] in ("s", "z", "ʃ", "ʒ", "t͡ʃ", "d͡ʒ"):
        return (*phones, "ɪ", "z")
    return (*phones, "s" if phones[-1] in ("p", "t", "k", "f", "θ") else "z")


class Pronouncer:
    """A lexicon, a tagger and guessers that give the phones of the words of a sentence. Threads may share one.

    Raises:
        TextError: gruut's data package is not installed.
    """

    def __init__(self) -> None:
        try:
            import gruut_lang_en
            import pycrfsuite
        except ImportError as error:
            raise TextError(f"{error.name} is not installed; `pip install speechnar` installs it") from None
        folder = Path(gruut_lang_en.get_lang_dir())
        self._lock = threading.Lock()
        lexicon = (folder / "lexicon.db").as_uri() + "?mode=ro"
        self._lexicon = sqlite3.connect(lexicon, uri=True, check_same_thread=False)
        self._tagger = pycrfsuite.Tagger()
        self._tagger.open(str(folder / "pos" / "model.crf"))
        self._guess_by_letters = LetterGuesser(_LETTERS)
        self._guess_long = Guesser(folder / "g2p" / "model.crf")
        self._rows: int = self._lexicon.execute("SELECT max(id) FROM word_phonemes").fetchone()[0]
        self._known: dict[str, dict[str, Phones]] = {}

    def __call__(self, words: Sequence[str]) -> list[Phones]:
        """Return the phones of each word, with `" "` between those of a hyphenated word's parts and of spelled letters.

        Args:
            words: the words of one sentence in order, without punctuation but for `J.` and `don't`. One in capitals is
                spelled (`US`, not `us`).
        """
        with self._lock:
            parts = [(n, p) for n, word in enumerate(words) for p in ([word] if self._roles(word) else _split(word))]
            tags = self._tagger.tag(_tag_features([part for _, part in parts])) if parts else []
            spoken: list[list[str]] = [[] for _ in words]
            pieces = [part for _, part in parts]
            for k, ((n, part), tag) in enumerate(zip(parts, tags)):
                article = n == 0 and words[n] == part and len(words) > 1  # `A` where a sentence begins
                letter = len(part) == 1 and part.isupper() and not article
                phones = by_context(pieces, tags, k) or self._read(part, "letter" if letter else tag)
                if phones:
                    spoken[n] += [WORD_BREAK, *phones] if spoken[n] else phones
            return [self._ended(word, tuple(phones)) for word, phones in zip(words, spoken)]

    def knows(self, word: str) -> bool:
        """Return whether the lexicon has a word of small letters."""
        with self._lock:
            return bool(self._roles(word))

    def _ended(self, word: str, phones: Phones) -> Phones:
        initialism = _INITIALISM.match(word.split("-")[-1])
        return with_s(phones) if phones and initialism and initialism[2] else phones

    def _read(self, word: str, tag: str) -> Phones:
        for form in _forms(word):
            roles = self._roles(form)
            if roles:
                fitting = (roles[f"gruut:{role}"] for role in (tag, *ROLES.get(tag, ())) if f"gruut:{role}" in roles)
                return next(fitting, None) or roles.get("") or next(iter(roles.values()))
        stem = self._roles(_stem(word))
        if stem:
            return with_s(stem.get("gruut:NN") or stem.get("") or next(iter(stem.values())))
        short = next((form for form in _unstretched(word.lower()) if self._roles(form) or form in _MISSING), None)
        if short:
            return self._read(short, tag)
        return _MISSING.get(word.lower()) or _syllable(word.lower()) or self._guess(word.lower())

    def _guess(self, word: str) -> Phones:
        short = len(word) <= _MOST_LETTERS
        return (self._guess_by_letters(word) if short else ()) or self._guess_long(word)

    def _roles(self, word: str) -> dict[str, Phones]:
        """Return role to phones, in the lexicon's order; empty when the word is not in it."""
        roles = self._known.get(word)
        if roles is None:
            if len(self._known) > 50_000:
                self._known.clear()
            roles = self._known[word] = self._find(word) if word and word == word.lower() else {}
        return roles

    def _find(self, word: str) -> dict[str, Phones]:
        """Bisect the lexicon, which has no index but whose rows are, to within three, in the order of their words."""
        key = word.replace(".", "")
        low, high = 1, self._rows + 1
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._key_at(middle) < key else (low, middle)
        query = "SELECT word, role, phonemes FROM word_phonemes WHERE id BETWEEN ? AND ? ORDER BY pron_order"
        roles: dict[str, Phones] = {}
        for found, role, phones in self._lexicon.execute(query, (low - 3, low + 12)):
            if found == word:
                roles.setdefault(role, tuple(phones.split()))
        return roles

    @lru_cache(maxsize=8192)  # noqa: B019 - one Pronouncer lives as long as the process
    def _key_at(self, row: int) -> str:
        word: str = self._lexicon.execute("SELECT word FROM word_phonemes WHERE id = ?", (row,)).fetchone()[0]
        return word.replace(".", "")  # `a.m.` stands where `am` does


@lru_cache(maxsize=1)
def pronouncer() -> Pronouncer:
    """Return the process's one Pronouncer, loaded at the first call (about 50 ms)."""
    return Pronouncer()


def _split(word: str) -> list[str]:
    """Return the pieces that gruut takes for words of their own: letters of an initialism, parts of a compound."""
    if _DOTTED.match(word):
        return list(word.replace(".", ""))
    parts: list[str] = []
    for part in re.split("[-_]", word):
        initialism = _INITIALISM.match(part)
        if initialism:
            parts += initialism[1]
        elif re.search(r"\w", part):
            parts += (part[k : k + _LONGEST_GUESS] for k in range(0, len(part), _LONGEST_GUESS))
    return parts


def _forms(word: str) -> tuple[str, ...]:
    """Return the spellings under which a word is looked up, in order."""
    plain = re.sub(r"\W", "", word)
    return tuple(dict.fromkeys((word, word.lower(), plain, plain.lower())))


def _stem(word: str) -> str:
    """Return the word without its possessive ending; empty when it has none."""
    return word[:-2].lower() if word[-2:] == "'s" else ""


def _unstretched(word: str) -> Iterator[str]:
    """Yield the words that a stretched one may be, likely ones first: `so` for `soooo`, `good` for `gooood`."""
    runs = re.split(r"((.)\2{2,})", word)
    stems, letters = runs[::3], runs[2::3]
    if letters and len(letters) <= _MOST_STRETCHED:
        counts = itertools.product((1, 2), repeat=len(letters))
        forms = [stems[0] + "".join(c * n + s for c, n, s in zip(letters, times, stems[1:])) for times in counts]
        yield from sorted(forms, key=lambda form: form not in _DOUBLED)


@lru_cache(maxsize=20_000)
def _word_features(word: str, place: str) -> dict[str, Any]:
    features: dict[str, Any] = {
        "bias": 1.0,
        "word": coded(word),
        "len(word)": len(word),
        "word.ispunctuation": word in string.punctuation,
        "word.isdigit()": word.isdigit(),
        "word[:2]": word[:2],
        "word[:3]": word[:3],
        "word[-2:]": word[-2:],
        "word[-3:]": word[-3:],
    }
    return {place + name: value for name, value in features.items()}


def _tag_features(words: Sequence[str]) -> list[dict[str, Any]]:
    """Return the features of each word for the tagger: itself and two neighbors on each side."""
    items = []
    for n, word in enumerate(words):
        item = dict(_word_features(word, ""))
        if n == 0:
            item["BOS"] = True
        if n == len(words) - 1:
            item["EOS"] = True
        for offset in (-2, -1, 1, 2):
            if 0 <= n + offset < len(words):
                item |= _word_features(words[n + offset], f"{offset:+d}:")
        items.append(item)
    return items
