"""Find what decoders write of sounds in place of words: `[Music]`, `(applause)`, `*sighs*`, `music playing`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from speechnar.decode.spelling import key_of

SOUNDS = frozenset(
    "music musical upbeat dramatic soft gentle playing plays applause applauding clapping laughter laughing laughs "
    "chuckles cheering cheers silence silent inaudible indistinct unintelligible noise static beep beeping bell rings "
    "ringing coughing coughs sighs sighing sniffing crying screaming groaning grunting breathing blank audio "
    "blankaudio crosstalk foreign speaking language background continues".split()
)
"""Words of such annotations. Where they stand alone they are left out only if the draft has none of them."""

OPENING = {"[": "]", "(": ")", "*": "*", "♪": "♪"}


def sound_annotations(words: Sequence[str], draft: Collection[str]) -> list[slice]:
    """Return the places of annotations in a text, in order.

    They are words in square brackets; words of `SOUNDS` in other brackets; and two words of `SOUNDS` or more in a row,
    or all words of a text, if none of them is in the draft.
    """
    heard = {key_of(word) for word in draft}
    found: list[slice] = []
    at = 0
    while at < len(words):
        end = _end_of_bracket(words, at) or _end_of_row(words, at, heard)
        if end:
            found.append(slice(at, end))
        at = end or at + 1
    return found


def _end_of_bracket(words: Sequence[str], at: int) -> int:
    """Return the place after the word that closes a bracket around an annotation, or 0."""
    closing = OPENING.get(words[at][:1])
    if closing is None:
        return 0
    if words[at].strip("♪*") == "":
        return at + 1
    for end in range(at, len(words)):
        if words[end].rstrip(".,?!:;").endswith(closing) and (end > at or len(words[at]) > 1):
            sounds = all(key_of(word) in SOUNDS for word in words[at : end + 1])
            return end + 1 if closing == "]" or sounds else 0
    return 0


def _end_of_row(words: Sequence[str], at: int, heard: Collection[str]) -> int:
    """Return the place after a row of words that name sounds, or 0."""
    end = at
    while end < len(words) and (key := key_of(words[end])) in SOUNDS and key not in heard:
        end += 1
    return end if end - at >= 2 or (at, end) == (0, len(words)) else 0
