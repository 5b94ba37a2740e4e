"""Read amounts of money, before and after their sign, with cents, magnitudes, ranges and countries."""

from __future__ import annotations

import re

from speechnar.text.numbers import cardinal, number
from speechnar.text.quantities import NUMBER, UNITS, qualifies

_SIGN = r"(?:(?<![\w)./%°-])-)?"
_MONEY_NAMES = {
    "$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "pence"), "¥": ("yen", "sen"),
    "₹": ("rupee", "paise"),
}  # fmt: skip
_COUNTRIES = {
    "US": "US ", "C": "Canadian ", "CA": "Canadian ", "A": "Australian ", "AU": "Australian ", "NZ": "New Zealand ",
    "HK": "Hong Kong ", "S": "Singapore ",
}  # fmt: skip
_CODES = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹"}
_MAGNITUDES = {
    "k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "t": "trillion",
    "tn": "trillion",
}  # fmt: skip
_MAGNITUDE = r"(?:[\s-]?(thousand|million|billion|trillion|[kKmMbBtT]n?(?![\w.]*\w)))?"
_MONEY = re.compile(
    rf"{_SIGN}(?:\b(US|CA?|AU?|NZ|HK|S))?([$€£¥₹])\s?(-?{NUMBER})(?:\s?[-–]\s?[$€£¥₹]?({NUMBER}))?{_MAGNITUDE}"
    r"(?:/([a-z]+)(?:\.(?=\s+[a-z\d&]))?)?"
)
_MONEY_AFTER = re.compile(rf"{_SIGN}({NUMBER}){_MAGNITUDE}\s?(?:([$€£])|(USD|EUR|GBP|JPY|INR)\b)")
_CURRENCIES = {
    "kr": ("krone", "kroner"), "Kr": ("krone", "kroner"), "NOK": ("Norwegian krone", "Norwegian kroner"),
    "DKK": ("Danish krone", "Danish kroner"), "SEK": ("Swedish krona", "Swedish kronor"),
    "ISK": ("Icelandic krona", "Icelandic kronur"), "CHF": ("Swiss franc", "Swiss francs"),
    "AUD": ("Australian dollar", "Australian dollars"), "CAD": ("Canadian dollar", "Canadian dollars"),
    "NZD": ("New Zealand dollar", "New Zealand dollars"), "CNY": ("yuan", "yuan"), "RMB": ("yuan", "yuan"),
    "KRW": ("won", "won"), "₩": ("won", "won"), "₽": ("ruble", "rubles"), "RUB": ("ruble", "rubles"),
    "₺": ("lira", "lira"), "₪": ("shekel", "shekels"), "zl": ("zloty", "zlotys"), "PLN": ("zloty", "zlotys"),
    "MXN": ("Mexican peso", "Mexican pesos"),
    "BTC": ("bitcoin", "bitcoins"), "ETH": ("ether", "ether"), "BRL": ("real", "reais"), "CZK": ("koruna", "korunas"),
    "HUF": ("forint", "forints"), "ZAR": ("rand", "rand"), "THB": ("baht", "baht"), "ILS": ("shekel", "shekels"),
    "TRY": ("lira", "lira"), "AED": ("dirham", "dirhams"), "SGD": ("Singapore dollar", "Singapore dollars"),
    "HKD": ("Hong Kong dollar", "Hong Kong dollars"), "₴": ("hryvnia", "hryvnias"), "₫": ("dong", "dong"),
    "₱": ("peso", "pesos"), "฿": ("baht", "baht"),
}  # fmt: skip
_CURRENCY = "|".join(_CURRENCIES)
_FOREIGN = re.compile(
    rf"(?<![\w.,])(?:({NUMBER}){_MAGNITUDE}\s?({_CURRENCY})(?:(?!\w)|(?<=[₩₽₺₪₴₫₱฿]))(\.(?=\s+[a-z]|,))?"
    rf"|({_CURRENCY})\.?\s?({NUMBER}){_MAGNITUDE})"
)


def read_money(text: str) -> str:
    """Read the amounts of money of a text."""
    text = re.sub(r"(?<=\d[kKmMbB])\s?[-–]\s?(?=[$€£¥₹])", " to ", text)
    text = re.sub(r"(?<=[€£])/([a-z]{2,}|[lLhg])\b", lambda m: f" per {UNITS.get(m[1], m[1])}", text)
    text = re.sub(r"\bRs\.?\s?(?=\d)", "₹", text)
    text = re.sub(r"\bR\$\s?(?=\d)", "BRL ", text)
    text = re.sub(r"\b(USD|EUR|GBP|JPY|INR)\s?(?=\d)", lambda m: _CODES[m[1]], text)
    text = _MONEY.sub(_money, text)
    text = _MONEY_AFTER.sub(lambda m: _price(m, m[3] or _CODES[m[4]], m[1], None, m[2], ""), text)
    return _FOREIGN.sub(_foreign, text)


def _money(match: re.Match[str]) -> str:
    country, sign, low, high, magnitude, per = match.groups()
    said = _price(match, sign, low, high, magnitude, _COUNTRIES.get(country, ""))
    minus = "minus " if match[0].startswith("-") else ""
    return f"{minus}{said}" + (f" per {UNITS.get(per, per)}" if per else "")


def _price(match: re.Match[str], sign: str, low: str, high: str | None, magnitude: str | None, country: str) -> str:
    if low[0] == "-":
        return f"minus {_price(match, sign, low[1:], high, magnitude, country)}"
    name, small = _MONEY_NAMES[sign]
    scale = f" {_MAGNITUDES.get(magnitude.lower(), magnitude)}" if magnitude else ""
    before_noun = qualifies(match) or re.search(r"\d-[a-z]", match[0]) is not None  # the $5-million house
    whole, point, cents = low.replace(",", "").partition(".")
    if len(cents) == 2 and not magnitude and not high:
        units = f"{number(whole or '0')} {country}{name if before_noun else _coins(name, whole)}"
        parts = f"{cardinal(int(cents))} {_coins(small, cents.lstrip('0'))}"
        if not int(cents):
            return units
        return parts if whole in ("", "0") else f"{units} and {parts}"
    said = number(low) + (f" to {number(high)}" if high else "") + scale
    alone = low == "1" and not high and not magnitude
    return f"{said} {country}{name if alone or before_noun else _coins(name, '')}"


def _coins(name: str, amount: str) -> str:
    if amount == "1" and name == "pence":
        return "penny"
    return name if amount == "1" or name in ("yen", "pence", "paise", "sen") else f"{name}s"


def _foreign(match: re.Match[str]) -> str:
    after, magnitude_after, unit_after, _, unit_before, before, magnitude_before = match.groups()
    amount, unit, magnitude = after or before, unit_after or unit_before, magnitude_after or magnitude_before
    one, many = _CURRENCIES[unit]
    scale = f" {_MAGNITUDES.get(magnitude.lower(), magnitude)}" if magnitude else ""
    return f"{number(amount)}{scale} {one if amount == '1' and not scale or qualifies(match) else many}"
