"""Read out equations, comparisons and powers: inside an equation every sign between two operands is a word.

Outside an equation, `3-2` is a score, `1/2` is a fraction and `a - b` is a pause; so this step runs before the steps
that read those, and changes only the signs. The operands stay as they are written.
"""

from __future__ import annotations

import re

from speechnar.text.match_context import after, before

_RELATIONS = {
    "=": "equals", "==": "equals", "===": "equals", ":=": "equals", "≠": "not equal to", "!=": "not equal to",
    "=/=": "not equal to", "<": "less than", ">": "greater than", "≤": "less than or equal to",
    "<=": "less than or equal to", "=<": "less than or equal to", "≥": "greater than or equal to",
    ">=": "greater than or equal to", "≈": "approximately equals", "~=": "approximately equals",
    "≡": "is equivalent to", "∝": "is proportional to", "≪": "much less than", "≫": "much greater than",
}  # fmt: skip
_OPERATORS = {
    "+": "plus", "-": "minus", "*": "times", "×": "times", "⋅": "times", "/": "divided by", "÷": "divided by",
    "±": "plus or minus", "^": "to the power of",
}  # fmt: skip
_RELATION = "|".join(re.escape(sign) for sign in sorted(_RELATIONS, key=len, reverse=True))
_ORDERS = frozenset("< > <= >= =< ≤ ≥".split())
_OF_ONE = _ORDERS | {"≠", "!=", "≪", "≫"}  # relations that may stand before a number alone

_NUMERAL = r"[$€£¥₹]?(?:\d+(?:[.,]\d+)*|\.\d+)"
_TOKEN = re.compile(
    rf"(?P<arrow><?[-=]+>|<-+(?![-\d]))|(?P<relation>{_RELATION})|(?P<operator>[-+*/×⋅÷±^])|(?P<open>\()|(?P<close>\)[²³]?)"
    rf"|(?P<number>\d{{4}}-\d\d-\d\d|{_NUMERAL}(?:%|°|\s?[a-zA-Zµ]{{1,3}}(?![\w(]))?[²³]?|\d+[a-z](?!\w)[²³]?)"
    r"|(?P<letter>[A-Za-z]\d?(?!['\w])[²³]?|√)|(?P<word>[A-Za-z_][\w']*)"
)
_OPERANDS = frozenset({"number", "letter", "word"})
_CLAUSE_END = re.compile(r"\s*(?:$|[.,;:?!](?!\w)|\b(?:and|or|if|for|when|where|so|but)\b)")
_CLAUSE_START = re.compile(r"(?:^|[.,;:?!(]\s*|\b(?:and|or|if|that|where|when|so|but)\s+)$")

_SCIENTIFIC = re.compile(
    r"(?<![\w.])(-?\d+(?:\.\d+)?)(?:e|E(?=[-+])|(?<=\.\d)E|(?<=\.\d\d)E)([-+]?)(\d{1,3})(?![\w.]*\w)"
)
_SQUARE = re.compile(r"(?<=\w)\s?\^\s?([23])(?![\d.]*\w)")
_COEFFICIENT = re.compile(r"^(\d+)([a-z])(?=[²³]?$)")
_ROOT = re.compile(r"√\s?(?=[\w(])")
_ASKED = re.compile(r"\b(?:what(?:'s| is)|how much is|calculate|compute|evaluate|solve)\s+$", re.I)
_QUESTION = re.compile(r"\b(?:what|how much|calculate|compute|evaluate|solve)\b", re.I)
_FUNCTIONS = {"sin": "sine", "cos": "cosine", "tan": "tangent", "log": "log", "ln": "natural log", "exp": "exp"}
_FUNCTION = re.compile(rf"(?<![\w'])([fghFGH]|{'|'.join(_FUNCTIONS)})\(([a-z]|\d{{1,9}})\)")
_COUNTER = re.compile(r"(?<![\w'.-])([a-z])(\+\+|--)(?![\w-])")
_INCREMENT = re.compile(r"(?<=\w)\s*([-+*/])=\s*(?=[\w-])")
_CROSS = re.compile(r"(?<=\d)\s?x\s?(?=\d{1,15}(?:\.\d{1,15})?\s{0,3}=)")  # 3x4 = 12
_LOVE = re.compile(r"\b(I|we|you|they|u)\s+<3(?=\s+[A-Za-z])", re.I)


def read_equations(text: str) -> str:
    """Replace the signs of equations and comparisons by words: `7 - 3 = 4` is `7 minus 3 equals 4`.

    Args:
        text: text after `clean`, in which numbers are still written in digits.
    """
    text = _SCIENTIFIC.sub(_scientific, text)
    if "^" in text:
        text = _SQUARE.sub(lambda m: "²" if m[1] == "2" else "³", text)
    if "(" in text:
        text = _FUNCTION.sub(lambda m: f"{_FUNCTIONS.get(m[1], m[1])} of {m[2]}", text)
    text = _COUNTER.sub(lambda m: f"{m[1].upper()} {'plus plus' if m[2] == '++' else 'minus minus'}", text)
    text = text.replace(" || ", " or ")
    if "=" in text:
        text = _CROSS.sub(" × ", text)
        text = _INCREMENT.sub(lambda m: f" {_OPERATORS[m[1]]} equals ", text)
    if re.search(r"[<>=≠≤≥≈≡∝≪≫]", text) or re.search(r"\d", text) and _QUESTION.search(text):
        text = _LOVE.sub(r"\1 love", text)
        text = _read_chains(text)
    if "√" in text:
        text = _ROOT.sub("the square root of ", text)
    text = re.sub(r"[~≈]\s?(?=[\d.$€£¥₹])", "about ", text)
    return text.replace("∞", " infinity ").replace("‰", " per thousand ")


