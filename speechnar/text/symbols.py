"""The tokens of a model and their ids, and the file that keeps them, `tokens.txt`: in general, and phones.

Tokens mark words in one of two ways. As in SentencePiece, `▁` begins a word: `▁the` does, and so does a `▁` that stands
alone. Among phones, a space stands between words. Tokens in angle brackets (`<blank>`, `<unk>`, `<pad>`) spell nothing.

A phone is IPA as gruut writes American English, with its stress in front (`ˈæ`, `ˌoʊ`, `t͡ʃ`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from speechnar.files import atomic_write

PAD, BOS, EOS = "<pad>", "<s>", "</s>"
BLANK, MASK = "<blank>", "<mask>"
"""Tokens of recognizers alone: the blank of CTC, and the token that a masked decoder replaces."""
SPECIAL = (MASK, PAD, BOS, EOS)
BOUNDARY = "▁"
WORD_BREAK = " "
STRESSES = ("", "ˈ", "ˌ")
PAUSES = (",", ".", ";", ":", "?", "!", "—", "…")
CONSONANTS = (*"bdfhjklmnpstvwzðŋɡɹʃʒθ", "t͡ʃ", "d͡ʒ")
VOWELS = (*"ɪɛæɑɔʌʊiuɚ", "eɪ", "aɪ", "oʊ", "aʊ", "ɔɪ")

EN_US = (PAD, BOS, EOS, WORD_BREAK, *PAUSES, *CONSONANTS, "ə", *(stress + v for v in VOWELS for stress in STRESSES))
"""Every symbol that gruut's en-us lexicon and its guesser can produce, and the three that a model adds."""

NEAR = {
    # other spellings of the same sound
    "g": "ɡ", "r": "ɹ", "y": "j", "tʃ": "t͡ʃ", "ʧ": "t͡ʃ", "dʒ": "d͡ʒ", "ʤ": "d͡ʒ", "e": "eɪ", "o": "oʊ",
    "ɝ": "ɚ", "ɜ": "ɚ", "ɜː": "ɚ", "ɫ": "l", "iː": "i", "uː": "u", "ɑː": "ɑ", "ɔː": "ɔ", "–": "—", "...": "…",
    # sounds of other accents and languages
    "ɒ": "ɑ", "a": "ɑ", "ɐ": "ə", "ɨ": "ɪ", "ᵻ": "ɪ", "əʊ": "oʊ", "ʔ": "t", "ɾ": "d", "x": "k", "ç": "h", "ʍ": "w",
    "β": "v", "ʁ": "ɹ", "ɲ": "n", "ø": "ɚ", "œ": "ɚ", "ʏ": "u", "yː": "u", "ɔʏ": "ɔɪ", "ɔø": "ɔɪ", "oɪ": "ɔɪ",
    "t͡s": "s", "p͡f": "f", "ʎ": "l", "ʝ": "j", "ɣ": "ɡ", "χ": "h", "ɥ": "w", "ɕ": "ʃ", "ʑ": "ʒ", "ʂ": "ʃ", "ʐ": "ʒ",
    "ɦ": "h",
    # a table made before these were used still knows the pauses around them
    "ə": "ʌ", "—": ",", "…": ".", ";": ",", ":": ",", "!": ".", "?": ".",
}  # fmt: skip
"""The phone to take when a table lacks one: the nearest sound or pause. Followed until a known one is met."""

TIE = "\u0361"
"""The sign that ties two letters into one phone: `t͡ʃ`."""
_MODIFIERS = {ord(c): None for c in "ːˑʲʷʰˠˤ"}

AnyVocabulary = TypeVar("AnyVocabulary", bound="Vocabulary")


