"""Compare numbers that a decoder writes in digits with the words in which CTC's draft spells them.

    draft      twelve  dollars  and  seenty  five  sents    at  ten  thirty
    decoder    $12.75                                       at  10.30
    aloud      twelve dollars and seventy-five cents            ten point three zero, or ten thirty

A number is read aloud as the voices read it. The words of the draft that this reading is spelled like, however CTC
misspells them, are not missing in the text. A number that is spelled more like the draft as a time is a time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import SequenceMatcher

from speechnar.decode.spelling import MARKS, edit_distances, key_of

MOST_DIFFERENT = 0.4
"""Share of the letters of the longer one by which a number read aloud and the draft's words may differ."""

MOST_WORDS, MOST_SPELLED = 8, 16
"""Words of a text, and of a draft, that are compared at once, at most: distances take quadratic time."""

DOTTED_TIME = re.compile(r"([(\[\"']*(?:1?\d|2[0-3]))\.([0-5]\d[.,;:?!)\]\"']*)")
"""A number that may be a time, as 10.30."""

BARE_TIME = re.compile(r"([(\[\"']*(?:1[0-2]|[1-9]))([0-5]\d[.,;:?!)\]\"']*)")
"""The same without its point, as 1030."""

MONEY = re.compile(r"([(\[\"']*[$\u00a3\u20ac])([1-9]\d{3,})((?:\.\d\d)?[.,;:?!)\]\"']*)")
"""An amount of a thousand or more without commas, as $1249.99."""

BEFORE_TIMES = frozenset("after around at before by from since till to until".split())
BEHIND_TIMES = frozenset(("am", "pm"))
"""Words beside which such a number is a time, if it is read as one."""

OF_NO_TIME = re.compile("po[iy]nt|dot|dol+[ae]r|cent|per ?cent|pound|euro")
"""The spelling, in a draft, of numbers that are no times."""


def said_by_numbers(words: Sequence[str], draft: Sequence[str]) -> frozenset[int]:
    """Return the places of a draft's words that the numbers of a text stand for.

    Words of the draft are left out, one at a time, as long as the others are then spelled more like the text is read
    aloud. There are none if what is left is not spelled like it.

    Args:
        words, draft: the words of the two texts where these are not the same.
    """
    if not 0 < len(words) <= MOST_WORDS or len(draft) > MOST_SPELLED or not any(map(_has_digit, words)):
        return frozenset()
    aloud, left = _aloud(words), list(range(len(draft)))
    distance = _distance(aloud, draft)
    while left:
        shorter = [[n for n in left if n != other] for other in left]
        distances = [_distance(aloud, [draft[n] for n in each]) for each in shorter]
        if min(distances) >= distance:
            break
        distance = min(distances)
        left = shorter[distances.index(distance)]
    return frozenset(left) if _is_like(aloud, [draft[n] for n in left]) else frozenset()


