"""Bring numbers to one written form before they are read, and read digit by digit what is a code and no amount.

Thousands are grouped by points, apostrophes or underscores elsewhere; ISO 8601 joins a date to a time; `k`, `M` and `B`
shorten an amount; and the digits of a postal code or an account are read one by one. What comes out is again text with
digits (`2.5 thousand`, `March 15, 2024 at 14:30`), which the later steps read as they read all other text.
"""

from __future__ import annotations

import re

from speechnar.text.dates import COUNTED, MONTHS
from speechnar.text.match_context import after, before
from speechnar.text.numbers import digits, number
from speechnar.text.quantities import UNIT

_DIGIT = re.compile(r"\d")
_GROUPED = (
    re.compile(r"(?<![\w'.,])\d{1,3}(?:'\d{3})+(?![\d'])"),  # 1'234'444.24
    re.compile(r"(?<![\w.,])\d{1,3}(?:_\d{3})+(?!\w)"),  # 1_000_000
    re.compile(r"(?<![\w.,])\d{1,2}(?:,\d\d)+,\d{3}(?![\d,])"),  # 12,34,567, as written in India
)
_POINTS = re.compile(
    r"(?<![\w.,])(?!(?:(?!0\d)\d{1,3}\.){3}(?!0\d)\d{1,3}(?!\.?\d))"  # no address such as 192.168.100.200
    r"(\d{1,3}(?:\.\d{3}){2,})(?:,(\d+))?(?![.,]?\w)|(?<![\w.,])(\d{1,3}(?:\.\d{3})+),(\d{1,2})(?![.,]?\w)"
)
_POINTS_BEFORE_MONEY = re.compile(  # 1.500 kr, but no price of fuel such as 1.599 €/l
    r"(?<![\w.,])(?!0)(\d{1,3}(?:\.\d{3})+)(?=\s?(?:(?:kr|Kr|NOK|SEK|DKK|ISK|zl|PLN|EUR)\b|€)(?!\s?(?:/|per\b|an?\b)))"
)
_SPACED = re.compile(
    r"(?<![\w.,+-])(?<!\d )\d{1,3}(?:(?: \d{3})+(?![\w-]| \d|[.,]\d)|(?: \d{3}){2,}(?=\.\d))"
)  # 12 345 678
_DECIMAL_COMMA = re.compile(
    rf"(?<![\w.,-])(\d+),(?:(\d{{1,2}})(?=\s?(?:[%°€£$¢]|(?:{UNIT})(?!\w)))|(?<=\b0,)(\d+)\b|(\d\d)\b)(?![,.]\d)"
)
_LISTED = re.compile(rf"(?:\b(?!costs|weighs|equals|measures)[a-z]{{3,}}s|\b(?:{'|'.join(MONTHS)}))\s$", re.I)
_UNIT_AFTER = re.compile(rf"\s?(?:[%°€£$]|(?:{UNIT})(?!\w))")
_PORT = re.compile(r"(?<![\w.])((?:\d{1,3}\.){3}\d{1,3}):(\d{2,5})(?!\w|[.:]\d)")
_SUBNET = re.compile(r"(?<![\w.])((?:\d{1,3}\.){3}\d{1,3})/(\d{1,2})(?!\w|[./]\d)")
_DATE_TIME = re.compile(
    r"(?<![\w-])(\d{4})-(\d\d)-(\d\d)(?:T| )(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?"
    r"(?:\s?(Z|UTC|GMT)|\s?([+-])(\d\d):?(\d\d))?(?![\w:])"
)
_COMPACT_DATE_TIME = re.compile(r"(?<![\w-])(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)?(?=Z?(?!\w))")
_SCALES = {"k": "thousand", "K": "thousand", "M": "million", "B": "billion"}
_DECIMAL_SCALE = re.compile(
    r"(?<![\w.,$€£¥₹])(\d+\.\d+)([kKMB])(?![\w/-])(?!\s(?:display|monitor|screen|video|run|race)\b)"
)
_RAN = re.compile(r"\b(?:ran|runs?|raced|jogged|walked)(?: an?)? $")
_WHOLE_SCALE = re.compile(r"(?<![\w.,$€£¥₹])(\d+)([kKMB])(?!\w)")
_SMALL_SCALE = re.compile(
    r"(?<![\w.,$€£¥₹])(\d+(?:\.\d+)?)(mn?|bn)(?=\s(?:people|users|customers|views|subscribers|followers|copies|downloads|jobs"
    r"|homes|households|children|tons|tonnes|barrels|dollars|euros|pounds)\b)"
)
_NOT_COUNTED = re.compile(r"\s(?:runs|races|videos|screens|displays|monitors|movies|cameras|models|is|was|has)\b")

_CODE_WORDS = (
    r"zip(?:\s?codes?)?|postal codes?|post\s?codes?|(?:bank |checking |savings )?accounts?|acct\.?|passcode"
    r"|pin(?: codes?)?|otp|ssn|ext(?:ension|\.)?|card(?=(?: number)? ending)|(?:\w+ )?codes?|routing|imei"
)
_NUMBERED_WORDS = (
    "serial|order|invoice|case|ticket|booking|claim|employee|customer|confirmation|tracking|reference|policy|member"
    "|membership|part|batch|license|licence|passport|routing|account|security|social security|id|phone"
)
_CODE = re.compile(
    rf"\b((?:{_CODE_WORDS})(?:\s(?:number|no\.?|num))?|(?:{_NUMBERED_WORDS})\s(?:number|no\.?|num|id))"
    r"((?:\s(?:is|was|ending in))?:?\s?#?\s?)(\d{3,}(?:-\d{2,}| \d{3,})*)"
    r"((?:,? (?:and |or )?\d{3,}(?![\w%]|[.,:/]\d)){0,9})"
    r"(?![\w%]|[.,:/]\d|\s(?:times|lines|days|years|people)\b)",
    re.I,
)
_DIAL = re.compile(
    r"\b(tel|phone|fax|mobile|mob|cell|telephone|hotline|whatsapp)\b((?: number| no\.?)?(?: is| at)?)[.:]?\s*"
    r"((?:\+\d{1,3}[ .-]?)?\(?\d{2,5}\)?(?:[ .-]\(?\d{2,8}\)?){1,5})(?![\w-]|[.,]\d)",
    re.I,
)
_CALLED = re.compile(
    r"\b(call|dial|ring|text)( us at| at| us on| on|)\s+((?:\d{2,4}[ .-]){2,5}\d{2,5})(?![\w-]|[.,]\d)", re.I
)
_NO = re.compile(r"(?<= )(?:no|num)\.?$", re.I)
_DIALED = {"tel": "telephone", "mob": "mobile"}


