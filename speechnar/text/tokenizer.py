"""The units of a recognizer: characters, or pieces of words; written text to their ids and back.

As in SentencePiece, `▁` begins a word: "so it" is `▁ s o ▁ i t` in characters, and perhaps `▁so ▁it` in subwords.
A folder of units holds `tokens.txt`, and `subwords.model` if they are subwords.

Source: subwords are a unigram model (Kudo 2018), by SentencePiece.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from speechnar.files import atomic_write
from speechnar.text.symbols import BLANK, BOS, EOS, MASK, PAD, SymbolTable, TextError

BOUNDARY = "▁"
SPECIAL = (MASK, PAD, BOS, EOS)


def make_units(texts: Iterable[str], folder: Path, subwords: int | None = None) -> SymbolTable:
    """Writes a folder of units.

    Args:
        texts: the training transcripts.
        subwords: how many; None takes characters.

    Raises:
        TextError: there is no text, or `subwords` does not fit it.
        ModuleNotFoundError: subwords without SentencePiece.
    """
    texts = [" ".join(text.split()) for text in texts]
    characters = sorted({character for text in texts for character in text} - {" "})
    if not characters:
        raise TextError("there is no text to make units of; give manifests whose utterances have transcripts")
    folder.mkdir(parents=True, exist_ok=True)
    if subwords is None:
        units = [BOUNDARY, *characters]
    else:
        units = _train_subwords(texts, subwords, folder / "subwords.model")
    symbols = SymbolTable((BLANK, *units, *SPECIAL))
    symbols.save(folder / "tokens.txt")
    return symbols


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
        raise TextError(f"{number} subwords cannot be made of this text ({error}); ask for fewer") from None
    with atomic_write(path) as part:
        part.write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [processor.id_to_piece(n) for n in range(1, processor.get_piece_size())]


def load_units(folder: Path) -> tuple[SymbolTable, Callable[[str], list[int]]]:
    """Reads a folder of units.

    Returns:
        The table, and what turns a text into ids; it raises TextError where a character is unknown.
    """
    symbols = SymbolTable.load(folder / "tokens.txt")
    if (folder / "subwords.model").exists():
        import sentencepiece

        processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "subwords.model"))

        def split(text: str) -> Sequence[str]:
            return processor.encode(text, out_type=str)
    else:

        def split(text: str) -> Sequence[str]:
            return [character for word in text.split() for character in BOUNDARY + word]

    def encode(text: str) -> list[int]:
        pieces = split(text)
        for piece in pieces:
            if piece not in symbols.ids:
                raise TextError(f"{piece!r} in the text {text!r} is not among the units of {folder}: make them again")
        return [symbols.ids[piece] for piece in pieces]

    return symbols, encode


def spelled(symbols: SymbolTable, ids: Iterable[int]) -> str:
    """The text of ids; what is no unit (`<blank>`, `<mask>`, `<s>` ...) adds nothing."""
    silent = {BLANK, *SPECIAL}
    pieces = (symbols.symbols[n] for n in ids)
    return " ".join("".join(piece for piece in pieces if piece not in silent).replace(BOUNDARY, " ").split())
