"""Spell numbers out in any language that Unicode's rules cover, by the package unicode-rbnf (MIT).

Source: Unicode CLDR, rule-based number formatting: the rule sets `spellout-cardinal`, `-ordinal` and `-numbering-year`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from speechnar.text.symbols import TextError

if TYPE_CHECKING:
    from unicode_rbnf import RbnfEngine

_LONGEST = 15  # digits; a longer number is read digit by digit

_DECIMAL_WORDS = {"pl": "przecinek", "ru": "запятая"}
"""The word before decimals, which are read digit by digit, where unicode-rbnf 2.4 loses the rule for decimals."""


class Numbers:
    """The numbers of one language as words.

    Args:
        language: two or three letters, such as `de`.

    Attributes:
        known: whether there are rules for the language; without them every number is returned as it is.

    Raises:
        TextError: the package unicode-rbnf is not installed.
    """

    def __init__(self, language: str) -> None:
        try:
            from unicode_rbnf import RbnfEngine
        except ImportError:
            raise TextError("numbers of other languages need unicode-rbnf: pip install unicode-rbnf") from None
        self._decimal_word = _DECIMAL_WORDS.get(language)
        self._engine: RbnfEngine | None = None
        if language in RbnfEngine.get_supported_languages():
            self._engine = RbnfEngine.for_language(language)
        self.known = self._engine is not None

    def cardinal(self, number: str | int, form: str = "numbering") -> str:
        """Return `dreiundzwanzig` for 23, `drei Komma eins vier` for `3.14`.

        Args:
            number: digits, with a full stop before decimals and `-` in front of a negative number.
            form: `numbering`, or a gender that the language has: `cardinal-masculine`, `cardinal-feminine` ...
        """
        return self._spelled(str(number), "CARDINAL", f"spellout-{form}")

    def ordinal(self, number: str | int, form: str) -> str:
        """Return `dritte` for 3; `form` is the end of a rule set's name: `ordinal-masculine`, `ordinal-n` ..."""
        return self._spelled(str(number), "ORDINAL", f"spellout-{form}")

    def year(self, number: str | int) -> str:
        """Return `neunzehnhundertvierundachtzig` for 1984."""
        return self._spelled(str(number), "YEAR", "spellout-numbering-year")

    def digits(self, text: str) -> str:
        """Return every digit as a word of its own."""
        return " ".join(self.cardinal(digit) for digit in re.sub(r"\D", "", text))

    @lru_cache(maxsize=4096)  # noqa: B019 - the Numbers of a language live as long as the process
    def _spelled(self, number: str, purpose: str, rule: str) -> str:
        if self._engine is None:
            return number
        from unicode_rbnf import FormatPurpose

        whole, _, decimals = number.partition(".")
        if len(whole) > _LONGEST or len(decimals) > _LONGEST:
            return self.digits(number)
        if decimals and whole.startswith("-"):
            minus = self.cardinal("-5").removesuffix(self.cardinal("5")).strip()
            return f"{minus} {self.cardinal(number[1:])}"
        if decimals and self._decimal_word:
            return f"{self.cardinal(whole)} {self._decimal_word} {self.digits(decimals)}"
        try:
            found = self._engine.format_number(number, FormatPurpose[purpose]).text_by_ruleset
        except ValueError:  # no such rules
            return self.cardinal(number) if purpose != "CARDINAL" else self.digits(number)
        text = found.get(rule) or next(iter(found.values()))
        return " ".join(text.replace("\u00ad", "").split())
