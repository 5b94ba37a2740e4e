"""Read user lexicons: files of `word<TAB>phones` lines, which come before all other pronunciations."""

from __future__ import annotations

from pathlib import Path

from speechnar.text.symbols import ENGLISH, WORD_BREAK, SymbolTable, TextError


def load_lexicon(path: str | Path, symbols: SymbolTable | None = ENGLISH) -> dict[str, tuple[str, ...]]:
    """Read a lexicon: one `word<TAB>phones` a line, phones separated by spaces, `|` between spoken words.

    Words are compared without regard to case; the last line of a word counts. Empty lines and lines that begin with `#`
    and a space are skipped.

    Args:
        symbols: those of the voice that will speak; None takes any phone.

    Returns:
        lower-case word to phones, `" "` where the file has `|`.

    Raises:
        TextError: a line that is not of this form, or a phone that the voice does not know; the message names file and
            line.
        OSError: the file cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    lexicon: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("# "):
            continue
        word, tab, spelling = line.partition("\t")
        word = " ".join(word.split()).lower()
        phones = tuple(WORD_BREAK if phone == "|" else phone for phone in spelling.split())
        if not tab or not word or not phones:
            raise TextError(f"{path}, line {number}: {line!r} should be a word, a tab and phones separated by spaces")
        if " " in word:
            raise TextError(f"{path}, line {number}: {word!r} is more than one word; give each its own line")
        for phone in phones:
            if symbols and not symbols.knows(phone):
                where = f"{path}, line {number}"
                raise TextError(f"{where}: {phone!r} is not a phone; `speechnar phonemize` shows some")
        lexicon[word] = phones
    return lexicon
