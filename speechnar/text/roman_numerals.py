"""Read roman numerals as numbers: of chapters and list items, of kings and popes, of years and centuries.

Letters are numerals only where their neighbors show it: `Chapter I` is one, `when Henry and I met` has none.
`read_numbered_parts` runs before words in capitals are lowered, because `CHAPTER XII THE END` is shouted as a whole.
"""

from __future__ import annotations

import re

from speechnar.text.match_context import after, before, ends_sentence, starts_sentence
from speechnar.text.numbers import cardinal, ordinal

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_VALID = re.compile(r"M{0,3}(?:CM|CD|D?C{0,4})(?:XC|XL|L?X{0,4})(?:IX|IV|V?I{0,4})$")

_PARTS = (
    "chapter part book volume act scene section canto article appendix stanza lesson unit phase stage type class level"
    " episode season psalm figure table plate title grade"
).split()
_PART_NAMES = "|".join(name for part in _PARTS for name in (part, part.title(), part.upper()))
_PART = re.compile(rf"\b({_PART_NAMES})\s+([IVXLCDM]{{1,9}})\b(?!['-]\w|\.\w)")
_NOT_I = re.compile(r"\s+[a-z]|'")
_I_ANYWAY = re.compile(r"\s+(?:of|and|to|through|in|is|was|or)\b")
_YEAR = re.compile(r"\b(?=[MDCLXVI]{4,}\b)(MC?[DM]?[MDCLXVI]{2,})\b")
_CENTURY = re.compile(r"\b([IVX]{1,6})(?:th)?(?=(?:-|\s+)(?:[Cc]entur(?:y|ies)|[Dd]ynasty)\b)")

_BRACKETED = re.compile(r"(^\s*)?\(([ivx]{1,6}|(?<=^\()[IVX]{2,6})\)")
_FIRST_ITEM = re.compile(r"\((?:i|ii)\)")
_ITEM = re.compile(r"^\s*(?:([ivx]{1,6})[.)]|([IVX]{2,6})[.)])\s+(?=\S)")

_AFTER_NAME = re.compile(
    rf"\b([A-Z][\w'-]*|{'|'.join(_PARTS)})\s+((?=[IVXL])L?X{{0,4}}(?:IX|IV|V?I{{0,3}}))(?![\w-]|'(?!s\b)|\.\w)"
)
_REGNAL = frozenset(
    """albert alexander alfonso anne baldwin benedict boniface carl carlos catherine charles christian clement
    constantine darius david edward elizabeth felipe ferdinand francis franz frederick george gregory gustav
    haakon harald henry innocent ivan james john joseph juan julius justinian karl leo leopold louis malcolm
    margaret mary maximilian mehmed michael murad napoleon nicholas olav otto paul pedro peter philip pius
    ptolemy ramses richard robert rudolf selim sixtus stephen suleiman thutmose umberto urban victor vladimir
    wilhelm william xerxes""".split()
)
_AFTER_FIRST = re.compile(
    r"\s*(?:$|[,.;:)?!](?!\w)|(?:of|was|had|became|died|ruled|reigned|and (?:his|her|the))\b)|'s\b"
)
_NOT_FIRST_NAMES = frozenset("The In See World Super Star Final Grand Title Part Chapter Phase Act Type".split())


def read_numbered_parts(text: str) -> str:
    """Write the numerals of chapters, years, centuries and list items in digits: `CHAPTER XII` is `chapter 12`."""
    if re.search(r"\b[IVXLCDM]+(?:\b|th)", text):
        text = _PART.sub(_part, text)
        text = _YEAR.sub(_year, text)
        text = _CENTURY.sub(lambda m: ordinal(value(m[1])) if value(m[1]) else m[0], text)
    text = _ITEM.sub(_item, text)
    if "(" in text:
        listed = _FIRST_ITEM.search(text) is not None
        text = _BRACKETED.sub(lambda m: _bracketed(m, listed), text)
    return text


def value(numeral: str) -> int:
    """Return the number that a roman numeral writes; 0 when it writes none."""
    numeral = numeral.upper()
    if not _VALID.match(numeral):
        return 0
    values = [_VALUES[c] for c in numeral]
    return sum(-v if v < later else v for v, later in zip(values, [*values[1:], 0]))


def _part(match: re.Match[str]) -> str:
    name, numeral = match.groups()
    rest = after(match)
    number = value(numeral)
    if numeral in ("C", "D", "M", "L") and not (name == "CHAPTER" and numeral == "L") or not number:
        return match[0]  # Section C
    capital = name.istitle() and not starts_sentence(match)  # a Phase I trial
    if numeral == "I" and not name.isupper() and not capital and _NOT_I.match(rest) and not _I_ANYWAY.match(rest):
        return match[0]  # the chapter I wrote
    return f"{name.lower() if name.isupper() else name} {number}"


def _year(match: re.Match[str]) -> str:
    number = value(match[1])
    return str(number) if 1000 <= number < 2100 else match[0]


def _item(match: re.Match[str]) -> str:
    number = value(match[1] or match[2])
    return f"{number}. " if number else match[0]


def _bracketed(match: re.Match[str], listed: bool) -> str:
    number = value(match[2])
    if not number or not listed and match[1] is None:
        return match[0]
    return f"{match[1] or ''}({number})"


def read_roman_numerals(text: str) -> str:
    """Read the numerals after names: `Henry VIII`, `World War II`, `Rocky IV`."""
    return _AFTER_NAME.sub(_after_name, text)


def _after_name(match: re.Match[str]) -> str:
    name, numeral = match[1], match[2]
    rest = after(match)
    first = re.search(r"\b([A-Z][a-z]+)\s+$", before(match))
    regnal = name.lower() in _REGNAL
    if numeral == "L" or len(numeral) == 1 and name != "War":
        if not regnal or numeral == "I" and not _AFTER_FIRST.match(rest) or name == "Malcolm":
            return match[0]
    if len(numeral) == 1 and rest[:1] == "." and not ends_sentence(rest[1:]):
        return match[0]  # Robert I. Bouck
    if not value(numeral) or name.isupper() and len(name) > 1:
        return match[0]
    named = first is not None and name not in ("War", "Bowl") and first[1] not in _NOT_FIRST_NAMES
    if regnal or named and numeral in ("II", "III", "IV"):
        return f"{name} the {ordinal(value(numeral)).title()}"
    words = cardinal(value(numeral))
    return f"{name} {words.capitalize() if name == 'War' else words}"
