"""Read notations with letters and digits of their own: chess moves, chemical formulas, network addresses, `A–Z`.

They are read before all numbers and signs, of which their parts would be taken for others: `Nf3` for a model number,
`O-O` for initials, `1A:2B` for a time.
"""

from __future__ import annotations

import re

from speechnar.text.capitals import ELEMENTS
from speechnar.text.numbers import digits

_PIECES = {"K": "king", "Q": "queen", "R": "rook", "B": "bishop", "N": "knight"}
_MOVE = re.compile(
    r"(?<![\w.'-])(?:([KQRBN])([a-h]?[1-8]?)(x?)([a-h])([1-8])|([a-h])x([a-h])([1-8])|([a-h])([1-8])(?==[QRBN]))"
    r"(?:=([QRBN]))?([+#]?)(?![\w'+-])"
)
_CASTLES = re.compile(r"(?<![\w-])[O0]-[O0](-[O0])?(?![\w-])([+#]?)")
_FORMULA = re.compile(r"(?<![\w'-])(?=\w*\d)(?=\w*[a-z])(?:[A-Z][a-z]?\d{0,3}){2,8}(?![\w'])")
_ION = re.compile(r"(?<![\w'-])([A-Z][a-z]|[HK](?=\d?\+))(\d?)([+-])(?=$|[\s.,;:)])")
_HEX_ADDRESS = re.compile(
    r"(?<![\w:.-])(?:[\dA-Fa-f]{2}:){5}[\dA-Fa-f]{2}(?![\w:-])|(?<![\w:.-])(?:[\dA-Fa-f]{2}-){5}[\dA-Fa-f]{2}(?![\w:-])"
)
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[\d:]*[A-Fa-f:]*:)(?=\S{0,39}(?:::|[A-Fa-f]))(?:[\dA-Fa-f]{0,4}:){2,7}[\dA-Fa-f]{0,4}(?![\w:])"
)
_COLOR = re.compile(r"#(?=[\dA-Fa-f]*\d)(?=[\dA-Fa-f]*[A-Fa-f])([\dA-Fa-f]{6})(?!\w)")
_HEX = re.compile(r"(?<![\w.])0x([\dA-Fa-f]{1,16})(?!\w)")
_LETTERS = re.compile(r"(?<![\w'-])([A-Z])\s?–\s?([A-Z])(?![\w'-])|(?<![\w'-])[aA]-[zZ](?![\w'-])")


def read_notations(text: str) -> str:
    """Read chess moves, formulas, addresses of hardware and of IPv6, and ranges of letters."""
    text = re.sub(r"(?<=\w)::(?=[A-Za-z])", " ", text)
    text = _LETTERS.sub(lambda m: f"{m[1]} to {m[2]}" if m[1] else "A to Z", text)
    if "O-O" in text or "0-0" in text:
        text = _CASTLES.sub(_castles, text)
    if not re.search(r"\d|[a-z][+-]", text):
        return text
    if ":" in text or "-" in text:
        text = _HEX_ADDRESS.sub(lambda m: ", ".join(_characters(pair) for pair in re.split("[:-]", m[0])), text)
    if text.count(":") > 1:
        text = _IPV6.sub(lambda m: " colon ".join(map(_characters, m[0].split(":"))), text)
    text = _COLOR.sub(lambda m: f"hash {_characters(m[1])}", text)
    text = _HEX.sub(lambda m: f"zero X {_characters(m[1])}", text)
    text = re.sub(r"\bf/(?=\d)", "F ", text)
    text = _MOVE.sub(_move, text)
    text = _ION.sub(_ion, text)
    return _FORMULA.sub(_formula, text)


def _characters(text: str) -> str:
    return " ".join(digits(c) if c.isdecimal() else c.upper() for c in text)


def _castles(match: re.Match[str]) -> str:
    if match[0].startswith("0-0") and not match[1] and not match[2]:
        return match[0]  # a score
    return f"castles{' queenside' if match[1] else ''}{_threat(match[2])}"


def _threat(sign: str) -> str:
    return {"+": " check", "#": " mate", "": ""}[sign]


def _move(match: re.Match[str]) -> str:
    """Read `Nf3` as `knight F 3`, `exd5` as `E takes D 5`, and `e8=Q` as `E 8 queen`."""
    piece, origin, takes, file, rank, pawn, taken_file, taken_rank, promoted_file, promoted_rank, new, sign = (
        match.groups()
    )
    to = f"{(file or taken_file or promoted_file).upper()} {rank or taken_rank or promoted_rank}"
    said = [
        *([_PIECES[piece]] if piece else []),
        *(origin or pawn or "").upper(),
        *(["takes"] if takes or pawn else []),
    ]
    return " ".join([*said, to, *([_PIECES[new]] if new else [])]) + _threat(sign)


def _ion(match: re.Match[str]) -> str:
    if match[1] not in ELEMENTS:
        return match[0]
    sign = "plus" if match[3] == "+" else "minus"
    return " ".join([*match[1].upper(), *match[2], sign])


def _formula(match: re.Match[str]) -> str:
    """Spell a formula with its numbers: `Fe2O3` is `F E 2 O 3`."""
    parts = re.findall(r"[A-Z][a-z]?|\d+", match[0])
    if not all(part.isdecimal() or part in ELEMENTS for part in parts):
        return match[0]
    return " ".join(part if part.isdecimal() else " ".join(part.upper()) for part in parts)
