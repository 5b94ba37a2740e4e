"""Text as written to text as spoken: only words, and the pauses `,` `.` `;` `:` `?` `!`.

What stays in capitals is spelled (`FBI`), and `J.` is a letter; all other words are read as words. Each step takes the
whole text and knows one subject. The order matters: `No. 5` is an abbreviation before it is a number, and `$5` is money
before it is five.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from speechnar.text.abbreviations import abbreviations
from speechnar.text.capitals import capitals, unshout
from speechnar.text.characters import PLACEHOLDERS, clean, tidy
from speechnar.text.dates import dates
from speechnar.text.equations import equations
from speechnar.text.identifiers import identifiers
from speechnar.text.markup import strip_emphasis, strip_inline
from speechnar.text.money import money
from speechnar.text.number_formats import number_formats
from speechnar.text.quantities import quantities, rates
from speechnar.text.roman_numerals import numbered_parts, roman_numerals
from speechnar.text.short_forms import short_forms
from speechnar.text.urls import urls
from speechnar.text.verses import verses


def normalize(text: str, keep: Collection[str] = ()) -> str:
    """The words that a reader would say.

    Args:
        text: any text; line breaks count as spaces.
        keep: lower-case words that are left as they are, such as those of a user's lexicon.
    """
    kept: dict[str, str] = {}
    if not text.isascii():
        text = re.sub(f"[{PLACEHOLDERS}]", "", text)
    if keep:
        text = _protect(text, keep, kept)
    text = strip_emphasis(clean(strip_inline(text)))
    text = equations(number_formats(urls(text)))
    text = unshout(verses(numbered_parts(text)))
    text = roman_numerals(abbreviations(short_forms(text)))
    if any(c.isdecimal() for c in text):
        text = quantities(money(dates(text)))
    text = tidy(capitals(identifiers(rates(text) if "/" in text else text)))
    words = {placeholder: word for word, placeholder in kept.items()}
    return re.sub(f"[{PLACEHOLDERS}]", lambda m: words.get(m[0], ""), text)


def _protect(text: str, keep: Collection[str], kept: dict[str, str]) -> str:
    """Puts a private character in the place of each word to keep, and notes in `kept` which."""

    def replace(match: re.Match[str]) -> str:
        word = match[1]
        stem = word[:-2] if word[-2:] in ("'s", "’s") else word
        if word.lower() not in keep and stem.lower() not in keep:
            return match[0]
        return kept.setdefault(word.replace("’", "'"), chr(0xF0000 + len(kept))) + match[2]

    return re.sub(r"(?<![^\s\"“‘'(\[])([^\s\"“”()\[\]]+?)([.,;:?!'’\")\]…]*(?:\s|$))", replace, text)
