"""Lyrics as people type them to syllables: hyphens, underscores, quotes, verse numbers, elisions, phonetic hints."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from speechnar.score.arpabet import to_phones
from speechnar.score.notes import Syllable

ELISION = "‿"
CONTINUED = ("-", "ー", "+~", "+*", "~", "_", "__")
"""Lyrics by which singing programs say that a note continues the vowel before it. `+` (`NEXT_SYLLABLE`) is not
among them: it is the next syllable of the word, where the word has one."""
NEXT_SYLLABLE = "+"
_ELISIONS = re.compile("\\s*[‿\ue550-\ue553]\\s*")  # SMuFL's lyric elisions are private characters
_DASHES = "‐‑‒–—―−-"
_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "´": "'", "`": "'"} | dict.fromkeys('“”„‟"«»()[]{}*<>|~^', ""))
_VERSE_NUMBER = re.compile(r"^\s*\d{1,2}\s*[.):]\s*")
_HINT = re.compile(r"\[([^\]]*)\]")
_LETTER = re.compile(r"[^\W_]")


@dataclass(frozen=True)
class Typed:
    """A lyric of one note as typed, cleaned.

    Attributes:
        syllables: what is sung, several where they are elided or two words stand on one note; empty where the text has
            no letter (`-`, `__`), so that the note continues the syllable before it.
        joins_before: a typed hyphen joins the first syllable to the one before it, whatever the file says: 1 for a
            hyphen, 0 for none, and 0.5 for a dash, which joins only if the file does not say that a word begins.
        joins_after: a typed hyphen joins the last syllable to the next.
        doubt: what could not be read in it; empty where all could.
    """

    syllables: tuple[Syllable, ...]
    joins_before: float = 0.0
    joins_after: bool = False
    doubt: str = ""


def read_lyric(text: str, syllabics: Sequence[str] = ("single",)) -> Typed:
    """Return the syllables of a lyric as typed under one note.

    Args:
        text: as typed, with U+203F or SMuFL's signs where syllables are elided.
        syllabics: `single`, `begin`, `middle` or `end` of each elided syllable; the last counts for those without.
    """
    text = unicodedata.normalize("NFC", text)
    hint, doubt = None, ""
    bracket = _HINT.search(text)
    if bracket:
        hint = to_phones(bracket[1].split())
        outside = text[: bracket.start()] + text[bracket.end() :]
        if hint:
            text = outside
        elif _LETTER.search(outside) and " " in bracket[1].strip():
            text, doubt = outside, f"the phonetic hint {bracket[0]} has a phone that no voice knows and is ignored"
    text = _VERSE_NUMBER.sub("", text.replace("\xa0", " ")).translate(_QUOTES)
    text = " ".join(text.replace("_", " ").split())
    before = text[:1] in tuple(_DASHES) and bool(_LETTER.search(text))
    dash = text[:1] not in ("-", "‐", "‑", "")
    after = (
        re.search(rf"[\w'][{_DASHES}]$", text) is not None
    )  # `Hope -` and `wood,--` end in a dash, `Be-` in a hyphen
    pieces: list[Syllable] = []
    for n, elided in enumerate(_ELISIONS.split(text)):
        syllabic = syllabics[min(n, len(syllabics) - 1)] if syllabics else "single"
        words = [w for w in re.split(rf"[\s{_DASHES}]+", elided) if _LETTER.search(w)]
        for k, word in enumerate(words):  # the first word ends what came before, the last may go on
            begins = syllabic if k == 0 else {"middle": "begin", "end": "single"}.get(syllabic, syllabic)
            own = begins if k == len(words) - 1 else {"middle": "end", "begin": "single"}.get(begins, begins)
            pieces.append(Syllable(word, own))
    if hint:
        first = pieces[0] if pieces else Syllable("", syllabics[0] if syllabics else "single")
        pieces = [replace(first, phones=hint), *pieces[1:]]
    return Typed(tuple(pieces), (0.5 if dash else 1.0) if before else 0.0, after and bool(pieces), doubt)


def join_typed(lyrics: Sequence[Typed]) -> list[tuple[Syllable, ...]]:
    """Return the syllables of the notes in order, with words joined where hyphens were typed and left where not.

    Every word then begins with `begin` and ends with `end`, or is `single`, even where the file forgot one of them.

    Args:
        lyrics: of the notes that have a lyric, in order.
    """
    flat = [(n, s) for n, lyric in enumerate(lyrics) for s in lyric.syllables]
    joined = [False] * (len(flat) + 1)  # whether syllable k belongs to the word of syllable k - 1
    for k in range(1, len(flat)):
        (before, previous), (n, syllable) = flat[k - 1], flat[k]
        says_begin = syllable.syllabic in ("single", "begin")
        says_open = previous.syllabic in ("begin", "middle")
        joined[k] = says_open and not says_begin
        if n != before and not joined[k]:
            typed = lyrics[n].joins_before
            joined[k] = typed == 1.0 or (typed > 0 and (says_open or not says_begin)) or lyrics[before].joins_after
    result: list[list[Syllable]] = [[] for _ in lyrics]
    for k, (n, syllable) in enumerate(flat):
        name = {(False, False): "single", (False, True): "begin", (True, True): "middle", (True, False): "end"}
        result[n].append(replace(syllable, syllabic=name[joined[k], joined[k + 1]]))
    return [tuple(syllables) for syllables in result]
