"""Map text to the characters that the steps of normalizing know, and what they return to words and pauses."""

from __future__ import annotations

import re
import unicodedata

from speechnar.text.match_context import after, before

_KEPT = "€£¥₹¢°²³×÷±–—≈≤≥µΩ≠≡∝≪≫√∞⋅‰₩₽₺₪₴₫₱฿"
_SPELT = {
    **dict.fromkeys("“”„‟«»‹›", " "),
    **dict.fromkeys("‘’‚‛′´`ʼʻʾʿ", "'"),
    **dict.fromkeys("‐‑⁃−﹣", "-"),
    "″": '"', "‒": "–", "―": "—", "…": "...", "、": ", ", "。": ". ", "·": " ", "•": ", ", "→": ", ", "©": "", "®": "",
    "™": "", "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "Oe", "ł": "l", "Ł": "L",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "№": "No. ", "℃": "°C", "℉": "°F",
    "ª": "a", "º": "°", "⩽": "≤", "⩾": "≥", "∙": "⋅", "∶": ":", "⁄": "/", "∕": "/",
    "§": " section ", "¶": " paragraph ", "♯": "#", "♭": " flat ", "⇒": ", ", "↔": ", ", "←": ", ",
}  # fmt: skip
_CYRILLIC = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґ",
        "a b v g d e yo zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya i yi ye g".replace("_", "").split(
            " "
        ),
    )
)
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρσςτυφχψω",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau "
        "upsilon phi chi psi omega".split(),
    )
)
_GREEK_SOUNDS = {"θ": "th", "φ": "ph", "χ": "ch", "ψ": "ps", "η": "i", "ω": "o", "υ": "y"}
_KEEPS_APOSTROPHE = "em|tis|twas|til"  # words of gruut's lexicon that begin with one

_SUPERSCRIPTS = "¹⁰⁴⁵⁶⁷⁸⁹⁺⁻"
LONGEST_TOKEN = 200
"""Characters of the longest word; what is longer is read in pieces of this length."""

PLACEHOLDERS = "\U000f0000-\U000ffffd"
"""Private characters, as a regex class: they stand for words that are not to be changed and pass through every step."""


class TextWarning(UserWarning):
    """Some of the text cannot be read as it is written; the message says what and where."""


