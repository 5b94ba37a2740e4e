"""Read telephone numbers, names with digits in them, signs, and at last every number that is still in digits."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from speechnar.text.capitals import ORDINARY
from speechnar.text.dates import is_year
from speechnar.text.match_context import starts_sentence
from speechnar.text.numbers import as_ordinal, digits, number, pairs, plural, year
from speechnar.text.quantities import NUMBER

_Say = Callable[[re.Match[str]], str]

_DIGIT = re.compile(r"\d")
_TELEPHONE = (
    r"(?<![\w.,$€£-])(?:(\+\d{1,3})[\s.-]?(?:\(?\d{1,4}\)?[\s.-]?){2,5}\d{2,4}"
    r"|(?:1[-.\s])?\(?\d{3}\)?[-.\s]\s?\d{3}[-.]\d{4}|\d{3}-\d{4}|\d{3}-\d{2}-\d{4}"
    r"|(?:\d{4}[ -]){3}\d{4}|\(?0\d{1,4}\)?[ -]\d{3,4}[ -]\d{3,4}(?:[ -]\d{2,4})?|0\d(?: \d\d){4}|0\d{2,4}[ /-]\d{5,8}"
    r")(?![\w-]|\.\d)"
)
_MIXED = r"(?<![\w'-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z\d]+(?:-[A-Za-z\d]+)*(?!\w|'[a-z]{2})"  # B-52
_SIGNS = (
    (r"#(?=\d)", "number "),
    (r"#(?=[A-Za-z])", "hashtag "),
    (r"(?<=\w)\+\+(?!\w)", " plus plus"),
    (r"\b([A-G])#", r"\1 sharp"),
    (r"(?<![\w+])([A-F])\+(?![\w+])", r"\1 plus"),
    (r"(?i)\b(an?|got|of|or|his|her|my|grade:?) (?-i:([A-DF]))-(?=\s|$|[.,;!?)])", r"\1 \2 minus"),
    (r"(?<![\w'-])([A-DF])-(?= (?:and|or|to) [A-DF](?![\w-]))", r"\1 minus"),
    (r"\b([A-Z])&([A-Z])s\b", r"\1 and \2's"),
    (r"(?<!\w)@\s?(?=\w)", "at "),
    (r"(?<=\w)@(?=\w)", " at "),
    (r"\s*&+\s*", " and "),
    (r"\band/or\b", "and or"),
    (r"\b(he|his|him|she|hers?)/(he|his|him|she|hers?)\b", r"\1 or \2"),
    (r"(?<=[\w)])²", " squared"),
    (r"(?<=[\w)])³", " cubed"),
    (r"\s*≤\s*", " less than or equal to "),
    (r"\s*≥\s*", " greater than or equal to "),
    (r"\s*±\s*", " plus or minus "),
    (r"\s*×\s*", " times "),
    (r"(?<=[\w)])\^(?=-?\w)", " to the power of "),
    (r"\s*÷\s*", " divided by "),
    (r"(?<=[\w\s])\s*=\s*(?=[\w\s-])", " equals "),
    (r"(?<=\w)\s+<\s+(?=\w)", " less than "),
    (r"(?<=\w)\s+>\s+(?=\w)", " greater than "),
    (r"(?<=\w)\s*\+\s*(?=\w)|(?<=\d)\+", " plus "),
    (r"%", " percent "),
    (r"°", " degrees "),
)


def read_identifiers(text: str) -> str:
    """Read telephone numbers, signs, names with digits (`B-52`, `MP3`) and all other digits."""
    if _DIGIT.search(text):
        for pattern, say in _GROUPS:
            text = re.sub(pattern, say, text)
    if re.search(r"[^\w\s.,;:?!'-]|[²³]|\b[ABCDF]-(?!\w)", text):
        for pattern, words in _SIGNS:
            text = re.sub(pattern, words, text)
    if _DIGIT.search(text):
        for pattern, spoken in _NUMBERS:
            text = re.sub(pattern, spoken, text)
    return re.sub(r"(?<=[A-Za-z])/(?=[A-Za-z])", " ", text)


def _telephone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    return ("plus " if match[1] else "") + ", ".join(digits(group) for group in groups)


def _post_code(match: re.Match[str]) -> str:
    return digits(match[1]) + (f", {digits(match[2])}" if match[2] else "")


def _dotted(match: re.Match[str]) -> str:
    parts = match[0].split(".")
    if len(parts) == 4:
        return " dot ".join(pairs(part) for part in parts)
    return " point ".join(number(part) for part in parts)


def _mixed(match: re.Match[str]) -> str:
    """Read `B-52`, `R2-D2`, `UA123`: letters as letters, words as words, digits as in names.

    A part in small letters is a word (`top-10`, `pre-1990`): so are the words that an earlier step wrote (`one-3`).
    """
    runs = re.findall(r"[A-Za-z]+|\d+", match[0])
    words = {part for part in match[0].split("-") if len(part) > 1 and part.isalpha() and part.islower()}
    if len(runs) > 6:  # a checksum
        return " ".join(c.upper() if c.isalpha() else digits(c) for c in "".join(runs))
    said = [_digits_of_name(run, words) if run.isdecimal() else run if run in words else _letters(run) for run in runs]
    if len(runs) > 1 and runs[-1] == "s" and runs[-2].isdecimal():
        said[-2:] = [plural(said[-2])]  # MP3s
    if said[0] == "A" and starts_sentence(match):
        said[0] = "A."  # the letter, not the article
    return " ".join(said)


def _digits_of_name(run: str, words: Collection[str]) -> str:
    return year(int(run)) if words and len(run) == 4 and "1100" <= run < "2100" else pairs(run)  # pre-1990


def _letters(run: str) -> str:
    if len(run) > 3 or len(run) > 1 and run.istitle():
        return run  # a word
    return " ".join(run.upper()) if run.lower() in ORDINARY else run.upper()


_GROUPS: tuple[tuple[str, _Say], ...] = (
    (r"(?<![\w-])(\d{3})\(([a-z])\)(?:\((\d)\))?(?!\w)", lambda m: f"{pairs(m[1])} {m[2].upper()} {m[3] or ''}"),
    (r"(?<![\w-])401k\b", lambda m: "four oh one K"),
    (_TELEPHONE, _telephone),
    (r"(?<=\b[A-Z]{2} )(\d{5})(?:-(\d{4}))?\b(?![,.]?\d)", _post_code),  # CA 90210
    (
        r"(?i)\b((?:call|dial|phone|ring|text)(?:s|ed|ing)?) (\d{3}|\d{5,6}(?! [a-z]+s\b))\b(?![.,-]?\d)",
        lambda m: f"{m[1]} {digits(m[2])}",
    ),
)
_NUMBERS: tuple[tuple[str, _Say | str], ...] = (
    (
        r"(?i)\b(Route|Highway|Interstate|Flight|Room|Boeing|Airbus|Bus|Suite|Area|Channel|Platform|US)"
        r"\s(\d{3})(?:-(\d{1,3}))?\b(?![.,]\d)",
        lambda m: " ".join([m[1], *map(pairs, filter(None, m.groups()[1:]))]),
    ),
    (r"(?<![\w.-])\d+(?:-\d+){2,}(?![\w-])", lambda m: ", ".join(map(digits, m[0].split("-")))),  # 978-3-16-148410-0
    (rf"(?<![\w.])({NUMBER})\s?[-–]\s?(?={NUMBER}(?![\w-]*[A-Za-z]))(?!\d+-)", r"\1 to "),  # 3-2
    (r"(?<![\w.,])(\d[\d,]*(?:st|nd|rd|th))\s?[-–]\s?(?=\d[\d,]*(?:st|nd|rd|th)\b)", r"\1 to "),
    (r"(?<![\w.,])(\d[\d,]*)(?:st|nd|rd|th)\b", lambda m: as_ordinal(number(m[1]))),
    (r"(?<![\w.,-])(\d+)-(?=[A-Za-z]{2,})", lambda m: f"{number(m[1])}-"),  # 24-hour
    (r"\b[vV](?:er)?\.?\s?(?=\d+\.\d)", "version "),
    (r"(?<![\w.])(\d+(?:\.\d+)+)-(?=[A-Za-z]{2})", r"\1 "),  # 1.0-beta
    (r"(?<![\w.])\d+(?:\.\d+){2,}(?![\w.]*\w)", _dotted),  # 2.0.1
    (r"\b(?!AD|CE)([A-Z]{2,4}) (\d{4})\b(?![.,]\d)", lambda m: f"{m[1]} {pairs(m[2])}"),  # ISO 9001
    (r"(?<![\w.,])(\d+(?:\.\d+)?)M\b", lambda m: f"{number(m[1])} million"),
    (r"(?<![\w.])(\d+\.\d+)([A-Za-z]{1,3})(?!\w)", lambda m: f"{number(m[1])} {_letters(m[2])}"),  # 2.5K
    (_MIXED, _mixed),
    (r"(?<![\w.,])\d{4}(?!\w|[.,]\d)", lambda m: year(int(m[0])) if is_year(m) else number(m[0])),
    (rf"(?<![\w)])-?{NUMBER}", lambda m: number(m[0])),
    (r"(?<=\d):(?=\d)", " to "),
    (r"\d+", lambda m: f" {number(m[0])} "),
)
