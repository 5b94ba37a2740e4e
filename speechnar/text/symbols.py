"""Symbol tables: phones and punctuation to token ids and back.

A phone is IPA as gruut writes American English, with its stress in front (`ˈæ`, `ˌoʊ`, `t͡ʃ`); `" "` stands between
words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PAD, BOS, EOS = "<pad>", "<s>", "</s>"
BLANK, MASK = "<blank>", "<mask>"
"""Of recognizers alone: what CTC says between symbols, and what a masked decoder fills in."""
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
    "β": "v", "ʁ": "ɹ", "ɲ": "n", "ø": "ɚ", "œ": "ɚ", "ʏ": "u",
    # a table made before these were used still knows the pauses around them
    "ə": "ʌ", "—": ",", "…": ".", ";": ",", ":": ",", "!": ".", "?": ".",
}  # fmt: skip
"""The phone to take when a table lacks one: the nearest sound or pause. Followed until a known one is met."""


class TextError(ValueError):
    """Text, phones or a lexicon that cannot be spoken; the message says what and how to mend it."""


def stress_of(phone: str) -> tuple[str, str]:
    """Splits a phone into its stress (`""`, `"ˈ"` or `"ˌ"`) and the rest."""
    return (phone[0], phone[1:]) if phone[:1] in ("ˈ", "ˌ") else ("", phone)


@dataclass(frozen=True)
class SymbolTable:
    """The symbols of one model, in the order of their ids.

    Raises:
        TextError: a symbol stands twice, or one of `<pad>`, `<s>`, `</s>` is missing.
    """

    symbols: tuple[str, ...] = EN_US

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", tuple(self.symbols))
        twice = sorted({s for s in self.symbols if self.symbols.count(s) > 1})
        if twice:
            raise TextError(f"a symbol table has {twice[0]!r} more than once; every symbol stands once")
        for symbol in (PAD, BOS, EOS):
            if symbol not in self.symbols:
                raise TextError(f"a symbol table lacks {symbol!r}; it needs {PAD}, {BOS} and {EOS}")

    @cached_property
    def ids(self) -> dict[str, int]:
        """Symbol to id."""
        return {symbol: n for n, symbol in enumerate(self.symbols)}

    @property
    def pad_id(self) -> int:
        return self.ids[PAD]

    @property
    def bos_id(self) -> int:
        return self.ids[BOS]

    @property
    def eos_id(self) -> int:
        return self.ids[EOS]

    @property
    def blank_id(self) -> int:
        """Raises TextError where there is none, as in a voice's table."""
        return self._special(BLANK)

    @property
    def mask_id(self) -> int:
        """Raises TextError where there is none."""
        return self._special(MASK)

    def _special(self, symbol: str) -> int:
        if symbol not in self.ids:
            raise TextError(f"a symbol table lacks {symbol!r}, which recognition needs: make it by `speechnar units`")
        return self.ids[symbol]

    def __len__(self) -> int:
        return len(self.symbols)

    def id_of(self, phone: str) -> int:
        """The id of a phone: its own, else that of another stress, else that of its near phone (`NEAR`).

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
            base = NEAR.get(base, base)
        raise TextError(
            f"the phone {phone!r} is not in this voice's table; `speechnar phonemize` shows phones it knows"
        )

    def encode(self, phones: Iterable[str]) -> list[int]:
        """Ids of `<s>`, the phones, `</s>`.

        Raises:
            TextError: a phone has neither an id nor a near phone with one; the message names it.
        """
        return [self.bos_id, *(self.id_of(phone) for phone in phones), self.eos_id]

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Symbols of the ids, without `<pad>`, `<s>` and `</s>`."""
        return [s for s in (self.symbols[i] for i in ids) if s not in (PAD, BOS, EOS)]

    def save(self, path: str | Path) -> None:
        """Writes `symbol<TAB>id` lines; beside the target first, then renamed."""
        from speechnar.files import atomic_write

        with atomic_write(path) as part:
            part.write_text("".join(f"{s}\t{n}\n" for n, s in enumerate(self.symbols)), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> SymbolTable:
        """Reads what `save` wrote.

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
