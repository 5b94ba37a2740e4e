"""Normalize text of any language: the steps that all share, from tables that a language fills in.

Numbers come from Unicode's rules (`numbers`), the names of currencies, units and months from Unicode's tables (package
babel), so that every language of theirs reads at least those. `german`, `spanish` and `french` add what a grammar asks
for: cases and genders, times of day, ordinals, abbreviations and initialisms.

As in English, a word that the result has in capitals is spelled (`ADAC`), and the result has letters, apostrophes and
hyphens within words, and the pauses `,` `.` `;` `:` `?` `!` alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any

from speechnar.text.characters import PLACEHOLDERS
from speechnar.text.languages.cleaning import clean, tidy
from speechnar.text.languages.numbers import Numbers
from speechnar.text.markup import strip_emphasis, strip_inline
from speechnar.text.match_context import after
from speechnar.text.normalize import protect

NUMBER = r"[1-9]\d{0,2}(?:[.' \u00a0\u2009\u202f]\d{3})+(?! ?\d)(?:,\d+)?|\d+(?:,\d+)?"
"""A number with a decimal comma, and full stops, apostrophes or spaces between thousands."""
_POINT_NUMBER = r"[1-9]\d{0,2}(?:[,' \u00a0\u2009\u202f]\d{3})+(?! ?\d)(?:\.\d+)?|\d+(?:\.\d+)?"

_CURRENCIES = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₺": "TRY", "zł": "PLN"}
_UNITS = {
    "km/h": "speed-kilometer-per-hour", "km": "length-kilometer", "cm": "length-centimeter", "mm": "length-millimeter",
    "m": "length-meter", "km²": "area-square-kilometer", "m²": "area-square-meter", "m³": "volume-cubic-meter",
    "ha": "area-hectare", "kg": "mass-kilogram", "mg": "mass-milligram", "g": "mass-gram", "t": "mass-tonne",
    "l": "volume-liter", "L": "volume-liter", "ml": "volume-milliliter", "°C": "temperature-celsius",
    "h": "duration-hour", "min": "duration-minute", "s": "duration-second", "ms": "duration-millisecond",
    "GB": "digital-gigabyte", "MB": "digital-megabyte", "kB": "digital-kilobyte", "TB": "digital-terabyte",
    "kW": "power-kilowatt", "MW": "power-megawatt", "W": "power-watt", "kWh": "energy-kilowatt-hour",
    "Hz": "frequency-hertz", "kHz": "frequency-kilohertz", "MHz": "frequency-megahertz", "V": "electric-volt",
    "°": "angle-degree",
}  # fmt: skip
Step = Callable[[str], str]


class Normalizer:
    """Write out text as the words that a reader of the language says.

    Args:
        language: two or three letters, such as `de`.
    """

    abbreviations: Mapping[str, str] = {}
    """Written to spoken, longest first; a full stop at the end may be that of the sentence too."""
    before_numbers: frozenset[str] = frozenset()
    """Abbreviations that are words unless a number follows, such as `Art.` of a law."""
    signs: Mapping[str, str] = {}
    """Spoken words of `%`, `&`, `+` and other signs; a sign without one is dropped."""
    words_in_capitals: frozenset[str] = frozenset()
    """Words that are written in capitals and read as words, such as NATO."""
    spelled_words: frozenset[str] = frozenset()
    """Initialisms that look like words, such as ADAC."""
    web: tuple[str, str, str] = ("", "", "")
    """The words for a full stop, an at sign and a slash in an address."""
    between: tuple[str, str] = ("", "")
    """The words between the numbers of a range, `10–12`, and of a product, `3 x 4`; empty for none."""
    decimal_point = False
    """True for a language that writes decimals after a full stop, as Thai does, and not after a comma."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.numbers = Numbers(language)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Return the steps in their order, each from text to text; those after the first see cleaned text."""
        return (
            self.read_web, self.expand_abbreviations, self.read_roman_numerals, self.read_dates, self.read_times,
            self.read_money, self.read_units, self.read_ordinals, self.read_ranges, self.read_numbers, self.read_signs,
        )  # fmt: skip

    def __call__(self, text: str, keep: Collection[str] = ()) -> str:
        """Return the words and pauses of a text; `keep` are lower-case words that stay as they are."""
        kept: dict[str, str] = {}
        text = strip_inline(text)
        if not text.isascii():
            text = re.sub(f"[{PLACEHOLDERS}]", "", text)
        if keep:
            text = protect(text, keep, kept)
        text = self.lower_shouting(clean(strip_emphasis(text)))
        for step in self.steps:
            text = step(text)
        words = {placeholder: word for word, placeholder in kept.items()}
        return re.sub(f"[{PLACEHOLDERS}]", lambda m: words[m[0]], tidy(self.read_capitals(text)))

    def read_web(self, text: str) -> str:
        """Read addresses: `www.example.org/a` and `info@example.org`."""
        dot, at, slash = (f" {word} " if word else " " for word in self.web)

        def replace(match: re.Match[str]) -> str:
            address = re.sub(r"^https?://", "", match[0])
            end = address[len(address.rstrip(".,;:!?")) :]
            address = address.rstrip(".,;:!?").rstrip("/")
            address = address.replace(".", dot).replace("@", at).replace("/", slash)
            return " ".join(re.sub(r"[-_=?&#:~+%]", " ", address).split()) + end

        pattern = r"https?://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\b[\w-]+\.(?:com|org|net|de|es|fr|eu|io)\b[/\w]*"
        return re.sub(pattern, replace, text)

    @cached_property
    def _abbreviation(self) -> re.Pattern[str] | None:
        written = sorted(self.abbreviations, key=len, reverse=True)
        pattern = "|".join(re.escape(word).replace(r"\ ", r"\s?") for word in written)
        return re.compile(rf"(?<![\w.])(?:{pattern})(?![^\W\d])") if written else None

    def expand_abbreviations(self, text: str) -> str:
        """Write abbreviations out; one at the end of a sentence leaves a full stop there."""
        if self._abbreviation is None:
            return text
        spoken = {re.sub(r"\s", "", written): word for written, word in self.abbreviations.items()}

        def replace(match: re.Match[str]) -> str:
            if match[0] in self.before_numbers and not re.match(r"\s?(?:\d|[IVXLC]+\b)", after(match)):
                return match[0]
            word = spoken[re.sub(r"\s", "", match[0])]
            return word + ("." if match[0][-1] == "." and not match.string[match.end() :].strip(" '\")") else "")

        return self._abbreviation.sub(replace, text)

    def read_roman_numerals(self, text: str) -> str:
        return text

    def read_dates(self, text: str) -> str:
        """Read `24.12.2023`, `24/12/2023` and `2023-12-24` as day, month and year."""
        text = re.sub(
            r"(?<![\d.,/-])(\d{4})-(\d{1,2})-(\d{1,2})(?![\d-])", lambda m: self._date(m, m[3], m[2], m[1]), text
        )
        return re.sub(
            r"(?<![\d.,/-])(\d{1,2})([./-])\s?(\d{1,2})\2\s?(\d{4})(?![\d])",
            lambda m: self._date(m, m[1], m[3], m[4]),
            text,
        )

    def _date(self, match: re.Match[str], day: str, month: str, year: str) -> str:
        if not (1 <= int(day) <= 31 and 1 <= int(month) <= 12):
            return match[0]
        return self.date(match, int(day), self.months[int(month)], year)

    def date(self, match: re.Match[str], day: int, month: str, year: str) -> str:
        """Return the words of a date that has been found; `year` may be empty."""
        return " ".join(filter(None, (self.cardinal(str(day)), month, self.numbers.year(year) if year else "")))

    @cached_property
    def months(self) -> dict[int, str]:
        """Return the names of the months by number, from 1, as they stand in a date."""
        locale = self.locale
        if locale is None:
            return {n: str(n) for n in range(1, 13)}
        return {n: str(name) for n, name in locale.months["format"]["wide"].items()}

    @cached_property
    def locale(self) -> Any:
        """Return babel's tables of the language; None where it has none."""
        from babel import Locale, UnknownLocaleError

        try:
            return Locale.parse(self.language)
        except (UnknownLocaleError, ValueError):
            return None

    def read_times(self, text: str) -> str:
        """Read `7:45` as hour and minutes."""
        return re.sub(
            r"(?<![\d:.,])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])",
            lambda m: self.time(m, int(m[1]), int(m[2])),
            text,
        )

    def time(self, match: re.Match[str], hour: int, minute: int) -> str:
        """Return the words of a time of day that has been found."""
        return f"{self.cardinal(str(hour))} {self.cardinal(str(minute)) if minute else ''}".strip()

    def read_money(self, text: str) -> str:
        """Read amounts with the sign or the code of a currency before or after them."""
        signs = "|".join(map(re.escape, _CURRENCIES))
        code = rf"(?:{signs}|EUR|USD|GBP|CHF|JPY)"
        text = re.sub(rf"({code})\s?({self.number})(?![\d])", lambda m: self._money(m[2], m[1]), text)
        return re.sub(rf"(?<![\d.,])({self.number})\s?({code})(?!\w)", lambda m: self._money(m[1], m[2]), text)

    def _money(self, amount: str, sign: str) -> str:
        value, code = self.plain(amount), _CURRENCIES.get(sign, sign)
        whole, _, cents = value.partition(".")
        return self.money(int(whole), int(cents) if len(cents) == 2 else 0, value, code)

    def money(self, whole: int, cents: int, value: str, code: str) -> str:
        """Return the words of an amount: `value` is `whole` and `cents`, or has other decimals."""
        return f"{self.cardinal(value)} {self.currency(code, value)}"

    def currency(self, code: str, value: str) -> str:
        """Return the name of a currency, as it stands after a number."""
        if self.locale is None:
            return code
        from decimal import Decimal

        from babel.numbers import get_currency_name

        return get_currency_name(code, Decimal(value), self.locale)

    def read_units(self, text: str) -> str:
        """Read a number before the sign of a unit."""
        units = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
        return re.sub(
            rf"(?<![\w.,])([-–]?)({self.number})\s?({units})(?![\w²³/'])",
            lambda m: self.quantity(("-" if m[1] else "") + self.plain(m[2]), m[3]),
            text,
        )

    def quantity(self, value: str, unit: str) -> str:
        """Return the words of a number and its unit."""
        return f"{self.cardinal(value)} {self.unit(unit, value)}"

    def unit(self, sign: str, value: str) -> str:
        """Return the name of a unit, as it stands after a number."""
        if self.locale is None:
            return sign
        from decimal import Decimal

        from babel.units import format_unit

        shown = format_unit(Decimal(value), _UNITS[sign], "long", locale=self.locale)
        return re.sub(r"[-−]?\d[\d.,\s]*", "", shown).strip()

    def read_ordinals(self, text: str) -> str:
        return text

    def read_ranges(self, text: str) -> str:
        """Read ranges, fractions, results and products, `10–12`, `1/2`, `3-1`, `2 x 4`; part letters from digits."""
        to, times = self.between
        if to:
            text = re.sub(r"(?<![\d/.,])(\d{1,2})/(\d{1,2})(?![\d/])", self.fraction, text)
            text = re.sub(r"(?<=\d)\s?–\s?(?=\d)", f" {to} ", text)
            text = re.sub(r"(?<![\d-])(\d{1,2})-(?=\d{1,2}(?![\d-]))", rf"\1 {to} ", text)
            text = re.sub(r"(?<=\d)\s?[x×]\s?(?=\d)", f" {times} ", text)
        text = re.sub(r"(?<=\d)\s?[–]\s?(?=\d)", ", ", text)
        if self.web[0]:
            text = re.sub(r"(?<![\d.,])\d+(?:\.\d+)+(?![\d,])", self._numbered, text)
        return re.sub(r"(?<=[^\W\d_])-?(?=\d)|(?<=\d)-?(?=[^\W\d_])", " ", text)

    def fraction(self, match: re.Match[str]) -> str:
        """Return the words of a fraction of two whole numbers."""
        return match[0]

    def _numbered(self, match: re.Match[str]) -> str:
        """Read the full stops of a version or a section, but not those between thousands."""
        return match[0] if re.fullmatch(self.number, match[0]) else match[0].replace(".", f" {self.web[0]} ")

    def read_numbers(self, text: str) -> str:
        """Read what numbers are left, a long one or one with a leading zero digit by digit."""
        text = re.sub(rf"(?<![\w.,])[-–](?={self.number})", lambda m: "-", text)

        def replace(match: re.Match[str]) -> str:
            written = match[0]
            if re.match(r"-?0\d", written):
                return f" {self.numbers.digits(written)} "
            return f" {self.loose_number(match, self.plain(written))} "

        return re.sub(rf"(?<![\w])-?(?:{self.number})|\d+", replace, text)

    def loose_number(self, match: re.Match[str], value: str) -> str:
        """Return the words of a number that is nothing else."""
        return self.cardinal(value)

    def read_signs(self, text: str) -> str:
        for sign, word in self.signs.items():
            if sign in text:
                text = text.replace(sign, f" {word} ")
        return text

    def lower_shouting(self, text: str) -> str:
        """Return a text that is all in capitals in small letters: nothing in it is an initialism."""
        words = re.findall(r"[^\W\d_]{2,}", text)
        shouted = sum(len(word) > 3 for word in words)
        return text.lower() if len(words) > 1 and shouted * 2 > len(words) and text == text.upper() else text

    def read_capitals(self, text: str) -> str:
        """Leave words in capitals that are spelled, and write those that are read as words in small letters."""

        def replace(match: re.Match[str]) -> str:
            word = match[0]
            if word != word.upper() or word == word.lower() or self.is_spelled(word):
                return word
            return word.capitalize()

        return re.sub(r"(?<![^\W_])[^\W\d_a-z]{2,}(?![^\W_])", replace, text)

    def is_spelled(self, word: str) -> bool:
        """Tell whether a word in capitals is read letter by letter."""
        if word in self.words_in_capitals:
            return False
        if word in self.spelled_words or len(word) <= 3:
            return True
        plain = unicodedata.normalize("NFD", word)
        return len(word) <= 5 and not re.fullmatch(r"(?:[^AEIOUY]?[AEIOUY]){2,}[^AEIOUY]?", plain)

    @property
    def number(self) -> str:
        """Return the pattern of a number, without groups."""
        return _POINT_NUMBER if self.decimal_point else NUMBER

    def plain(self, written: str) -> str:
        """Return a written number with nothing between thousands and a full stop before decimals."""
        written = written.replace("–", "-")
        if self.decimal_point:
            return re.sub(r"[,'\s]", "", written)
        return re.sub(r"[.'\s]", "", written).replace(",", ".")

    def cardinal(self, value: str) -> str:
        return self.numbers.cardinal(value)
