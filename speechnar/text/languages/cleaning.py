"""Clean text of any script before it is normalized, and leave words and pauses alone after that."""

from __future__ import annotations

import re
import unicodedata

from speechnar.text.characters import LONGEST_TOKEN, one_pause

_SPELT = {
    **dict.fromkeys('“”„‟«»‹›"¿¡*_~^`´', " "),
    **dict.fromkeys("’‘‚‛′ʼʻʾʿ", "'"),
    **dict.fromkeys("‐‑⁃", "-"),
    **dict.fromkeys("−‒", "–"),
    "―": "—", "…": "...", "、": ", ", "，": ", ", "。": ". ", "！": "! ", "？": "? ", "；": "; ", "：": ": ", "؟": "? ",
    "،": ", ", "؛": "; ", "।": ". ", "·": " ", "•": ", ", "→": ", ", "©": "", "®": "", "™": "", "№": "Nr. ",
    "㎞": "km", "℃": "°C",
}  # fmt: skip


class _Cleaned(dict[int, str]):
    """A table for `str.translate` that works out what to write for a character when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = written = self._written(chr(code))
        return written

    def _written(self, char: str) -> str:
        if char in _SPELT:
            return _SPELT[char]
        kind = unicodedata.category(char)
        if kind == "Nd":
            return str(unicodedata.digit(char))
        if kind == "Zs" or char in "\t\n\r\v\f\x85\u2028\u2029":
            return " "
        return "" if kind in ("Cc", "Cf", "Cs") else char


_CLEANED = _Cleaned()


def clean(text: str) -> str:
    """Return text in NFC with quotes dropped, digits and spaces of ASCII, and one sign for each apostrophe and dash."""
    text = re.sub(
        "(\\d?)([¼-¾⅐-⅞])",
        lambda m: f"{m[1]} {unicodedata.normalize('NFKD', m[2])}".replace("\u2044", "/").strip(),
        unicodedata.normalize("NFC", text),
    )
    return re.sub(rf"(\S{{{LONGEST_TOKEN}}})(?=\S)", r"\1 ", text.translate(_CLEANED))


class _Kept(dict[int, str]):
    """A table that keeps letters, marks, apostrophes, hyphens and pauses, and makes all else a space."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kept = unicodedata.category(char)[0] in "LM" or char in "'-.,;:?!" or char > "\U000effff"
        self[code] = written = char if kept else " "
        return written


_KEPT = _Kept()


def tidy(text: str) -> str:
    """Return words and pauses only: brackets and dashes become commas, and of a run of pauses the strongest is left."""
    text = re.sub(r"\(\s*\)|\[\s*\]|\s*[)\]}]+\s*(?=$|[.,;:?!])", " ", text)
    text = re.sub(r"\.(?:\s?\.)+", "...", text)
    text = re.sub(r"\.\.\.(?=\W{0,3}[a-zß-ÿ])", ",", text).replace("...", ".")
    text = re.sub(r"\s*[()\[\]{}—|]+\s*|\s+[-–]+(?=\s|$)|\s*-{2,}\s*|(?<=\w)–(?=\w)", ", ", text)
    text = text.translate(_KEPT)
    text = re.sub(r"(?<![\w\u0300-\uffff])['-]+|['-]+(?![\w\u0300-\uffff])", " ", text)
    text = re.sub(r"\s*([.,;:?!])(?:[\s.,;:?!]*[.,;:?!])?\s*", one_pause, text)
    return " ".join(re.sub(r"^[\s.,;:?!]+", "", text).split())
