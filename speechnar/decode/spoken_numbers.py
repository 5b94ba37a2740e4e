"""Compare numbers that a decoder writes in digits with the words in which CTC's draft spells them.

    draft      twelve  dollars  and  seenty  five  sents    at  ten  thirty
    decoder    $12.75                                       at  10.30
    aloud      twelve dollars and seventy-five cents            ten point three zero, or ten thirty

A number is read aloud as the voices read it. If that is spelled like the draft, however CTC misspells it, no word of
the draft is missing in the text; and of two ways to write a number, the one that is spelled more like it is meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from speechnar.decode.spelling import edit_distances, key_of

MOST_DIFFERENT = 0.4
"""Share of the letters of the longer one by which a number read aloud and the draft's words may differ."""

MOST_WORDS = 16
"""Words of a text that are read aloud at once, at most: a number is short, and distances take quadratic time."""

DOTTED_TIME = re.compile(r"([(\[\"']*(?:1?\d|2[0-4]))\.([0-5]\d[.,;:?!)\]\"']*)")
"""A number that may be a time, as 10.30."""


def is_said(words: Sequence[str], draft: Sequence[str], run: slice, in_draft: bool) -> bool:
    """Return whether a run of words belongs to a number that one text has in digits and the other spells.

    Words with digits, read aloud, have to be spelled like the draft's, and less so without the run.

    Args:
        words, draft: the words of the two texts around the run, which are not the same.
        run: places of the run, in the draft if `in_draft`, else in the words.
    """
    if len(words) > MOST_WORDS or not any(char.isdigit() for word in words for char in word):
        return False
    distance, longer = _distance(words, draft)
    if distance > MOST_DIFFERENT * longer:
        return False
    rest = [*(draft if in_draft else words)]
    del rest[run]
    return distance < _distance(*((words, rest) if in_draft else (rest, draft)))[0]


def with_times(words: Sequence[str], draft: Sequence[str]) -> list[str]:
    """Return the words of a text with a colon in place of the point of a time, such as 10:30 for 10.30.

    A number is a time if nobody says "point", and it is spelled no less like the draft's words when it is read aloud as
    a time.
    """
    made = list(words)
    if not any(DOTTED_TIME.fullmatch(word) for word in words):
        return made
    matcher = SequenceMatcher(None, [key_of(word) for word in draft], [key_of(word) for word in words], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "replace" or d - c > MOST_WORDS or "point" in draft[a:b]:
            continue
        for place in range(c, d):
            if time := DOTTED_TIME.fullmatch(words[place]):
                as_time = [*made[c:place], f"{time[1]}:{time[2]}", *made[place + 1 : d]]
                if _distance(as_time, draft[a:b]) <= _distance(made[c:d], draft[a:b]):
                    made[c:d] = as_time
    return made


def _distance(words: Sequence[str], draft: Sequence[str]) -> tuple[int, int]:
    """Return the edit distance between words read aloud and a draft, and the letters of the longer one."""
    from speechnar.text.normalize import normalize  # it takes a tenth of a second to load

    aloud, said = ("".join(map(key_of, each)) for each in (normalize(" ".join(words)).split(), draft))
    return edit_distances(aloud, [said])[-1], max(len(aloud), len(said))