def _scientific(match: re.Match[str]) -> str:
    minus = "minus " if match[2] == "-" else ""
    return f"{match[1]} times ten to the {minus}{match[3].lstrip('0') or '0'}"


def _read_chains(text: str) -> str:
    """Collect runs of operands and signs with nothing but a space between, and read the runs that are equations."""
    said: list[str] = []
    done = 0
    chain: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text):
        last = chain[-1] if chain else None
        apart = last is not None and text[last.end() : token.start()].strip(" ") != ""
        two_operands = last is not None and last.lastgroup in _OPERANDS and token.lastgroup in (*_OPERANDS, "open")
        if last is not None and last[0] == "√":
            two_operands = False
        if apart or two_operands:
            said.append(text[done : chain[0].start()] + _read(chain))
            done = chain[-1].end()
            chain = []
        chain.append(token)
    if chain:
        said.append(text[done : chain[0].start()] + _read(chain))
        done = chain[-1].end()
    return "".join(said) + text[done:]


def _read(chain: list[re.Match[str]]) -> str:
    """Read one run of tokens; a run that is no equation is returned as it is written."""
    text = chain[0].string
    whole = text[chain[0].start() : chain[-1].end()]
    relations = [n for n, token in enumerate(chain) if token.lastgroup == "relation"]
    asked = not relations and len(chain) > 2 and _ASKED.search(before(chain[0])) is not None  # What is 7 - 3?
    if not relations and not asked and not any(token.lastgroup == "arrow" for token in chain):
        return whole
    read = {n: _relation(chain, n) for n in relations}
    read |= {n: ", " for n, token in enumerate(chain) if token.lastgroup == "arrow"}
    if asked or any(words and words != ", " for words in read.values()):
        alone = _CLAUSE_START.search(before(chain[0])) is not None and _CLAUSE_END.match(after(chain[-1])) is not None
        for n, token in enumerate(chain):
            if token.lastgroup == "operator":
                read[n] = _operator(chain, n, alone)
    said = ""
    for n, token in enumerate(chain):
        gap = text[chain[n - 1].end() : token.start()] if n else ""
        words = read.get(n)
        if words:
            said = said.rstrip() + ("" if words == ", " else " " if said else "") + words.strip() + " "
        else:
            beside = {read.get(n - 1), read.get(n + 1)} - {None, ", "}
            shown = "A" if token[0] == "a" and beside else token[0]
            shown = _COEFFICIENT.sub(r"\1 \2", shown) if read else shown
            said += (gap if not said.endswith(" ") else "") + shown
    ended = len(chain) - 1 in read and not text[chain[-1].end() : chain[-1].end() + 1].isspace()
    return said if ended else said.rstrip(" ")


def _relation(chain: list[re.Match[str]], n: int) -> str | None:
    """Return the words of a relation between two operands, or before a number (`>30`); None leaves the sign."""
    sign, text = chain[n], chain[n].string
    left = chain[n - 1] if n else None
    right = chain[n + 1] if n + 1 < len(chain) else None
    if right is not None and right.lastgroup == "operator" and right[0] in "+-±" and n + 2 < len(chain):
        right = chain[n + 2]
    if right is None or right.lastgroup in ("relation", "operator", "close", "arrow"):
        return None
    words = _RELATIONS[sign[0]]
    if left is None or left.lastgroup in ("relation", "operator", "open", "arrow"):
        preceded = text[max(0, sign.start() - 1) : sign.start()]
        return words if right.lastgroup == "number" and not preceded.isalnum() and sign[0] in _OF_ONE else None
    spaced = text[sign.start() - 1].isspace() and text[sign.end()].isspace()
    kinds = {left.lastgroup, right.lastgroup}
    if sign[0] in _ORDERS:
        if kinds == {"word"} and left[0][0].isupper() and right[0][0].isupper():
            return ", " if sign[0] == ">" and spaced else None  # File > Save
        return words if spaced or "word" not in kinds or right.lastgroup == "number" else None
    return words


def _operator(chain: list[re.Match[str]], n: int, alone: bool) -> str | None:
    """Return the words of an operator of an equation, or None where the sign is a hyphen, a slash or a dash."""
    sign, text = chain[n], chain[n].string
    left = chain[n - 1] if n else None
    right = chain[n + 1] if n + 1 < len(chain) else None
    if right is None or right.lastgroup in ("relation", "operator", "close"):
        return None
    words = _OPERATORS[sign[0]]
    if left is None or left.lastgroup in ("relation", "operator", "open"):  # a sign of its operand
        return None if right.lastgroup == "word" else {"-": "minus", "+": "plus", "±": "plus or minus"}.get(sign[0])
    glued = text[left.end() : right.start()] == sign[0]
    kinds = {left.lastgroup, right.lastgroup}
    if sign[0] == "/" and glued and kinds == {"number"} and _is_fraction(left[0], right[0]):
        return None
    if "word" in kinds:
        return words if not glued and (alone or sign[0] not in "-/") else None
    return words


def _is_fraction(top: str, bottom: str) -> bool:
    return top.isdecimal() and bottom.isdecimal() and int(top[:9]) < int(bottom[:9])
