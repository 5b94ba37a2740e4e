"""Write numbers in American English words: pure functions from digits to words, without context."""

from __future__ import annotations

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "_ ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ["", *"thousand million billion trillion quadrillion quintillion sextillion septillion octillion".split()]
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
LONGEST_CARDINAL = 15
"""Digits of the longest number that is read as a number; a longer one is read digit by digit, whatever its length."""


def cardinal(number: int) -> str:
    """Write a number from zero up to the octillions in words: `121` -> `one hundred twenty-one`."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    if number < 1000:
        return f"{_ONES[number // 100]} hundred" + (f" {cardinal(number % 100)}" if number % 100 else "")
    groups = []
    for scale in _SCALES:
        number, group = divmod(number, 1000)
        if group:
            groups.append(f"{cardinal(group)} {scale}".strip())
    return " ".join(reversed(groups))


def as_ordinal(words: str) -> str:
    """Turn the words of a number into its ordinal: `twenty-one` -> `twenty-first`."""
    stem = words.replace("-", " ").split()[-1]
    ending = _ORDINALS.get(stem) or (f"{stem[:-1]}ieth" if stem.endswith("y") else f"{stem}th")
    return words[: len(words) - len(stem)] + ending


def ordinal(number: int) -> str:
    """Write an ordinal in words: `21` -> `twenty-first`."""
    return as_ordinal(cardinal(number))


def digits(text: str) -> str:
    """Return each digit by its name: `007` -> `zero zero seven`; other characters are dropped."""
    return " ".join(_ONES[int(d)] for d in text if d.isdecimal())


def number(text: str) -> str:
    """Read a number as it is written, with or without thousands separators, decimals and a minus: `-1,234.50`."""
    if text[:1] in ("-", "+"):
        return ("plus " if text[0] == "+" else "minus ") + number(text[1:])
    whole, point, decimals = text.replace(",", "").partition(".")
    if len(whole) > LONGEST_CARDINAL or (len(whole) > 1 and whole[0] == "0"):
        words = digits(whole)
    else:
        words = cardinal(int(whole)) if whole else ""
    return f"{words} point {digits(decimals)}".strip() if point else words


def year(value: int) -> str:
    """Write a year in words: `1984`: `nineteen eighty-four`, `1905`: `nineteen oh five`; `2007`: a number."""
    century, rest = divmod(value, 100)
    if value < 1000 or value > 9999 or century % 10 == 0 and rest < 10:
        return cardinal(value)
    return f"{cardinal(century)} {_after_hundreds(rest) or 'hundred'}"


def pairs(text: str) -> str:
    """Read the digits of a name: `66`: `sixty-six`, `747`: `seven forty-seven`; five and more one by one."""
    if text[0] == "0" or len(text) > 4:
        return digits(text)
    value = int(text)
    if len(text) < 3 or value % 100 == 0:
        return cardinal(value)
    return f"{cardinal(value // 100)} {_after_hundreds(value % 100)}"


def _after_hundreds(rest: int) -> str:
    return "" if not rest else f"oh {_ONES[rest]}" if rest < 10 else cardinal(rest)


def plural(word: str) -> str:
    """Return the plural: `inch` -> `inches`, `sixty` -> `sixties`, `ninety-nine` -> `ninety-nines`."""
    if word.endswith(("ch", "sh", "s", "x")):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2] not in "aeo" else f"{word}s"
