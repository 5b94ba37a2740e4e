"""The option `--language` of the verbs that read text without a voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechnar.cli.parser import VerbParser

if TYPE_CHECKING:
    from speechnar.text.symbols import SymbolTable


def add_language(parser: VerbParser) -> None:
    """Add `--language`."""
    parser.add_argument(
        "--language",
        default="en-us",
        metavar="CODE",
        help="of the text: en-us, de, es, fr ...; de-x-letters reads German letter by letter (en-us)",
    )


def symbols_of(language: str) -> SymbolTable | None:
    """Return the phones that a lexicon of a language may have; None where any will do, since each voice has its own.

    Raises:
        TextError: it is no code of a language.
    """
    from speechnar.text.languages.front_end import parse_language
    from speechnar.text.symbols import ENGLISH

    return ENGLISH if parse_language(language) == ("en", False) else None
