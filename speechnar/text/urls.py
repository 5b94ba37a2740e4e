"""Read out addresses: URLs, e-mail addresses, host and file names, paths."""

from __future__ import annotations

import re

from speechnar.text.numbers import digits, pairs

_SIGNS = {
    ".": "dot", "/": "slash", "-": "dash", "_": "underscore", ":": "colon", "@": "at", "?": "question mark",
    "=": "equals", "&": "and", "#": "hash", "%": "percent", "+": "plus", "~": "tilde", "\\": "backslash", "*": "star",
    ",": "comma", ";": "semicolon", "!": "exclamation mark", "$": "dollar",
}  # fmt: skip
_DOMAINS = "|".join(
    """com org net edu gov mil int info biz io ai co uk us ca de fr es it nl eu au nz jp cn in ru br ch se no dev app
    tv me xyz ly gg fm pl dk fi ie mx sg hk cz hu pt gr tr za ua""".split()
)
_FILES = "|".join(
    """pdf txt csv tsv doc docx xls xlsx ppt pptx py js ts jsx html htm css json yaml yml xml md rst sh bat exe zip tar
    gz tgz jpg jpeg png gif svg mp3 mp4 wav flac ogg avi mov mkv cpp rs go java rb php sql log cfg ini toml lock
    onnx ipynb net""".split()
)
_SPELLED = ("www", "uk", "us", "io", "ai", "tv", "js", "md", "xyz", "sh", "ly", "rs", "fm")
_HOST = rf"(?:[\w-]+\.)+(?:{_DOMAINS})"
_TAIL = r"(?::\d+)?(?:[/?#][^\s\"'<>()\[\]]*)?"
_ADDRESS = re.compile(
    rf"(?<![\w@.])(?:(?:https?|ftp)://[^\s\"'<>()\[\]]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|www\.[\w-]+(?:\.[\w-]+)+{_TAIL}"
    rf"|{_HOST}\b(?!\.\w){_TAIL}|(?=[\w-]*[A-Za-z_])[\w-]+(?:\.(?:{_FILES}))+\b(?!\.?\w)"
    r"|(?:[A-Za-z]:\\|~/|/(?=[\w.-]+/)|\.{1,2}/)[\w./\\~-]+)",
    re.I,
)


_DOTTED_NAME = re.compile(r"(?:(?<=[\s(,/])|^)\.(NET|[a-z]{2,}[a-z\d]*)(?![\w.])")


def read_urls(text: str) -> str:
    """Read out every address: `docs.example.com/a-b` is `docs dot example dot com slash A dash B`."""
    text = _DOTTED_NAME.sub(lambda m: "dot net" if m[1] == "NET" else f"dot {m[1]}", text)
    if not re.search(r"[./\\@]\w", text):
        return text
    return _ADDRESS.sub(_read, text)


def _read(match: re.Match[str]) -> str:
    found = match[0]
    address = found.rstrip(".,;:!?")
    after = found[len(address) :]
    if re.fullmatch(r"(?:[A-Za-z]\.)+[A-Za-z]?", address) or re.fullmatch(r"[\d.]+", address):
        return found
    bare = re.sub(r"^(?:https?|ftp)://", "", address, flags=re.I)
    if bare != address:
        bare = bare.rstrip("/")
    return " ".join(_said(bare)) + after


def _said(address: str) -> list[str]:
    words: list[str] = []
    for part in re.findall(r"[A-Za-z]+|\d+|[^A-Za-z\d]", address):
        if part.isdecimal():
            words.append(pairs(part) if len(part) < 4 or re.fullmatch("(?:19|20)\\d\\d", part) else digits(part))
        elif part[0].isalpha():
            spelled = len(part) == 1 or words[-1:] in ([], ["dot"]) and part.lower() in _SPELLED
            words.append(part.upper() if spelled else part)
        else:
            words.append(_SIGNS.get(part, " "))
    return words
