"""Normalizers, which remove the differences of transcripts that are no errors: by name, or rules from a file.

| name | does |
| --- | --- |
| `none` | nothing |
| `basic` | lower case; punctuation and symbols become spaces, but for apostrophes within a word |
| `whisper` | OpenAI's for English: also numbers to digits, contractions and fillers, British to American spelling |

A file of rules has one step a line, taken in order: `pattern<TAB>replacement`, a regular expression and what stands in
its place, or the name of a normalizer. Empty lines and lines that begin with `#` are skipped.

Source: `whisper` is that of Radford et al. 2023, "Robust speech recognition via large-scale weak supervision",
    appendix C, from the package whisper-normalizer.
Differs: the package adds four contractions, which are taken out again so that metrics compare with published ones.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from speechnar.evaluate.wer.transcripts import TranscriptError, decode, lines_of

Normalizer = Callable[[str], str]

ADDED_TO_WHISPER = ("kinda", "sorta", "dunno", "cause")


def normalizer(name: str) -> Normalizer:
    """Return the normalizer of a name, or of a file of rules.

    Raises:
        TranscriptError: neither a name nor a file, or a rule that is not of the form.
        ModuleNotFoundError: `whisper` without the package whisper-normalizer.
    """
    if name in NORMALIZERS:
        return NORMALIZERS[name]()
    if not Path(name).is_file():
        raise TranscriptError(f"{name} is neither a normalizer ({', '.join(NORMALIZERS)}) nor a file of rules")
    lines = [(number, line) for number, line in lines_of(decode(name)) if not line.startswith("#")]
    steps = [_step(line, f"{name}, line {number}") for number, line in lines]
    return lambda text: functools.reduce(lambda changed, step: step(changed), steps, text)


def _step(line: str, where: str) -> Normalizer:
    pattern, tab, replacement = line.partition("\t")
    if not tab and line.strip() in NORMALIZERS:
        return NORMALIZERS[line.strip()]()
    if not tab:
        names = ", ".join(NORMALIZERS)
        raise TranscriptError(f"{where}: {line!r} should be pattern<TAB>replacement, or one of {names}")
    try:
        rule = re.compile(pattern)
        rule.sub(replacement, "")  # fails here if the replacement names a group that the pattern lacks
    except (re.error, IndexError) as error:
        raise TranscriptError(f"{where}: {line!r} is no rule ({error})") from None
    return functools.partial(rule.sub, replacement)


def _none(text: str) -> str:
    return text


def _basic(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    text = re.sub(r"(?<!\w)'|'(?!\w)", " ", text)
    return "".join(" " if unicodedata.category(char)[0] in "PS" and char != "'" else char for char in text)


def _whisper() -> Normalizer:
    from whisper_normalizer.english import EnglishTextNormalizer

    english = EnglishTextNormalizer()
    for word in ADDED_TO_WHISPER:
        english.replacers.pop(rf"\b{word}\b", None)
    return english


NORMALIZERS: dict[str, Callable[[], Normalizer]] = {
    "none": lambda: _none,
    "basic": lambda: _basic,
    "whisper": _whisper,
}
