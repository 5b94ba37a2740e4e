"""Normalize text: write out everything as the words that a reader says, and the pauses `,` `.` `;` `:` `?` `!`.

Words that the result has in capitals are spelled (`FBI`), and `J.` is a letter; all others are read as words. Each step
takes the whole text and knows one subject. The order matters: `No. 5` is an abbreviation before it is a number, and
`$5` is money before it is five. All steps are linear in the text: patterns look only a bounded way ahead and back.

Limits: a word of more than `LONGEST_TOKEN` (200) characters is read in pieces of that length, and a number of more than
15 digits digit by digit, whatever its length.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from speechnar.text.abbreviations import expand_abbreviations
from speechnar.text.capitals import lower_shouting, read_capitals
from speechnar.text.characters import PLACEHOLDERS, clean, tidy
from speechnar.text.dates import read_dates
from speechnar.text.equations import read_equations
from speechnar.text.identifiers import read_identifiers
from speechnar.text.markup import strip_emphasis, strip_inline
from speechnar.text.money import read_money
from speechnar.text.notations import read_notations
from speechnar.text.number_formats import unify_numbers
from speechnar.text.quantities import read_quantities, read_rates
from speechnar.text.roman_numerals import read_numbered_parts, read_roman_numerals
from speechnar.text.short_forms import expand_short_forms
from speechnar.text.urls import read_urls
from speechnar.text.verses import read_verses


def normalize(text: str, keep: Collection[str] = ()) -> str:
    """Return the words that a reader would say.

    Args:
        text: any text; line breaks count as spaces.
        keep: lower-case words that are left as they are, such as those of a user's lexicon.
    """
    kept: dict[str, str] = {}
    text = strip_inline(text)
    if not text.isascii():
        text = re.sub(f"[{PLACEHOLDERS}]", "", text)
    if keep:
        text = protect(text, keep, kept)
    text = strip_emphasis(clean(text))
    text = read_equations(unify_numbers(read_notations(read_urls(text))))
    text = lower_shouting(read_verses(read_numbered_parts(text)))
    text = read_roman_numerals(expand_abbreviations(expand_short_forms(text)))
    if any(c.isdecimal() for c in text):
        text = read_quantities(read_money(read_dates(text)))
    text = tidy(read_capitals(read_identifiers(read_rates(text))))
    words = {placeholder: word for word, placeholder in kept.items()}
    return re.sub(f"[{PLACEHOLDERS}]", lambda m: words[m[0]], text)


def protect(text: str, keep: Collection[str], kept: dict[str, str]) -> str:
    """Put a private character in the place of each word to keep, and add word and character to `kept`."""

    def replace(match: re.Match[str]) -> str:
        word = match[1]
        stem = word[:-2] if word[-2:] in ("'s", "’s") else word
        if word.lower() not in keep and stem.lower() not in keep:
            return match[0]
        return kept.setdefault(word.replace("’", "'"), chr(0xF0000 + len(kept))) + match[2]

    return re.sub(r"(?<![^\s\"“‘'(\[])([^\s\"“”()\[\]]+?)([.,;:?!'’\")\]…]*(?:\s|$))", replace, text)