class TextError(ValueError):
    """Report text, phones, tokens or a lexicon that cannot be used; the message says what is wrong and the cure."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The tokens of one model, in the order of their ids. Vocabularies of equal tokens are equal.

    Raises:
        TextError: a token stands twice, or has a `▁` after its first character.
    """

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", tuple(self.symbols))
        if len(self.ids) != len(self.symbols):
            twice = next(symbol for n, symbol in enumerate(self.symbols) if self.ids[symbol] != n)
            raise TextError(f"a symbol table has {twice!r} more than once; every symbol stands once")
        if inside := [symbol for symbol in self.symbols if BOUNDARY in symbol[1:]]:
            raise TextError(f"the token {inside[0]!r} goes over the end of a word; {BOUNDARY} may only begin a token")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.symbols == other.symbols

    def __hash__(self) -> int:
        return hash(self.symbols)

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Return the id of each token."""
        return {symbol: n for n, symbol in enumerate(self.symbols)}

    @property
    def pad_id(self) -> int:
        return self._special(PAD)

    @property
    def bos_id(self) -> int:
        return self._special(BOS)

    @property
    def eos_id(self) -> int:
        return self._special(EOS)

    @property
    def blank_id(self) -> int:
        """Return the id of CTC's blank; raises TextError where there is none, as among the phones of a voice."""
        return self._special(BLANK)

    @property
    def mask_id(self) -> int:
        """Return the id of the mask; raises TextError where there is none."""
        return self._special(MASK)

    def _special(self, symbol: str) -> int:
        if symbol not in self.ids:
            raise TextError(f"a symbol table lacks {symbol!r}, which recognition needs: run `speechnar tokenizer`")
        return self.ids[symbol]

    @cached_property
    def is_special(self) -> tuple[bool, ...]:
        """Return for each token whether it stands in angle brackets."""
        return tuple(symbol.startswith("<") and symbol.endswith(">") for symbol in self.symbols)

    @cached_property
    def begins_word(self) -> tuple[bool, ...]:
        """Return for each token whether a new word begins with it, or behind it if it is a space."""
        return tuple(symbol.startswith(BOUNDARY) or symbol == WORD_BREAK for symbol in self.symbols)

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """Return for each token the letters or the phone that it adds to a word."""
        return tuple(
            "" if special or symbol == WORD_BREAK else symbol.removeprefix(BOUNDARY)
            for symbol, special in zip(self.symbols, self.is_special)
        )

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words of ids with single spaces between them; ids from the first `</s>` on are left out."""
        end = self.ids.get(EOS)
        text = ""
        for token in ids:
            if token == end:
                break
            text += " " * self.begins_word[token] + self.spellings[token]
        return " ".join(text.split())

    def save(self, path: str | Path) -> None:
        """Write `symbol<TAB>id` lines; the file is replaced whole or not at all."""
        with atomic_write(path) as part:
            part.write_text("".join(f"{s}\t{n}\n" for n, s in enumerate(self.symbols)), encoding="utf-8")

    @classmethod
    def load(cls: type[AnyVocabulary], path: str | Path) -> AnyVocabulary:
        """Read what `save` wrote.

        Raises:
            TextError: a line is not `symbol<TAB>id`, or the ids are not 0, 1, 2 ... in order.
            OSError: the file cannot be read.
        """
        symbols: list[str] = []
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").split("\n"), 1):
            if line:
                symbol, _, index = line.rpartition("\t")
                if not symbol or index.strip() != str(len(symbols)):
                    raise TextError(f"{path}, line {number}: {line!r} should be a symbol, a tab and {len(symbols)}")
                symbols.append(symbol)
        return cls(tuple(symbols))


def stress_of(phone: str) -> tuple[str, str]:
    """Split a phone into its stress (`""`, `"ˈ"` or `"ˌ"`) and the rest."""
    return (phone[0], phone[1:]) if phone[:1] in ("ˈ", "ˌ") else ("", phone)


def _unmarked(phone: str) -> str:
    """Return a phone or a letter without length, palatalization, nasality and accents: `a` for `aː`, `ɑ̃` and `á`."""
    plain = "".join(c for c in unicodedata.normalize("NFD", phone) if not unicodedata.combining(c) or c == TIE)
    return unicodedata.normalize("NFC", plain.translate(_MODIFIERS)) or phone


@dataclass(frozen=True, eq=False)
class SymbolTable(Vocabulary):
    """The phones of one model, in the order of their ids; as a `Tokenizer`, it takes phones for text.

    Raises:
        TextError: a symbol stands twice, or one of `<pad>`, `<s>`, `</s>` is missing.
    """

    symbols: tuple[str, ...] = EN_US

    def __post_init__(self) -> None:
        super().__post_init__()
        for symbol in (PAD, BOS, EOS):
            if symbol not in self.ids:
                raise TextError(f"a symbol table lacks {symbol!r}; it needs {PAD}, {BOS} and {EOS}")

    def id_of(self, phone: str) -> int:
        """Return the id of a phone: its own, else that of another stress, else that of its near phone (`NEAR`).

        Raises:
            TextError: neither the phone nor one near it is in the table.
        """
        if phone in self.ids:
            return self.ids[phone]
        stress, base = stress_of(phone)
        tried: list[str] = []
        while base not in tried:
            for candidate in (stress + base, *(s + base for s in STRESSES)):
                if candidate in self.ids:
                    return self.ids[candidate]
            tried.append(base)
            base = NEAR.get(base) or _unmarked(base)
        raise TextError(
            f"the phone {phone!r} is not in this voice's table; `speechnar phonemize` shows phones it knows"
        )

    def knows(self, phone: str) -> bool:
        """Tell whether the table has a phone or one near it."""
        try:
            self.id_of(phone)
        except TextError:
            return False
        return True

    def encode(self, phones: Iterable[str]) -> list[int]:
        """Return the ids of `<s>`, the phones and `</s>`.

        Raises:
            TextError: a phone has neither an id nor a near phone with one; the message names it.
        """
        return [self.bos_id, *(self.id_of(phone) for phone in phones), self.eos_id]


ENGLISH = SymbolTable()
"""The phones of American English."""
