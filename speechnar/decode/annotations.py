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

    They are words in square brackets; words in other brackets that are of `SOUNDS`, or of which none is in the draft;
    and two words of `SOUNDS` or more in a row, or all words of a text, if none of them is in the draft.
    """
    heard = {key_of(word) for word in draft}
    found: list[slice] = []
    at = 0
    while at < len(words):
        end = _end_of_bracket(words, at, heard) or _end_of_row(words, at, heard)
        if end:
            found.append(slice(at, end))
        at = end or at + 1
    return found


def _end_of_bracket(words: Sequence[str], at: int, heard: set[str]) -> int:
    """Return the place after the last word of an annotation in brackets, or 0; the closing bracket may be missing."""
    closing = OPENING.get(words[at][:1])
    if closing is None:
        return 0
    if words[at].strip("♪*") == "":
        return at + 1
    end = at
    while end < len(words):
        closes = words[end].rstrip(".,?!:;").endswith(closing) and (end > at or len(words[at]) > 1)
        if not closes and key_of(words[end]) in heard:
            return end if closing in "])" and end > at else 0
        end += 1
        if closes:
            keys = [key_of(word) for word in words[at:end]]
            is_sound = closing == "]" or all(key in SOUNDS for key in keys) or not heard.intersection(keys)
            return end if is_sound else 0
    return end if closing in "])" else 0


def _end_of_row(words: Sequence[str], at: int, heard: set[str]) -> int:
    """Return the place after a row of words that name sounds, or 0."""
    end = at
    while end < len(words) and (key := key_of(words[end])) in SOUNDS and key not in heard:
        end += 1
    return end if end - at >= 2 or (at, end) == (0, len(words)) else 0