class _Characters(dict[int, str]):
    """A table for `str.translate` that works out what to write for a character when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = written = self._written(chr(code))
        return written

    def _written(self, char: str) -> str:
        if _is_plain(char) or char in _KEPT:
            return char
        if char in _SPELT:
            return _SPELT[char]
        if char.lower() in _CYRILLIC:
            sound = _CYRILLIC[char.lower()]
            return sound if char.islower() else sound.capitalize()
        plain = "".join(c for c in unicodedata.normalize("NFKD", char) if _is_plain(c) and c.isprintable())
        if plain.strip():
            return plain
        kind = unicodedata.category(char)
        if kind == "Nd":
            return str(unicodedata.digit(char))
        return "" if kind[0] in "CM" and char not in "\t\n\r\v\f\x85" else " "


def _is_plain(char: str) -> bool:
    return " " <= char <= "~" or char > "\U000effff"


_TABLE = _Characters()


def left_out(text: str) -> list[tuple[str, int]]:
    """Return the words in scripts that have no English reading here, each with the number of its line, from 1."""
    if text.isascii():
        return []
    letters = [c for c in set(text) if c > "\u024f" and unicodedata.category(c) in ("Lo", "Ll", "Lu", "Lt")]
    lost = [c for c in letters if not clean(c).strip()]
    if not lost:
        return []
    found, line, start = [], 1, 0
    for match in re.finditer(f"[{re.escape(''.join(lost))}]+", text):
        line += text.count("\n", start, match.start())
        start = match.start()
        found.append((match[0], line))
    return found


def clean(text: str) -> str:
    """Return ASCII and a few signs (`€`, `°`): accents removed, other alphabets spelled or dropped, emoji dropped."""
    if not text.isascii():
        text = re.sub("(\\d?)([¼-¾⅐-⅞])", _vulgar, text)
        text = re.sub("[\u0370-\u03ff\u1f00-\u1fff]+", _greek, text)
        text = text.replace("§§", " sections ")
        text = re.sub(r"(?i)\b(I|we|you|they)\s*[❤♥]\ufe0f?\s*(?=\w)", r"\1 love ", text)
        text = re.sub(f"[²³{_SUPERSCRIPTS}]+", _superscript, text)
    text = re.sub(rf"(\S{{{LONGEST_TOKEN}}})(?=\S)", r"\1 ", text.translate(_TABLE))
    text = re.sub(r"(?<![\w:;])[:;=]['-]?[)(DPp](?=\s|$|[.,!?])", " ", text)  # emoticons
    text = re.sub(r"(?<=[\w.!?])\s{0,9}(?:<3{1,9}\s{0,9}){1,9}(?=[.!?]?\s{0,9}$|!\s)", " ", text)
    text = re.sub(r"(?<=[a-z])\(s\)", "s", text)
    text = re.sub(r"(?<!\w)(['\"`])a\1(?!\w)", "A", text)  # the letter
    text = re.sub(r"(?<![\w\"])\"(?=\S)([^\"]*)\"", r" \1 ", text)  # what is left may be inches
    return text


def _vulgar(match: re.Match[str]) -> str:
    top, bottom = unicodedata.normalize("NFKD", match[2]).split("\u2044")
    return f"{match[1]} {top}/{bottom}" if match[1] else f"{top}/{bottom}"


def _superscript(match: re.Match[str]) -> str:
    """Read a power (`10⁻⁵` is `10^-5`), and drop the number of a footnote."""
    written = "".join(unicodedata.normalize("NFKD", c) for c in match[0]).replace("\u2212", "-")
    if match[0] in ("²", "³"):
        return match[0]
    power = re.search(r"(?:\d|(?:^|[^A-Za-z])[A-Za-zα-ω]|[)])$", before(match)) and written not in "-+"
    return f"^{written}" if power else " "


def _greek(match: re.Match[str]) -> str:
    letters = unicodedata.normalize("NFD", match[0])
    left, right = before(match)[-1:], after(match)[:1]
    if len(match[0]) > 1:
        sounds = (_GREEK_SOUNDS.get(c.lower()) or _GREEK.get(c.lower(), "")[:1] for c in letters)
        return "".join(sounds).capitalize() if letters[0].isupper() else "".join(sounds)
    if match[0] in "μΩ" and (left.isdecimal() or left == "k" or left == " " and right.isalpha()):
        return {"μ": "µ"}.get(match[0], match[0])  # a unit
    return f" {_GREEK.get(letters[0].lower(), '')} "


def tidy(text: str) -> str:
    """Return words and pauses only: brackets and dashes become commas, and of a run of pauses the strongest is left."""
    text = " ".join(re.sub(rf"(?<!\w)'(?!(?i:{_KEEPS_APOSTROPHE})\b)|'(?!\w)", " ", text).split())
    text = re.sub(r"\(\s*\)|\[\s*\]|\s*[)\]}]+\s*(?=$|[.,;:?!])", " ", text)
    text = re.sub(r"\.(?:\s?\.)+", "...", text)
    text = re.sub(r"\.\.\.(?=\W{0,3}[a-z])", ",", text)
    text = re.sub(r"\.\.\.|\s*(?:[—–]|-{2,}|\s-)[\s\"]*$", ".", text)
    text = re.sub(r"\s*[()\[\]{}—|]+\s*|\s+[-–]+(?=\s|$)|(?<!\S)[-–]+\s+|\s*-{2,}\s*|(?<=\w)–(?=\w)", ", ", text)
    text = re.sub(rf"[^A-Za-z'\-.,;:?!{PLACEHOLDERS}]+", " ", text)
    text = re.sub(r"(?<![A-Za-z])-+|-+(?![A-Za-z])", " ", text)
    text = re.sub(r"\s*([.,;:?!])(?:[\s.,;:?!]*[.,;:?!])?\s*", one_pause, text)
    return " ".join(re.sub(r"^[\s.,;:?!]+", "", text).split())


def one_pause(match: re.Match[str]) -> str:
    signs = match[0].replace(" ", "")
    best = next(sign for sign in "?!.;:," if sign in signs)
    return f"{best} "
