"""The pieces that a decoder writes words with, by byte-pair encoding.

Source: Sennrich et al. 2016, section 3.2, the merges in the order in which they were learned.
Differs: a piece's place in the list is its merge's, so that there is no list of merges; text is lower-case words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from speechnar.text.symbols import EOS, TextError
from speechnar.text.tokenizer import BOUNDARY

PIECES = "pieces.txt"
"""In the folder of a model or a recognizer: what its decoder writes with. A draft has the first of them."""


@dataclass(frozen=True)
class Pieces:
    """The pieces in the order of their merges; `▁` begins a word, and the last one, `</s>`, ends a text.

    Raises:
        TextError: the last piece is another, or one stands twice.
    """

    pieces: Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "pieces", tuple(self.pieces))
        if self.pieces[-1:] != (EOS,):
            raise TextError(f"the last of the pieces is {self.pieces[-1:]} but should be {EOS!r}")
        if len(self.ids) != len(self.pieces):
            raise TextError("the pieces have one more than once; every piece stands once")

    def __len__(self) -> int:
        return len(self.pieces)

    @classmethod
    def load(cls, path: Path) -> Pieces:
        """Reads a file with a piece on each line.

        Raises:
            TextError: it cannot be read, or see `Pieces`.
        """
        try:
            return cls(path.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise TextError(f"the pieces in {path} cannot be read ({error}): install the recognizer again") from None

    @classmethod
    def of_symbols(cls, symbols: Sequence[str]) -> Pieces:
        """Those of a CTC output: piece n is symbol n + 1, after the blank; `<pad>` and its like come last.

        Raises:
            TextError: see `Pieces`.
        """
        return cls((*(symbol for symbol in symbols if not symbol.startswith("<")), EOS))

    @cached_property
    def ids(self) -> dict[str, int]:
        return {piece: number for number, piece in enumerate(self.pieces)}

    @property
    def end_id(self) -> int:
        return len(self.pieces) - 1

    @cached_property
    def begins_word(self) -> tuple[bool, ...]:
        return tuple(piece.startswith(BOUNDARY) for piece in self.pieces)

    def encode(self, text: str) -> list[int]:
        """The ids of words between spaces.

        Raises:
            TextError: a character is no piece.
        """
        return [number for word in text.split() for number in self._word(word)]

    def merges(self, piece: str) -> list[int]:
        """The pieces that come of merging a piece from letters, step by step, itself at last; nothing of a letter."""
        return list(self._merging(list(piece)))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, without what follows an end."""
        words = []
        for number in ids:
            if number == self.end_id:
                break
            words.append(self.pieces[number])
        return " ".join("".join(words).replace(BOUNDARY, " ").split())

    @cached_property
    def _words(self) -> dict[str, tuple[int, ...]]:
        return {}  # that were encoded before

    def _word(self, word: str) -> tuple[int, ...]:
        if word not in self._words:
            self._words[word] = self._merged(word)
        return self._words[word]

    def _merged(self, word: str) -> tuple[int, ...]:
        parts = list(BOUNDARY + word)
        for _ in self._merging(parts):
            pass
        if unknown := [part for part in parts if part not in self.ids]:
            raise TextError(f"{unknown[0]!r} in {word!r} is no piece that the decoder can write")
        return tuple(self.ids[part] for part in parts)

    def _merging(self, parts: list[str]) -> Iterator[int]:
        """Merges neighbors among parts, in place, until no two are a piece; gives each piece that it makes."""
        while True:
            pairs = zip(parts, parts[1:])
            best = min(((self.ids[a + b], at) for at, (a, b) in enumerate(pairs) if a + b in self.ids), default=None)
            if best is None:
                return
            piece, place = best
            parts[place : place + 2] = [self.pieces[piece]]
            yield piece
