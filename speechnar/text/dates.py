"""Read times, dates, years and decades; the words around a number tell which of them it is."""

from __future__ import annotations

import re

from speechnar.text.match_context import after, before, ends_sentence, starts_sentence
from speechnar.text.numbers import cardinal, ordinal, pairs, plural, year

MONTHS = "January February March April May June July August September October November December".split()
_SHORT_MONTHS = {**{month[:3]: month for month in MONTHS}, "Sept": "September"}
_MONTH = "|".join(MONTHS)
_SHORT = "|".join(sorted(_SHORT_MONTHS, key=len, reverse=True))
_DAY = r"(?:3[01]|[12]\d|0?[1-9])"

_RATIO_CUE = re.compile(
    r"\b(?:ratios?|odds|scales?|aspect|proportions?|mix\w*|dilut\w+|score[sd]?)\b[^.?!]{0,25}$", re.I
)
_YEAR_CUE = re.compile(
    rf"\b(?:in|since|by|from|until|till|circa|after|before|during|years?|early|late|mid|around|of|AD|CE|{_MONTH}"
    r"|spring|summer|autumn|fall|winter|copyright|between \w+ and)\s*,?\s*$",
    re.I,
)
COUNTED = re.compile(r"\s+(?:(?!(?:was|has|does|towards|perhaps|always)\b)[a-z]{2,}[^\Wsui_\d]s\b"
                      r"|(?:people|men|women|children|feet|percent|more|other|different|extra)\b)")  # fmt: skip


def read_dates(text: str) -> str:
    """Read the times, dates, decades and ranges of years of a text; single years are left for `is_year` to tell."""
    text = re.sub(rf"(?<![\w-])({_DAY})-({_SHORT}|{_MONTH})-(\d{{4}})(?![\w-])", r"\1 \2 \3", text)  # 12-Mar-2022
    text = re.sub(r"(?<![\w.:,/])(\d{1,2})\.([0-5]\d)(?=\s?[ap]\.?m\b)", r"\1:\2", text)
    text = re.sub(r"(?<=\b[Aa]t )([01]?\d|2[0-3])h([0-5]\d)(?!\w)", r"\1:\2", text)
    text = re.sub(r"\b([Nn]oon|[Mm]idnight)\s?[–-]\s?(?=\d)", r"\1 to ", text)
    text = re.sub(r"(?<!\w)'00s\b", "two thousands", text)
    text = re.sub(r"(?<=:\d\d)\s?[–-]\s?(?=\d{1,2}:\d\d(?!\d))", " to ", text)
    text = re.sub(r"(?<=\d0s)\s?[–-]\s?(?='?\d0s\b|(?:19|20)\d0s\b)", " to ", text)
    text = re.sub(r"(?<=[a-z])-([1-9]\d)s\b", lambda m: f" {plural(cardinal(int(m[1])))}", text)  # under-18s
    text = re.sub(r"(?<=[\dmM.])\s?[–-]\s?(?=\d{1,2}(?::\d\d)?\s*[aApP]\.?[mM]\b)", " to ", text)
    text = re.sub(
        r"(?<![\w:.])(\d{1,3}):(\d{1,3})(?::([0-5]\d))?(?![:\w]*\d)(?:\s*([ap])(?:\.\s?m\.?|m\b\.?))?",
        _clock,
        text,
        flags=re.I,
    )
    text = re.sub(r"(?<![\w:.,/-])(1[0-2]|0?[1-9])\s*([ap])(?:\.\s?m\.?|m\b\.?)", _hour, text, flags=re.I)
    text = re.sub(rf"\b(on|until|since|due|dated) (1[0-2]|0?[1-9])/({_DAY})(?![\w/])", _month_and_day, text)
    text = re.sub(rf"\b({_SHORT})\b(?=\s\d)|(?<=\d\s)({_SHORT})\b", lambda m: _SHORT_MONTHS[m[0]], text)
    text = re.sub(r"(?<![\w/.-])(\d{1,4})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-])", _numeric_date, text)
    text = re.sub(
        rf"\b({_MONTH})\s+({_DAY})(?:st|nd|rd|th)?(?:\s?[-–]\s?({_DAY})(?:st|nd|rd|th)?)?(?!\d|,\d)(?:,?\s+(\d{{4}})\b)?",
        _month_first,
        text,
    )
    text = re.sub(
        rf"\b([Tt]he\s+)?(?:({_DAY})(?:st|nd|rd|th)?\s?[-–]\s?)?({_DAY})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})\b",
        _day_first,
        text,
    )
    text = re.sub(r"(?<![\d.,])((?:1[0-9]|20)\d\d)\s?[-–]\s?((?:1[0-9]|20)?\d\d)(?![\d-]|\.\d)", _years, text)
    text = re.sub(r"(?:(?<=[a-z])-)?(?<![\d.,])'?\b((?:1[1-9]|20)\d0|[1-9]0)'?s\b", _decade, text)
    text = re.sub(r"\b1(000|00)s\b", lambda m: "thousands" if m[1] == "000" else "hundreds", text)
    text = re.sub(r"(?<![\w.,$€£-])([1-9]\d\d)s\b", lambda m: plural(pairs(m[1])), text)  # 747s
    return re.sub(r"(?<!\w)'(\d\d)\b", lambda m: _two_digits(m[1]), text)


