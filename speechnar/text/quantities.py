"""Read measures, percentages, degrees, fractions and sizes, in the singular or plural that their context asks for."""

from __future__ import annotations

import re

from speechnar.text.match_context import after, before, ends_sentence
from speechnar.text.numbers import cardinal, number, ordinal, pairs, plural

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_FRACTION = r"(?:\d{1,3}\s+)?\d{1,3}/\d{1,3}"
_AMOUNT = rf"(?<![\w./,:$€£¥₹#])(?:-(?=[.\d]))?(?:{_FRACTION}|{NUMBER}(?:\s?(?:[-–x×]|to)\s?-?{NUMBER}){{0,2}})"

_PREFIXES = {
    "k": "kilo", "K": "kilo", "M": "mega", "G": "giga", "T": "tera", "P": "peta", "h": "hecto", "d": "deci",
    "c": "centi", "m": "milli", "µ": "micro", "n": "nano",
}  # fmt: skip
_PREFIXED = {  # symbol: name, prefixes that are met
    "m": ("meter", "kcmµn"), "g": ("gram", "kmµn"), "l": ("liter", "mcdµ"), "L": ("liter", "mcdµ"),
    "s": ("second", "mµn"), "Hz": ("hertz", "kMGT"), "W": ("watt", "kMGm"), "Wh": ("watt hour", "kMG"),
    "V": ("volt", "kmM"), "A": ("amp", "mµ"), "Ah": ("amp hour", "m"), "B": ("byte", "kKMGTP"),
    "Pa": ("pascal", "hkM"), "J": ("joule", "kM"), "Ω": ("ohm", "kM"), "cal": ("calorie", "k"),
    "bps": ("bit per second", "kKMG"), "mol": ("mole", "m"), "B/s": ("byte per second", "kKMG"),
    "bit/s": ("bit per second", "kMG"),
}  # fmt: skip
_SQUARED = (("m", "meter"), ("km", "kilometer"), ("ft", "foot"), ("in", "inch"), ("mi", "mile"))
UNITS = {
    **{s: name for s, (name, _) in _PREFIXED.items() if s not in ("A", "B", "cal", "bps", "B/s", "bit/s")},
    **{p + s: _PREFIXES[p] + name for s, (name, prefixes) in _PREFIXED.items() for p in prefixes},
    "mi": "mile", "ft": "foot", "yd": "yard", "yds": "yard", "in": "inch", "lb": "pound", "lbs": "pound",
    "oz": "ounce", "fl oz": "fluid ounce", "gal": "gallon", "qt": "quart", "pt": "point", "tsp": "teaspoon",
    "tbsp": "tablespoon", "km/h": "kilometer per hour", "kmh": "kilometer per hour", "kph": "kilometer per hour",
    "mph": "mile per hour", "m/s": "meter per second", "km/s": "kilometer per second", "ft/s": "foot per second",
    "m/s²": "meter per second squared", "mpg": "mile per gallon", "rpm": "revolutions per minute",
    "fps": "frames per second", "dpi": "dots per inch", "ppi": "pixels per inch", "bpm": "beats per minute",
    "wpm": "words per minute", "ppm": "parts per million", "ppb": "parts per billion",
    "psi": "pounds per square inch", "dB": "decibel", "px": "pixel", "MP": "megapixel", "ha": "hectare",
    "cc": "cubic centimeter", "min": "minute", "mins": "minute", "h": "hour", "hr": "hour", "hrs": "hour",
    "sec": "second", "secs": "second", "yr": "year", "yrs": "year", "mo": "month", "mos": "month", "wk": "week",
    "wks": "week",
    **{f"{s}{power}": f"{word} {name}" for s, name in
       (*_SQUARED, ("cm", "centimeter"), ("mm", "millimeter")) for power, word in (("²", "square"), ("³", "cubic"))},
    "kgs": "kilogram", "gms": "gram", "kms": "kilometer", "cms": "centimeter", "mls": "milliliter", "mgs": "milligram",
    "KBs": "kilobyte", "MBs": "megabyte", "GBs": "gigabyte", "TBs": "terabyte", "hp": "horsepower",
    "Nm": "newton meter", "kN": "kilonewton",
    "eV": "electron volt", "keV": "kiloelectron volt", "MeV": "megaelectron volt", "GeV": "gigaelectron volt",
    "mbar": "millibar", "mmHg": "millimeters of mercury", "IU": "international unit", "mEq": "milliequivalent",
    "d": "day",
    **{f"sq{dot} {s}": f"square {name}" for s, name in _SQUARED for dot in ("", ".")},
}  # fmt: skip
_PER = {
    "L": "liter", "l": "liter", "dL": "deciliter", "dl": "deciliter", "mL": "milliliter", "ml": "milliliter",
    "kg": "kilogram", "g": "gram", "m": "meter", "km": "kilometer", "s": "second", "sec": "second", "min": "minute",
    "h": "hour", "hr": "hour", "d": "day", "day": "day", "wk": "week", "week": "week", "mo": "month", "yr": "year",
    "year": "year", "m²": "square meter", "m³": "cubic meter", "cm²": "square centimeter", "cm³": "cubic centimeter",
    "ha": "hectare", "lb": "pound", "oz": "ounce", "gal": "gallon", "mi": "mile", "mol": "mole",
    **{word: word for word in "serving dose month night person capita page user hour minute second mile inch".split()},
}  # fmt: skip
_DOTTED = frozenset(
    "mi ft yd yds in lb lbs oz gal qt pt tsp tbsp min mins hr hrs sec secs yr yrs mo mos wk wks".split()
)
UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_PERS = "|".join(re.escape(unit) for unit in sorted(_PER, key=len, reverse=True))
_WHOLE_UNITS = (
    "cup mile inch foot yard acre hour minute second day week month year pound ounce pint quart gallon liter teaspoon "
    "tablespoon kilometer meter centimeter millimeter gram kilogram dozen"
)
_MEASURE = re.compile(
    rf"({_AMOUNT})(\s?|-)({UNIT}|(?<=[\s-])(?:{_WHOLE_UNITS.replace(' ', '|')})s?)"
    rf"((?:/(?:{_PERS})){{0,2}})(?![\w/²³])(\.)?(?!\.?\w)"
)
_SAME_UNIT = re.compile(r"(?<=\d)(\s?)([A-Za-zµ/]{1,5}|%|°[CF]?)\s?[-–]\s?(?=\d[\d.,]*\s?\2(?!\w))")
_PER_AMOUNT = re.compile(rf"(?<=\d)(\s?(?:{UNIT}))/(?=\d{{1,4}}\s?(?:{UNIT})(?!\w))")  # 7 l/100 km
_RATE = re.compile(
    r"(?<![\w/])(mg|µg|ng|kg|g|mmol|km|mL|ml|kWh|MB|GB|kcal)/(dL|dl|mL|ml|L|kg|m²|m³|h|min|s|day|d)(?![\w/])"
)
_PER_UNIT = re.compile(rf"\bper ({'|'.join(unit for unit in _PER if len(unit) > 1)})(?!\w)")
_DURATION = re.compile(
    r"(?<![\w.])(?:(\d{1,4})d\s?)?(\d{1,4})\s?h\s?(\d{1,4})(?:\s?m(?:in)?)?(?:\s?(\d{1,4})\s?s)?(?!\w)"
    r"|(?<![\w.])(\d{1,4})m\s?(\d{1,4})s(?!\w)|(?<![\w.])(\d{1,4})d\s?(\d{1,4})\s?h(?!\w)"
)
_SIZE_IN_FEET = re.compile(r"(?<![\w.])(\d+)'\s?[x×]\s?(\d+)'(?!\w)(\s[a-z])?")
_FEET = re.compile(
    r"(?<![\w.'])(\d+(?:\.\d+)?)'(?=\s+(?:(tall|long|wide|deep|high|thick|across|above|below|away|down|apart|by|of|from)"
    r"|ladder|fence|wall|board|boat|pole|cable|ceiling|drop|gap|table|rope|tree|section|length)\b|\s*(?:$|[.,;)]))"
)
_NOT_A_NOUN = frozenset(
    """of and or to from in at on per for by with is was are were has had have away ago later a an the each wide long i
    we you he she it they that which who will would can could must may might do does did left before after until since
    between above below under over north south east west more less deep high tall apart as than but so not
    into""".split()
)
_DIRECTIONS = {"N": "north", "S": "south", "E": "east", "W": "west"}
_DEGREES = {"C": " Celsius", "F": " Fahrenheit"}


