"""Write out titles, streets, days and months that are shortened without a full stop: `Dr Who`, `5th Ave`, `Mon-Fri`.

A short form counts only where its neighbors show it: a title before a name, a street after one, a day that is a word of
its own (`Sun`, `Sat`, `Mar`) only in a range, in a list or before a time.
"""

from __future__ import annotations

import re

from speechnar.text.abbreviations import TITLES
from speechnar.text.dates import MONTHS
from speechnar.text.match_context import after, before

_TITLES = "Dr Mr Mrs Messrs Prof Rev Capt Lt Sgt Cpl Pvt Cmdr Gov Supt Insp Mt Ft Drs Msgr Mme Mlle".split()
"""Those titles that no name or word is (`Col`, `Gen`, `Sen`, `Rep` and `Hon` are some)."""
_ROADS = {
    "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Ln": "Lane", "Pkwy": "Parkway", "Hwy": "Highway",
    "Ct": "Court", "Pl": "Place", "Sq": "Square", "Cres": "Crescent", "Dr": "Drive", "St": "Street",
}  # fmt: skip
_SIDES = "NW|NE|SW|SE|N|S|E|W"
_ROAD = re.compile(
    rf"(?<=[a-z\d]) ({'|'.join(_ROADS)})(?=\s*(?:$|[,;:)?!]|\.(?:\s*$|\s+[A-Z])|[a-z&-]|(?:{_SIDES})\b|\d))\b"
)
_TITLE = re.compile(rf"\b({'|'.join(_TITLES)})(?=\s+(?:[A-Z][\w'-]*|& ))")
_SAINT = re.compile(r"\bSt(?=\s+[A-Z][a-z]+)")
_DAYS = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Weds": "Wednesday", "Thu": "Thursday",
    "Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_PERIODS = _DAYS | {month[:3]: month for month in MONTHS} | {"Sept": "September"}
_PERIOD = rf"(?:{'|'.join(sorted({*_PERIODS, *_PERIODS.values()}, key=len, reverse=True))})\b"
_RANGE = re.compile(rf"\b({_PERIOD})\.?(?:\s?[-–—]\s?| to | through )({_PERIOD})(\.(?=\s+[a-z\d]|,))?")
_LIST = re.compile(
    rf"\b(?:{_PERIOD}\.?(?:\s?[/&+]\s?|, (?:and |or )?| and | or )){{1,11}}{_PERIOD}(?:\.(?=\s+[a-z\d]|,))?"
)
_DAY = re.compile(
    r"\b(Tues?|Weds|Thur?s?|Fri)\b(?!\.\w)(?:\.(?=\s+[a-z\d]|,))?"
    r"|\b(Mon|Wed|Sat|Sun)(?=,? (?:\d|at \d|from \d|(?:morning|afternoon|evening|night)\b))"
)
_DAY_AFTER = re.compile(
    r"\b((?:on|not|by|until|till|every|next|last|this) )(Mon|Wed|Sat|Sun)\b(?!\.\w| [A-Z])(?:\.(?=\s+[a-z\d]|,))?"
)
_OTHERS = {"Jr": "Junior", "vs": "versus", "approx": "approximately", "dept": "department", "govt": "government"}
_OTHER = re.compile(r"(?<=[a-z] )Jr\b(?!\.)|(?<=[a-z], )Jr\b(?!\.)|\b(?:vs|approx|dept|govt)\b(?!\.)")
_ANY = re.compile(rf"\b(?:{'|'.join([*_PERIODS, *_ROADS, *_TITLES, 'St', *_OTHERS])})\b")


def expand_short_forms(text: str) -> str:
    """Write out the short forms that have no full stop, and ranges and lists of days and months with or without."""
    if not _ANY.search(text):
        return text
    text = _RANGE.sub(lambda m: f"{_period(m[1])} to {_period(m[2])}", text)
    text = _LIST.sub(_list, text)
    text = _DAY.sub(lambda m: _DAYS[m[1] or m[2]], text)
    text = _DAY_AFTER.sub(lambda m: m[1] + _DAYS[m[2]], text)
    text = _ROAD.sub(_road, text)
    text = _TITLE.sub(_title, text)
    text = _SAINT.sub(_saint, text)
    return _OTHER.sub(lambda m: _OTHERS[m[0]], text)


def _period(word: str) -> str:
    return _PERIODS.get(word, word)


def _list(match: re.Match[str]) -> str:
    words = re.sub(rf"({_PERIOD})\.?", lambda m: _period(m[1]), match[0])
    return re.sub(r"\s?[/&+]\s?", " and ", words)


def _road(match: re.Match[str]) -> str:
    """Write out a street's kind after a name: a word with a capital, or an ordinal such as `5th`."""
    name = re.search(r"(?:\b[A-Z][\w'-]*|\d(?:st|nd|rd|th))$", before(match))
    if name is None or match[1] in ("Dr", "St") and re.match(r"\.|\s*[A-Z][a-z]", after(match)):
        return match[0]
    return f" {_ROADS[match[1]]}"


def _title(match: re.Match[str]) -> str:
    if match[1] == "Dr" and re.match(rf"\s+(?:{_SIDES})\b", after(match)):
        return match[0]
    return TITLES[match[1]]


def _saint(match: re.Match[str]) -> str:
    """Read `St` as a street where it follows the street's name, else as a saint."""
    name = re.search(r"(?:\b([A-Z]\w*)|\d(?:st|nd|rd|th))\s+$", before(match))
    follows = name is not None and (name[1] or "the").lower() not in _NOT_A_STREET
    return "Street" if name is not None and name[1] is None or follows else "Saint"


_NOT_A_STREET = frozenset("in at of to from near the a and or by with for on visit saw see like is was via".split())