def is_year(match: re.Match[str]) -> bool:
    """Tell whether a matched number of four digits is a year, by the words around it."""
    value = int(match[0])
    cued = _YEAR_CUE.search(before(match)) is not None
    if cued:
        return 1000 <= value < 2100
    return 1100 <= value < 2100 and not COUNTED.match(after(match))


def _half_of_day(match: re.Match[str], group: int) -> str:
    if not match[group]:
        return ""
    abbreviated = re.search(
        r"\.\s?m\.$", match[0], re.I
    )  # `p.m.`, whose full stop may end the sentence; that of `pm.` does
    stop = match[0].endswith(".") and (not abbreviated or ends_sentence(after(match)))
    return f" {match[group].upper()}M{'.' if stop else ''}"


def _clock(match: re.Match[str]) -> str:
    hour, minute, second = int(match[1]), match[2], match[3]
    if len(minute) != 2 or int(minute) > 59 or (not match[4] and _RATIO_CUE.search(before(match))):
        return f"{cardinal(hour)} to {cardinal(int(minute))}" + (f" to {cardinal(int(second))}" if second else "")
    if second:
        parts = [(hour, "hour"), (int(minute), "minute"), (int(second), "second")]
        said = [f"{cardinal(n)} {name}{'' if n == 1 else 's'}" for n, name in parts if n or name == "second"]
        return " ".join(said[:-1]) + (" and " if said[:-1] else "") + said[-1] + _half_of_day(match, 4)
    half = _half_of_day(match, 4)
    if int(minute):
        tail = f" oh {cardinal(int(minute))}" if int(minute) < 10 else f" {cardinal(int(minute))}"
    else:
        tail = "" if half else " o'clock" if 0 < hour <= 12 else " hundred"  # 18:00
    return cardinal(hour) + tail + half


def _hour(match: re.Match[str]) -> str:
    return cardinal(int(match[1])) + _half_of_day(match, 2)


def _numeric_date(match: re.Match[str]) -> str:
    first, _, second, last = match.groups()
    if len(first) == 4:
        numbers = int(first), int(second), int(last)
    elif len(first) > 2:
        return match[0]
    else:
        value = int(last) if len(last) == 4 else int(last) + (2000 if int(last) < 50 else 1900)
        numbers = value, int(first), int(second)
        if match[2] == "." or numbers[1] > 12:  # day first
            numbers = value, int(second), int(first)
    if not (1 <= numbers[1] <= 12 and 1 <= numbers[2] <= 31):
        return match[0]
    return f"{MONTHS[numbers[1] - 1]} {ordinal(numbers[2])}, {year(numbers[0])}"


def _month_first(match: re.Match[str]) -> str:
    month, day, until, in_year = match.groups()
    plain = match[0].split()[-1].isdecimal() and not in_year
    if month == "May" and plain and starts_sentence(match) and re.match(r"\s+[a-z]", after(match)):
        return match[0]  # May 5 people come in?
    said = f"{month} {ordinal(int(day))}" + (f" to {ordinal(int(until))}" if until else "")
    return f"{said}, {year(int(in_year))}" if in_year else said


def _month_and_day(match: re.Match[str]) -> str:
    return f"{match[1]} {MONTHS[int(match[2]) - 1]} {ordinal(int(match[3]))}"


def _day_first(match: re.Match[str]) -> str:
    first = f"{ordinal(int(match[2]))} to the " if match[2] else ""
    return f"{match[1] or 'the '}{first}{ordinal(int(match[3]))} of {match[4]}"


def _two_digits(text: str) -> str:
    return f"oh {cardinal(int(text))}" if text[0] == "0" else cardinal(int(text))


def _years(match: re.Match[str]) -> str:
    last = match[2]
    return f"{year(int(match[1]))} to {year(int(last)) if len(last) == 4 else _two_digits(last)}"


def _decade(match: re.Match[str]) -> str:
    gap = " " if match[0].startswith("-") else ""
    return gap + plural(year(int(match[1])))