def unify_numbers(text: str) -> str:
    """Rewrite grouped numbers, ISO dates with times and scaled amounts; read codes and telephone numbers as digits."""
    if not _DIGIT.search(text):
        return text
    for grouped in _GROUPED:
        text = grouped.sub(lambda m: re.sub("['_,]", "", m[0]), text)
    text = _SPACED.sub(_spaced, text)
    text = _DECIMAL_COMMA.sub(_decimal_comma, text)
    text = _PORT.sub(lambda m: f"{m[1]} colon {digits(m[2])}", text)
    text = _SUBNET.sub(r"\1 slash \2", text)
    text = _POINTS.sub(_points, text)
    text = _POINTS_BEFORE_MONEY.sub(lambda m: m[1].replace(".", ""), text)
    text = _DATE_TIME.sub(_date_time, _COMPACT_DATE_TIME.sub(r"\1-\2-\3T\4:\5", text))
    text = _DIAL.sub(_dial, text)
    text = _CALLED.sub(lambda m: f"{m[1]}{m[2]} " + ", ".join(map(digits, re.findall(r"\d+", m[3]))), text)
    text = _CODE.sub(_code, text)
    text = _DECIMAL_SCALE.sub(lambda m: m[0] if _RAN.search(before(m)) else f"{m[1]} {_SCALES[m[2]]}", text)
    text = _SMALL_SCALE.sub(lambda m: f"{m[1]} {'billion' if m[2] == 'bn' else 'million'}", text)
    text = _WHOLE_SCALE.sub(_whole_scale, text)
    return re.sub(r"(?<![\w.,])(\d\d)er(s?)\b", lambda m: _member(number(m[1])) + m[2], text)  # 49ers


def _spaced(match: re.Match[str]) -> str:
    """Join groups of digits that are an amount: counted, round, with a unit or decimals; others may be a telephone."""
    rest = after(match)
    counted = COUNTED.match(rest) or _UNIT_AFTER.match(rest) or re.match(r"\.\d", rest)
    amount = counted or match[0].endswith(" 000") and match[0].count(" ") > 1
    return match[0].replace(" ", "") if amount else match[0]


def _decimal_comma(match: re.Match[str]) -> str:
    """Write a decimal comma as a point: before a unit, after a zero, or with two decimals and not in a list."""
    whole, before_unit, after_zero, plain = match.groups()
    if plain and (_LISTED.search(before(match)) or re.match(r",? (?:and|or) \d", after(match))):
        return match[0]  # pages 12,13
    return f"{whole}.{before_unit or after_zero or plain}"


def _points(match: re.Match[str]) -> str:
    whole, decimals = match[1] or match[3], match[2] or match[4]
    return whole.replace(".", "") + (f".{decimals}" if decimals else "")


def _date_time(match: re.Match[str]) -> str:
    year, month, day, hour, minute, second, zone, sign, hours, minutes = match.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31 and int(hour) < 25 and int(minute) < 60):
        return match[0]
    seconds = f" and {int(second)} second{'' if int(second) == 1 else 's'}" if second and int(second) else ""
    offset = f" UTC {'plus' if sign == '+' else 'minus'} {int(hours)}" if sign else ""
    if sign and int(minutes):
        offset += f" {minutes}"
    name = " UTC" if zone in ("Z", "UTC") or offset == " UTC plus 0" else f" {zone}" if zone else offset
    return f"{MONTHS[int(month) - 1]} {int(day)}, {year} at {int(hour)}:{minute}{seconds}{name}"


def _dial(match: re.Match[str]) -> str:
    groups = ", ".join(digits(group) for group in re.findall(r"\d+", match[3]))
    plus = "plus " if match[3][0] == "+" else ""
    return f"{_DIALED.get(match[1].lower(), match[1])}{match[2]} {plus}{groups}"


def _code(match: re.Match[str]) -> str:
    """Read a code by its digits, and so the codes of as many digits that are listed after it."""
    word, between, code, more = match.groups()
    more = re.sub(rf"\b\d{{{len(code)}}}\b", lambda m: digits(m[0]), more)
    return _NO.sub("number", word) + (between.replace("#", "") or " ") + _in_groups(code) + more


def _in_groups(code: str) -> str:
    return ", ".join(digits(group) for group in re.split("[ -]", code))


def _whole_scale(match: re.Match[str]) -> str:
    """Read `10k steps` as an amount; `4K` and `10k` alone, and `3M`, are names."""
    rest = after(match)
    counted = COUNTED.match(rest) is not None and not _NOT_COUNTED.match(rest)
    if counted and not (match[2] == "K" and match[1] in ("2", "4", "8")):
        return f"{match[1]} {_SCALES[match[2]]}"
    return "3 M" if match[0] == "3M" else match[0]


def _member(words: str) -> str:
    return words + ("r" if words.endswith("e") else "er")
