"""Write out abbreviations with full stops: titles, saints and streets, Latin phrases, numbered things."""

from __future__ import annotations

import re

from speechnar.text.dates import MONTHS
from speechnar.text.match_context import after, before, ends_sentence

TITLES = {
    "Dr": "Doctor", "Mr": "Mister", "Mrs": "Missus", "Ms": "Ms", "Messrs": "Messrs", "Prof": "Professor",
    "Rev": "Reverend", "Hon": "Honorable", "Gen": "General", "Col": "Colonel", "Capt": "Captain", "Lt": "Lieutenant",
    "Sgt": "Sergeant", "Cpl": "Corporal", "Maj": "Major", "Adm": "Admiral", "Cmdr": "Commander", "Sen": "Senator",
    "Rep": "Representative", "Gov": "Governor", "Pres": "President", "Supt": "Superintendent", "Mt": "Mount",
    "Ft": "Fort", "Drs": "Doctors", "Pvt": "Private", "Pfc": "Private First Class", "Insp": "Inspector",
    "Det": "Detective", "Fr": "Father", "Amb": "Ambassador", "Atty": "Attorney", "Msgr": "Monsignor",
    "Mme": "Madame", "Mlle": "Mademoiselle", "Brig": "Brigadier", "Cdr": "Commander", "Ens": "Ensign",
    "Cllr": "Councilor", "Sec": "Secretary",
}  # fmt: skip
"""Titles that stand before a name, so that their full stop never ends a sentence."""

_WORDS = {
    "jr": "junior", "sr": "senior", "esq": "esquire", "co": "company", "corp": "corporation", "ltd": "limited",
    "inc": "inc", "bros": "brothers", "dept": "department", "govt": "government", "univ": "university",
    "assn": "association", "ave": "avenue", "blvd": "boulevard", "rd": "road", "ln": "lane", "hwy": "highway",
    "pkwy": "parkway", "sq": "square", "apt": "apartment", "ste": "suite", "etc": "et cetera", "vs": "versus",
    "approx": "approximately", "ca": "circa", "min": "minimum", "max": "maximum", "avg": "average",
    "misc": "miscellaneous", "incl": "including", "tel": "telephone", "ext": "extension", "eds": "editors",
    "cf": "compare", "viz": "namely", "ibid": "ibid", "al": "al", "mon": "Monday", "tue": "Tuesday",
    "tues": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "thur": "Thursday", "thurs": "Thursday",
    "fri": "Friday", "sat": "Saturday", "sun": "Sunday", "sept": "September",
    **{month[:3].lower(): month for month in MONTHS if month != "May"},
}  # fmt: skip
_ONLY_CAPITAL = frozenset(
    """mon tue tues wed thu thur thurs fri sat sun jan feb mar apr jun jul aug sep sept oct nov dec ste""".split()
)
_BEFORE_NO_NAME = frozenset("etc ave blvd rd ln pkwy".split())  # a capital after them begins a sentence
_BEFORE_NUMBER = {
    "no": "number", "nos": "numbers", "vol": "volume", "vols": "volumes", "p": "page", "pp": "pages", "fig": "figure",
    "figs": "figures", "ch": "chapter", "sec": "section", "art": "article", "eq": "equation", "est": "established",
    "c": "circa", "pt": "part", "ver": "version", "op": "opus",
}  # fmt: skip
_PHRASES = {
    "e.g.": "for example",
    "i.e.": "that is",
    "et al.": "and others",
    "w/o": "without",
    "w/": "with ",
    "a.k.a.": "AKA",
    "b/c": "because",
}

