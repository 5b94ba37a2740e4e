"""The units that a recognizer writes with: characters or pieces of words.

A unit marks the word boundary as SentencePiece does: `▁the` begins a word, and so does a `▁` that stands alone. Symbols
in angle brackets (`<blank>`, `<unk>`, `<pad>`) spell nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from speechnar.decode.result import DecodeError
from speechnar.text.symbols import BLANK
from speechnar.text.tokenizer import BOUNDARY


@dataclass(frozen=True)
class Units:
    """The symbols of a recognizer in the order of its output columns.

    Raises:
        DecodeError: `<blank>` is missing, a symbol stands twice, or one has a `▁` after its first character.
    """

    symbols: Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", tuple(self.symbols))
        if BLANK not in self.symbols:
            raise DecodeError(f"the units lack {BLANK!r}, without which CTC cannot be decoded")
        if twice := sorted({s for s in self.symbols if self.symbols.count(s) > 1}):
            raise DecodeError(f"the units have {twice[0]!r} more than once; every unit stands once")
        if inside := [s for s in self.symbols if BOUNDARY in s[1:]]:
            raise DecodeError(f"the unit {inside[0]!r} goes over the end of a word; {BOUNDARY} may only begin a unit")

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def blank_id(self) -> int:
        return self.symbols.index(BLANK)

    @cached_property
    def begins_word(self) -> tuple[bool, ...]:
        """For each unit, whether a new word begins with it."""
        return tuple(symbol.startswith(BOUNDARY) for symbol in self.symbols)

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """For each unit, the letters that it adds to a word."""
        special = [symbol.startswith("<") and symbol.endswith(">") for symbol in self.symbols]
        return tuple("" if s else symbol.removeprefix(BOUNDARY) for s, symbol in zip(special, self.symbols))