def read_quantities(text: str) -> str:
    """Read the measures, percentages, degrees, fractions and sizes of a text."""
    text = _SAME_UNIT.sub(r"\1\2 to ", text)
    text = _PER_AMOUNT.sub(r"\1 per ", text)
    text = re.sub(r"(?<=[x×%])/([a-z]{2,})\b", lambda m: f" per {UNITS.get(m[1], m[1])}", text)
    text = re.sub(rf"({NUMBER})\s?¢", lambda m: f"{_say(m[1])} cent{'' if m[1] == '1' else 's'}", text)
    text = re.sub(r"(\d+)\s?°\s?(\d+)'\s?(?:(\d+)\"\s?)?([NSEW])\b", _position, text)
    text = _DURATION.sub(_duration, text)
    text = re.sub(rf"({_FRACTION})\"(\s[a-z])?", lambda m: f"{m[1]}-inch{m[2]}" if m[2] else f"{m[1]} inch", text)
    text = re.sub(r"\b(\d)'\s?(\d{1,2})(?:\"|'')?(?![\w'])", lambda m: f"{_say(m[1])} foot {_say(m[2])}", text)
    text = _SIZE_IN_FEET.sub(lambda m: f"{m[1]} by {m[2]}-foot{m[3]}" if m[3] else f"{m[1]} by {m[2]} feet", text)
    text = _FEET.sub(_feet, text)
    text = re.sub(r"\b(\d+)\s?(?:ft|feet)\.?\s(\d+)\s?in\b(\.(?!\s*(?:$|[A-Z])))?", _feet_and_inches, text)
    text = re.sub(rf"({_AMOUNT})\s?°(?:\s?([CF])\b|\s?([NSEW])\b)?", _degrees, text)
    text = re.sub(
        rf"({NUMBER})\"(?!\w)", lambda m: f"{_say(m[1])} {_inflected(m, 'inch', m[1], re.compile(' [a-z]'))}", text
    )
    text = _MEASURE.sub(_measure, text)
    text = re.sub(rf"({_AMOUNT})\s?%", lambda m: f"{_say(m[1])} percent", text)
    text = re.sub(
        r"(?<![\w/.])(24/7(?:/365)?|50/50|20/20|9/11)(?![\w/]|\.\d)",
        lambda m: " ".join(map(pairs, m[0].split("/"))),
        text,
    )
    text = re.sub(
        r"(?<![\w/.-])(-?)(?:(\d{1,3})\s+)?(\d{1,3})/(\d{1,3})(?![\w/]|\.\d)(-(?=[a-z]))?", _bare_fraction, text
    )
    text = re.sub(r"(?<![\w.])(\d{3,4})[x×](\d{3,4})(?!\w)", lambda m: f"{pairs(m[1])} by {pairs(m[2])}", text)
    text = re.sub(rf"(?<![\w.])({NUMBER})\s?x\s?(?={NUMBER})", lambda m: f"{_say(m[1])} by ", text)
    return re.sub(rf"(?<![\w.])({NUMBER}(?:\s?[-–]\s?{NUMBER})?)[x×](?!\w)", lambda m: f"{_say(m[1])} times", text)


