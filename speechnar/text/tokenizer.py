"""Tokenizers: text to token ids and back.

    Characters        "so it" -> ▁ s o ▁ i t
    Words             "so it" -> ▁so ▁it        words as they are, such as phones with spaces between them
    Subwords          "so it" -> ▁so ▁it        a unigram model, by SentencePiece
    BytePairs         "so it" -> ▁so ▁it        Whisper's byte-pair encoding, in `speechnar.text.whisper_bpe`
    SymbolTable       phones, in `speechnar.text.symbols`; its text is a sequence of phones

The folder of a tokenizer holds `tokens.txt` and, if the tokens are subwords, `subwords.model`.

Source: Kudo 2018, "Subword Regularization", section 3.2, the unigram model of `Subwords`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from speechnar.files import atomic_write
from speechnar.text.symbols import BLANK, BOUNDARY, SPECIAL, TextError, Vocabulary

SUBWORDS = "subwords.model"


class Tokenizer(Protocol):
    """The interface of tokenizers: a `Vocabulary`, and `encode`.

    Attributes:
        symbols: the tokens in the order of their ids.
        ids: the id of each token.
        begins_word: for each token, whether a new word begins with it.
        spellings: for each token, what it adds to a word.
        blank_id, pad_id, mask_id, bos_id, eos_id: raise TextError where the vocabulary has no such token.
    """

    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def ids(self) -> dict[str, int]: ...
    @property
    def begins_word(self) -> tuple[bool, ...]: ...
    @property
    def spellings(self) -> tuple[str, ...]: ...
    @property
    def blank_id(self) -> int: ...
    @property
    def pad_id(self) -> int: ...
    @property
    def mask_id(self) -> int: ...
    @property
    def bos_id(self) -> int: ...
    @property
    def eos_id(self) -> int: ...

    def __len__(self) -> int: ...

    def encode(self, text: str, /) -> list[int]:
        """Return the ids of a text; raises TextError where it has what no token spells."""

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids: of words with single spaces between them."""


@dataclass(frozen=True, eq=False)
class Characters(Vocabulary):
    """A tokenizer whose tokens are characters, with a `▁` before each word."""

    def split(self, text: str) -> Sequence[str]:
        """Return the tokens of a text, whether they are in the vocabulary or not."""
        return [character for word in text.split() for character in BOUNDARY + word]

    def encode(self, text: str, /) -> list[int]:
        """Return the ids of a text.

        Raises:
            TextError: a token of the text is not in the vocabulary.
        """
        tokens = self.split(text)
        for token in tokens:
            if token not in self.ids:
                raise TextError(
                    f"{token!r} in the text {text!r} is none of the {len(self)} tokens: make the tokenizer again"
                )
        return [self.ids[token] for token in tokens]


@dataclass(frozen=True, eq=False)
class Words(Characters):
    """A tokenizer whose tokens are words: phones, or the letters of a word that is spelled with spaces."""

    def split(self, text: str) -> Sequence[str]:
        return [BOUNDARY + word for word in text.split()]


@dataclass(frozen=True, eq=False)
class Subwords(Characters):
    """A tokenizer whose tokens are subwords.

    Attributes:
        processor: a `sentencepiece.SentencePieceProcessor`.
    """

    processor: Any = None

    def split(self, text: str) -> Sequence[str]:
        found: list[str] = self.processor.encode(text, out_type=str)
        return found


def train_tokenizer(texts: Iterable[str], folder: Path, subwords: int | None = None, words: bool = False) -> Vocabulary:
    """Make a tokenizer of training transcripts and write its folder.

    Args:
        texts: the training transcripts.
        subwords: number of subwords; None for characters.
        words: take each word for a token, in place of its characters.

    Raises:
        TextError: there is no text, or it is too little for so many subwords.
        ModuleNotFoundError: SentencePiece, which makes subwords, is not installed.
    """
    texts = [" ".join(text.split()) for text in texts]
    characters = sorted({character for text in texts for character in text} - {" "})
    if not characters:
        raise TextError("there is no text to make tokens of: give manifests whose utterances have transcripts")
    folder.mkdir(parents=True, exist_ok=True)
    if words:
        tokens = sorted({BOUNDARY + word for text in texts for word in text.split()})
    elif subwords is None:
        tokens = [BOUNDARY, *characters]
    else:
        tokens = _train_subwords(texts, subwords, folder / SUBWORDS)
    vocabulary = Vocabulary((BLANK, *tokens, *SPECIAL))
    vocabulary.save(folder / "tokens.txt")
    return vocabulary


def _train_subwords(texts: Sequence[str], number: int, path: Path) -> list[str]:
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_writer=model, vocab_size=number + 1, model_type="unigram",
            character_coverage=1.0, bos_id=-1, eos_id=-1, unk_id=0, normalization_rule_name="identity",
            minloglevel=2,
        )  # fmt: skip
    except RuntimeError as error:
        most = re.search(r"a value <= (\d+)", str(error))
        cause = f"it has {int(most[1]) - 1} at most" if most else error
        raise TextError(f"{number} subwords cannot be made of this text ({cause}): ask for fewer") from None
    with atomic_write(path) as part:
        part.write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [processor.id_to_piece(n) for n in range(1, processor.get_piece_size())]


def load_tokenizer(folder: Path) -> Characters:
    """Read the folder of a tokenizer.

    Raises:
        TextError: `tokens.txt` is damaged.
        OSError: a file cannot be read.
    """
    symbols = Vocabulary.load(folder / "tokens.txt").symbols
    if not (folder / SUBWORDS).exists():
        return Characters(symbols) if BOUNDARY in symbols else Words(symbols)
    import sentencepiece

    return Subwords(symbols, sentencepiece.SentencePieceProcessor(model_file=str(folder / SUBWORDS)))
