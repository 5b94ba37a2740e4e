"""Phones as singing programs write them (ARPAbet, or IPA) to the phones of our voices."""

from __future__ import annotations

import re
from collections.abc import Iterable

from speechnar.text.symbols import NEAR, STRESSES, SymbolTable, stress_of

ARPABET = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "axr": "ɚ", "ay": "aɪ", "b": "b", "ch": "t͡ʃ",
    "d": "d", "dh": "ð", "dr": "d͡ʒ", "dx": "d", "eh": "ɛ", "er": "ɚ", "ey": "eɪ", "f": "f", "g": "ɡ", "hh": "h",
    "ih": "ɪ", "ix": "ɪ", "iy": "i", "jh": "d͡ʒ", "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ", "ow": "oʊ",
    "oy": "ɔɪ", "p": "p", "q": "t", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ", "tr": "t͡ʃ", "uh": "ʊ",
    "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
}  # fmt: skip
"""CMUdict's set and the letters that OpenUtau's English phonemizers add (`ax`, `dx`, `q`, `tr`, `dr`)."""

_STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}
_TABLE = SymbolTable()


def to_phones(symbols: Iterable[str]) -> tuple[str, ...] | None:
    """Return the phones of symbols in ARPAbet (`hh ah0 l ow1`) or IPA, or None where one of them is neither.

    A language mark (`en/hh`) is dropped. Letters that are both ARPAbet and IPA (`b`, `s`) mean the same; an `r`, `y` or
    `g` is read as ARPAbet.
    """
    phones = []
    for symbol in symbols:
        name = symbol.rpartition("/")[2]
        match = re.fullmatch(r"([A-Za-z]+)([012]?)", name)
        if match and match[1].lower() in ARPABET:
            base = ARPABET[match[1].lower()]
            stressed = _STRESS[match[2]] + base if match[2] else base
            phone = "ə" if (match[1].lower(), match[2]) == ("ah", "0") else stressed
        else:
            phone = name
        stress, base = stress_of(phone)
        if phone not in _TABLE.ids and not (base in _TABLE.ids or base in NEAR):
            return None
        base = base if stress + base in _TABLE.ids or base not in NEAR else NEAR[base]
        phones.append(next((s + base for s in (stress, *STRESSES) if s + base in _TABLE.ids), base))
    return tuple(phones) or None