def read_rates(text: str) -> str:
    """Read units that stand without a number: `in mg/dL`, `per kg`."""
    text = _PER_UNIT.sub(lambda m: f"per {_PER[m[1]]}", text)
    return _RATE.sub(lambda m: f"{plural(UNITS[m[1]])} per {_PER[m[2]]}", text)


def _say(amount: str) -> str:
    """Read a number, a range, a size or a fraction."""
    top, slash, bottom = amount.partition("/")
    if slash and top[0] == "-":
        return f"minus {_say(amount[1:])}"
    if slash:
        whole, _, part = top.rpartition(" ")
        return _fraction(whole.strip(), part, bottom)
    parts = re.split(rf"(?<=\d)\s?(to|[-–x×])\s?(?=-?{NUMBER})", amount)
    names = {"x": "by", "×": "by"}
    return " ".join(number(p) if n % 2 == 0 else names.get(p, "to") for n, p in enumerate(parts))


def _fraction(whole: str, top: str, bottom: str) -> str:
    value, share = int(top), int(bottom)
    if value >= share or not value:
        return f"{whole} {pairs(top)} over {pairs(bottom)}".strip()
    name = {2: "half", 4: "quarter"}.get(share) or ordinal(share)
    if whole:
        return f"{cardinal(int(whole))} and " + (f"a {name}" if value == 1 else f"{cardinal(value)} {plural(name)}")
    return f"one {name}" if value == 1 else f"{cardinal(value)} {plural(name)}"


