"""Whisper's tokenizer: byte-pair encoding of lower-case words.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2: neighbors are
    merged in the order in which the merges were learned.
Differs: the id of a token is the rank of its merge, so that no list of merges is kept; text is lower-case words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from speechnar.text.symbols import BOUNDARY, EOS, TextError, Vocabulary

DECODER_TOKENS = "decoder_tokens.txt"
"""File of the decoder's tokens, one a line, in the folder of a model or a recognizer."""


def decoder_tokens(folder: Path) -> Path:
    """Return the file of the decoder's tokens in a folder, under its former name `pieces.txt` where it has that."""
    path, former = folder / DECODER_TOKENS, folder / "pieces.txt"
    return former if former.exists() and not path.exists() else path


@dataclass(frozen=True, eq=False)
class BytePairs(Vocabulary):
    """A tokenizer by byte-pair encoding; tokens in angle brackets (`<blank>`, `</s>`) may stand anywhere among others.

    The output of CTC and the decoder may be two such tokenizers, the tokens of CTC being the first of the decoder's.
    """

    @classmethod
    def load_lines(cls, path: Path) -> BytePairs:
        """Read a file with a token on each line, whose last one is `</s>`.

        Raises:
            TextError: the file cannot be read, has a token twice, or does not end with `</s>`.
        """
        try:
            tokens = cls(tuple(path.read_text(encoding="utf-8").splitlines()))
        except (OSError, UnicodeDecodeError) as error:
            raise TextError(f"the tokens in {path} cannot be read ({error}): install the recognizer again") from None
        if tokens.symbols[-1:] != (EOS,):
            raise TextError(f"the last token in {path} is {tokens.symbols[-1:]} but should be {EOS!r}")
        return tokens

    def encode(self, text: str, /) -> list[int]:
        """Return the ids of words between spaces.

        Raises:
            TextError: a character is in no token.
        """
        return [token for word in text.split() for token in self._encode_word(word)]

    def merges(self, symbol: str) -> list[int]:
        """Return the tokens that arise while the letters of a token are merged, the token itself last.

        A token of one letter needs no merge: its list is empty.
        """
        return list(self._merge(list(symbol)))

    @cached_property
    def _words(self) -> dict[str, tuple[int, ...]]:
        return {}  # words that were encoded before

    def _encode_word(self, word: str) -> tuple[int, ...]:
        if word not in self._words:
            parts = list(BOUNDARY + word)
            for _ in self._merge(parts):
                pass
            if unknown := [part for part in parts if part not in self.ids]:
                raise TextError(f"{unknown[0]!r} in {word!r} is in no token that the decoder can write")
            self._words[word] = tuple(self.ids[part] for part in parts)
        return self._words[word]

    def _merge(self, parts: list[str]) -> Iterator[int]:
        """Merge neighbors in `parts`, in place, until no two of them form a token; yield each token that is formed."""
        while True:
            pairs = zip(parts, parts[1:])
            best = min(((self.ids[a + b], at) for at, (a, b) in enumerate(pairs) if a + b in self.ids), default=None)
            if best is None:
                return
            token, place = best
            parts[place : place + 2] = [self.symbols[token]]
            yield token