_PHRASE = re.compile(r"(?<![\w.])([Ee]\.\s?g\.|[Ii]\.\s?e\.|et al\.|w/o\b|w/(?=\s?[a-z])|a\.k\.a\.|b/c(?= [a-z]))(,?)")
_TITLE = re.compile(
    rf"\b({'|'.join(t for t in TITLES if t != 'Sec')})\.(?=\s*[A-Z&]| and )|\b(Sec)\.(?= of [A-Z]| [A-Z][a-z])"
)
_NUMBERED = re.compile(rf"(?<![\w.'])({'|'.join(_BEFORE_NUMBER)})\.\s?(?=#?\d|\s(?-i:[IVXL]+)\b)", re.I)
_WORD = re.compile(rf"(?<![\w.'])({'|'.join(sorted(_WORDS, key=len, reverse=True))})(?<!\d min)(?<!th min)\.", re.I)
_DOTTED = re.compile(r"(?<![\w.])((?:[A-Z]\.){2,}|(?:[A-Z][a-z]?\.)+[A-Z]\.)('?s\b)?(?!\w)|\bPh\.\s?D\.")
_SAINT = re.compile(r"\bSt\.(?=(\s+[A-Z])?)")
_STREET = re.compile(r"(?<=[A-Z\dh])([a-z]*)\s+Dr\.(?!\s+[A-Z])")
_NO_STREET = frozenset(
    "in at of to from near the a and or by with for on visit saw see like is was via through".split()
)


def expand_abbreviations(text: str) -> str:
    """Write out what is abbreviated; a full stop that also ends the sentence stays."""
    if "." in text or "/" in text:
        text = _PHRASE.sub(_phrase, text)
        text = _STREET.sub(lambda m: f"{m[1]} Drive" + _stop(m), text)
        text = _TITLE.sub(lambda m: TITLES[m[1] or m[2]], text)
        text = _SAINT.sub(_saint, text)
        text = re.sub(r"\bv\.(?=\s+[A-Z])", "versus", text)
        text = re.sub(r"(?<=\d)((?:st|nd|rd|th)) ed\.", r"\1 edition", text)
        text = _NUMBERED.sub(_numbered, text)
        text = re.sub(r"\b([Ee])st\.(?=\s+[a-z])", r"\1stimated", text)
        text = re.sub(r"(?<![\w.])([ap])\.\s?m\.", lambda m: f"{m[1].upper()}M" + _stop(m), text)
        text = _DOTTED.sub(_dotted, text)
        text = _WORD.sub(_word, text)
    return text


def _stop(match: re.Match[str]) -> str:
    return "." if ends_sentence(after(match)) else ""


def _like(pattern: str, word: str) -> str:
    return word[0].upper() + word[1:] if pattern[0].isupper() else word


def _phrase(match: re.Match[str]) -> str:
    found = match[1].lower().replace(". ", ".")
    said = _like(match[1], _PHRASES[found])
    return said + (match[2] or (_stop(match) if found == "et al." else ""))


def _word(match: re.Match[str]) -> str:
    word = match[1]
    if word.lower() in _ONLY_CAPITAL and not word[0].isupper() or word in ("Max", "Al", "al", "Min", "Art"):
        return match[0]
    rest = after(match)
    if word.lower() in ("sun", "sat", "mar", "wed", "dec") and not re.match(r",|\s*\d|\s+[a-z]", rest):
        return match[0]
    ended = word.lower() in _BEFORE_NO_NAME and re.match(r"\s+[A-Z]", rest)
    return _like(word, _WORDS[word.lower()]) + ("." if ended else _stop(match))


def _numbered(match: re.Match[str]) -> str:
    word = _BEFORE_NUMBER[match[1].lower()]
    if not re.match("#?\\d", after(match)) and word not in ("volume", "part", "chapter", "section", "article"):
        return match[0]  # No. I did not.
    return (word if word.startswith("number") else _like(match[1], word)) + " "


def _dotted(match: re.Match[str]) -> str:
    letters = "".join(c for c in match[0] if c.isalpha()) if match[1] is None else match[1].replace(".", "")
    if match[2]:
        return letters.upper() + match[2]
    return letters.upper() + _stop(match)


def _saint(match: re.Match[str]) -> str:
    name = re.search(r"\b([A-Z\d]\w*)\s+$", before(match))  # of the street
    street = not match[1] or name and name[1].lower() not in _NO_STREET
    return f"Street{_stop(match)}" if street else "Saint"