def _bare_fraction(match: re.Match[str]) -> str:
    minus, whole, top, bottom, hyphen = match.groups()
    if minus:
        return f"minus {_fraction(whole or '', top, bottom)}{hyphen or ''}"
    if hyphen and not whole:
        return _hyphenated(f"{top}/{bottom}") + "-"
    if bottom in ("10", "100") and not whole and not re.match(r"\s+of\b", after(match)):
        return f"{cardinal(int(top))} out of {cardinal(int(bottom))}"
    return _fraction(whole or "", top, bottom)


def qualifies(match: re.Match[str]) -> bool:
    """Tell whether the amount stands before a noun, as in `a 10 km run`, and so takes the singular."""
    noun = re.match(r"\s+([a-z]+)|-[a-z]", after(match))
    article = re.search(
        r"\b(?:an?|the|this|that|another|every|each|my|our|your|his|her|their)\s+$", before(match), re.I
    )
    return bool(noun and (noun[0][0] == "-" or article and noun[1] not in _NOT_A_NOUN))


_INVARIANT = tuple("hertz revolutions frames dots pixels beats words parts pounds mercury power".split())


def _inflected(match: re.Match[str], name: str, amount: str, singular: re.Pattern[str] | None = None) -> str:
    if amount in ("1", "-1") or qualifies(match) or (singular and singular.match(after(match))):
        return name
    first, *rest = name.split(" per ")
    if first.endswith(_INVARIANT):
        return name
    many = first[:-4] + "feet" if first.endswith("foot") else plural(first)
    return " per ".join([many, *rest])


def _measure(match: re.Match[str]) -> str:
    amount, gap, unit, per, stop = match.groups()
    inches = stop and not ends_sentence(after(match)) or "x" in amount or "." in amount
    if unit == "in" and gap and not (inches and not re.match(r"\s(?:the|a|an|\d)", after(match))):
        return match[0]  # 5 in the morning
    if unit == "s" and not gap and "x" in amount:
        return match[0]  # 4x4s
    name = UNITS.get(unit) or unit.removesuffix("s").removesuffix("inche") or "inch"
    name += "".join(f" per {_PER[unit]}" for unit in per.split("/")[1:])
    full = "." if stop and (unit not in _DOTTED or re.match(r"\W*(?:$|[A-Z])", after(match))) else ""
    if gap == "-":
        return f"{_hyphenated(amount)}-{name}{full}"
    if "/" in amount and " " not in amount.strip():
        article = "an" if name[0] in "aeio" or name == "hour" else "a"
        said = f"half {article}" if amount == "1/2" else f"{_say(amount)} of {article}"
        if "over" not in said:
            return f"{said} {name}{full}"
    return f"{_say(amount)} {_inflected(match, name, amount)}{full}"


def _hyphenated(amount: str) -> str:
    said = _say(amount)
    if "/" not in amount or " " in amount:
        return said
    if said.startswith("one "):
        return said.removeprefix("one ")
    return "-".join(said.split()).replace("-quarters", "-quarter")  # three-quarter-ton, two-thirds-cup


def _duration(match: re.Match[str]) -> str:
    """Write `2h30m` as `2 h 30 min`, from the left: days, hours, minutes, seconds."""
    days, hours, minutes, seconds, only_minutes, only_seconds, only_days, only_hours = match.groups()
    if only_days:
        return f"{only_days} days {only_hours} h"
    if only_minutes:
        return f"{only_minutes} min {only_seconds} s"
    return (f"{days} days " if days else "") + f"{hours} h {int(minutes)} min" + (f" {seconds} s" if seconds else "")


def _feet(match: re.Match[str]) -> str:
    noun = after(match)[:1] == " " and not match[2]
    return f"{number(match[1])} {'foot' if noun or match[1] == '1' else 'feet'}"


def _feet_and_inches(match: re.Match[str]) -> str:
    feet, inches = match[1], match[2]
    return f"{_say(feet)} {'foot' if feet == '1' else 'feet'} {_say(inches)} {'inch' if inches == '1' else 'inches'}"


def _degrees(match: re.Match[str]) -> str:
    scale = _DEGREES.get(match[2], "") if match[2] else f" {_DIRECTIONS[match[3]]}" if match[3] else ""
    gap = " " if after(match)[:1].isalnum() else ""
    return f"{_say(match[1])} {_inflected(match, 'degree', match[1])}{scale}{gap}"


def _position(match: re.Match[str]) -> str:
    degrees, minutes, seconds, direction = match.groups()
    return " ".join(
        [
            f"{_say(degrees)} degrees {_say(minutes)} minutes",
            *([f"{_say(seconds)} seconds"] if seconds else []),
            _DIRECTIONS[direction],
        ]
    )