def with_times(words: Sequence[str], draft: Sequence[str], keep: Collection[str] = ()) -> list[str]:
    """Return the words of a text with a colon in place of the point of a time, such as 10:30 for 10.30.

    A number is a time where the draft has the same with a colon. It is one, too, if it stands behind a word such as
    "at", or before "am" or "pm", and is spelled more like the draft's words when it is read aloud as a time. Where the
    draft has digits, nothing tells how they were said: then what stands before "am" or "pm" is a time, and so are full
    tens of minutes behind "at" and at the end of a clause, since decimal fractions seldom end in zero. The same holds,
    whatever the draft has, of a number without a point, but behind "at" from 10 o'clock on. "p.M." becomes "p.m.".

    Args:
        keep: words that stay as they are, without marks around them.
    """
    kept = frozenset(map(key_of, keep))
    in_small_letters = BEHIND_TIMES - kept
    made = [word.lower() if key_of(word) in in_small_letters and word[0].islower() else word for word in words]
    for place, word in enumerate(words):
        if (bare := BARE_TIME.fullmatch(word)) and key_of(word) not in kept and _is_bare_time(made, place):
            made[place] = f"{bare[1]}:{bare[2]}"
    if not any(DOTTED_TIME.fullmatch(word) for word in words):
        return made
    matcher = SequenceMatcher(None, [key_of(word) for word in draft], [key_of(word) for word in words], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        for place in range(c, d):
            time = DOTTED_TIME.fullmatch(words[place])
            if not time or key_of(words[place]) in kept:
                continue
            as_time = f"{time[1]}:{time[2]}"
            if kind == "equal":
                is_time = ":" in draft[a + place - c].strip(":")
            else:
                is_time = _is_time(made, slice(c, d), place, as_time, draft[a:b])
            if not is_time and any(map(_has_digit, draft[a:b])):
                is_time = _is_round_time(made, place) or _is_before_am_or_pm(made, place)
            if is_time:
                made[place] = as_time
    return made


def with_commas(words: Sequence[str], keep: Collection[str] = ()) -> list[str]:
    """Return the words of a text with commas between the thousands of money, such as $1,249.99 for $1249.99.

    Args:
        keep: words that stay as they are, without marks around them.
    """
    kept = frozenset(map(key_of, keep))
    amounts = (None if key_of(word) in kept else MONEY.fullmatch(word) for word in words)
    return [f"{found[1]}{int(found[2]):,}{found[3]}" if found else word for word, found in zip(words, amounts)]


def _is_bare_time(words: Sequence[str], place: int) -> bool:
    """Return whether a number without a point stands as a time does, as in "at 1030, or" or "745 p.m."."""
    if _is_before_am_or_pm(words, place):
        return True
    digits = key_of(words[place])
    return len(digits) == 4 and digits[2] != "0" and _is_round_time(words, place)


def _is_before_am_or_pm(words: Sequence[str], place: int) -> bool:
    return any(key_of(word) in BEHIND_TIMES for word in words[place + 1 : place + 2])


def _is_round_time(words: Sequence[str], place: int) -> bool:
    """Return whether a number stands behind "at" and ends a clause, and is of full tens of minutes: "at 10.30, or"."""
    word, is_last = words[place], place + 1 == len(words)
    if word.rstrip(MARKS + "'")[-1] != "0":
        return False
    ends = not word[-1].isdigit() or is_last
    return ends and place > 0 and key_of(words[place - 1]) == "at"


def _is_time(words: Sequence[str], block: slice, place: int, as_time: str, draft: Sequence[str]) -> bool:
    """Return whether the number at a place is spelled more like the draft of its block when it is a time."""
    before, is_before = words[max(0, place - 1) : place], _is_before_am_or_pm(words, place)
    if not is_before and not any(key_of(word) in BEFORE_TIMES for word in before):
        return False
    if block.stop - block.start > MOST_WORDS or len(draft) > MOST_SPELLED or OF_NO_TIME.search(" ".join(draft).lower()):
        return False
    with_point = _aloud(words[block])
    with_colon = _aloud([*words[block.start : place], as_time, *words[place + 1 : block.stop]])
    if not _is_like(with_colon, draft):
        return False
    return is_before or _distance(with_colon, draft) < _distance(with_point, draft)


def _has_digit(word: str) -> bool:
    return any(char.isdigit() for char in word)


def _aloud(words: Sequence[str]) -> str:
    """Return words as they are read aloud, without the spaces between them."""
    from speechnar.text.normalize import normalize  # it takes a tenth of a second to load

    return "".join(map(key_of, normalize(" ".join(words)).split()))


def _distance(aloud: str, draft: Sequence[str]) -> float:
    return edit_distances(aloud, ["".join(map(key_of, draft))])[-1]


def _is_like(aloud: str, draft: Sequence[str]) -> bool:
    return _distance(aloud, draft) <= MOST_DIFFERENT * max(len(aloud), sum(len(key_of(word)) for word in draft))
