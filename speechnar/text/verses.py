"""Read references to verses of scripture: `Genesis 1:1-3` is chapter one, verses one to three, and no time of day."""

from __future__ import annotations

import re

from speechnar.text.roman_numerals import value

_BOOKS = (
    """Genesis Exodus Leviticus Numbers Deuteronomy Joshua Judges Ruth Samuel Kings Chronicles Ezra Nehemiah Esther Job
    Psalms? Proverbs Ecclesiastes Isaiah Jeremiah Lamentations Ezekiel Daniel Hosea Joel Amos Obadiah Jonah Micah Nahum
    Habakkuk Zephaniah Haggai Zechariah Malachi Matthew Mark Luke John Acts Romans Corinthians Galatians Ephesians
    Philippians Colossians Thessalonians Timothy Titus Philemon Hebrews James Peter Jude Revelations? Maccabees Sirach
    Wisdom Tobit Judith Baruch Surah Sura Qur'?an Koran"""
).split()
_SHORT = {
    "Gen": "Genesis", "Exod": "Exodus", "Ex": "Exodus", "Lev": "Leviticus", "Num": "Numbers", "Deut": "Deuteronomy",
    "Josh": "Joshua", "Judg": "Judges", "Sam": "Samuel", "Kgs": "Kings", "Chron": "Chronicles", "Chr": "Chronicles",
    "Neh": "Nehemiah", "Esth": "Esther", "Ps": "Psalm", "Pss": "Psalms", "Prov": "Proverbs", "Eccl": "Ecclesiastes",
    "Isa": "Isaiah", "Jer": "Jeremiah", "Lam": "Lamentations", "Ezek": "Ezekiel", "Dan": "Daniel", "Hos": "Hosea",
    "Mic": "Micah", "Hab": "Habakkuk", "Zeph": "Zephaniah", "Hag": "Haggai", "Zech": "Zechariah", "Mal": "Malachi",
    "Matt": "Matthew", "Mt": "Matthew", "Mk": "Mark", "Lk": "Luke", "Jn": "John", "Rom": "Romans",
    "Cor": "Corinthians", "Gal": "Galatians", "Eph": "Ephesians", "Phil": "Philippians", "Col": "Colossians",
    "Thess": "Thessalonians", "Tim": "Timothy", "Heb": "Hebrews", "Jas": "James", "Pet": "Peter", "Rev": "Revelation",
}  # fmt: skip
_ORDINALS = {1: "First", 2: "Second", 3: "Third", 4: "Fourth"}
_BOOK = rf"(?:([1-4]|I{{1,3}}|IV)\s+)?(?:({'|'.join(_BOOKS)}|Song of (?:Songs|Solomon))|({'|'.join(_SHORT)})\.?)"
_VERSES = re.compile(
    rf"(?<![\w.]){_BOOK}\s+(\d{{1,3}}):(\d{{1,3}})(?![\d:])(?:\s?[-–—]\s?(\d{{1,3}})(?::(\d{{1,3}}))?)?(?!\s?[ap]\.?m|\w)"
    r"((?:;\s\d{1,3}:\d{1,3}(?:[-–]\d{1,3})?(?![\w:])){0,20})"
)
_NUMBERED_BOOK = re.compile(
    r"(?<![\w.])([1-4]|I{1,3}) (Samuel|Kings|Chronicles|Corinthians|Thessalonians|Timothy|Peter|John|Maccabees)"
    r"(?= \d|$|[,.;])"
)
_ABBREVIATED = re.compile(r"(?<![\w.])v(v?)\.\s?(?=\d+(?![\d.]*\w))")


def read_verses(text: str) -> str:
    """Write out references to chapter and verse; the numbers stay in digits."""
    if ":" in text:
        text = _VERSES.sub(_verses, text)
    text = _NUMBERED_BOOK.sub(lambda m: f"{_which(m[1])}{m[2]}", text)
    return _ABBREVIATED.sub(lambda m: "verses " if m[1] else "verse ", text)


def _verses(match: re.Match[str]) -> str:
    which, book, short, chapter, verse, last, last_verse, more = match.groups()
    if short in ("Sam", "Tim") and not which:
        return match[0]  # Tim 5:30
    said = f"{_which(which)}{book or _SHORT[short]} {chapter}, "
    more = re.sub(r"(\d+):(\d+)[-–](\d+)", r"\1, verses \2 to \3", more).replace(":", ", ")
    if last_verse:
        return f"{said}{verse} to {last}, {last_verse}{more}"
    return said + (f"verses {verse} to {last}" if last else verse) + more


def _which(numeral: str | None) -> str:
    if not numeral:
        return ""
    return f"{_ORDINALS[int(numeral) if numeral.isdecimal() else value(numeral)]} "
