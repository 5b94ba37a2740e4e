"""Find where in the original text each spoken word is written, so that subtitles and highlights can show it.

`No. 14` is spoken as three words and written as two, and whole pages of steps lie between. So nothing is traced through
the steps: spoken and written words are matched afterwards, in order. Words that are spoken as they are written pin the
match, and what lies between two pins belongs together: `number fourteen` to `No. 14`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from speechnar.text.markup import is_tag

Span = tuple[int, int]
"""The place of a part of a text: the offsets of its first character and of the one after its last."""

_SKIPPED = 400  # written words between two blocks that may belong to neither, such as a long comment
_AHEAD = 40  # words that a pin is looked for among, on each side
_PATIENCE = 12  # words to look on for a better pin than a short word
_PIECE = re.compile(r"<[^<>\s][^<>]{0,300}>|[^\s<]+|<\S?")
_NOT_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class _Written:
    text: str
    start: int
    end: int


class Offsets:
    """The places of the spoken words of one text, whose blocks are asked for in order.

    Args:
        text: the text as it was given; only the part around the current block is held in pieces.
        normalize: what made the spoken words of the written ones.
    """

    def __init__(self, text: str, normalize: Callable[[str], str]) -> None:
        self._normalize = normalize
        pieces = (_Written(m[0], m.start(), m.end()) for m in _PIECE.finditer(text))
        self._coming = (piece for piece in pieces if not is_tag(piece.text))
        self._held: list[_Written] = []

    def spans(self, block: str, spoken: Sequence[str]) -> list[Span | None]:
        """Return the place of each spoken word of the next block; None where the block is not found.

        Args:
            block: the block's text before it was normalized.
            spoken: its words after that, with their pause marks.
        """
        written = self._take(block.split())
        return list(_match(written, spoken, self._normalize)) if written else [None] * len(spoken)

    def _take(self, words: Sequence[str]) -> list[_Written]:
        """Take the written words of a block from the text, and drop those before it."""
        start = next((n for word in words[:3] if (n := self._find(word, 0, _SKIPPED)) is not None), None)
        if start is None:
            return []
        end = start + 1
        for word in words[1:]:
            found = self._find(word, end, _AHEAD)
            if found is not None:
                end = found + 1
        taken, self._held = self._held[start:end], self._held[end:]
        return taken

    def _find(self, word: str, start: int, reach: int) -> int | None:
        """Return the place of the next written word that is the given one, or has it within its markup."""
        for n in range(start, start + reach):
            if n == len(self._held):
                following = next(self._coming, None)
                if following is None:
                    return None
                self._held.append(following)
            written = self._held[n].text
            if written == word or len(written) > len(word) > 1 and word in written:
                return n
        return None


def _match(written: Sequence[_Written], spoken: Sequence[str], normalize: Callable[[str], str]) -> Iterator[Span]:
    here, said = [_key(w.text) for w in written], [_key(word) for word in spoken]
    i = j = 0
    while j < len(said):
        skipped_i, skipped_j = _next_pin(here, said, i, j)
        first, last = min(i, len(written) - 1), min(max(i, skipped_i - 1), len(written) - 1)
        if skipped_i == i and skipped_j > j and i > 0:
            first = last = i - 1  # more words of the one before
        ends = [n for n in range(j, skipped_j - 1) if spoken[n][-1] in ".?!"] if last > first else []
        if ends:
            first, j = yield from _first_sentence(
                written[first : last + 1], spoken[j : ends[0] + 1], normalize, (first, j)
            )
        yield from [(written[first].start, written[last].end)] * (skipped_j - j)
        i, j = skipped_i, skipped_j
        if j < len(said):
            yield written[i].start, written[i].end
            i, j = i + 1, j + 1


def _first_sentence(
    written: Sequence[_Written], spoken: Sequence[str], normalize: Callable[[str], str], start: tuple[int, int]
) -> Generator[Span, None, tuple[int, int]]:
    """Part the end of a sentence from what follows, where its words read alone are spoken so: `$5.` of `$5. Dr.`."""
    for n in range(1, len(written)):
        if normalize(" ".join(w.text for w in written[:n])) == " ".join(spoken):
            yield from [(written[0].start, written[n - 1].end)] * len(spoken)
            return start[0] + n, start[1] + len(spoken)
    return start


def _next_pin(here: Sequence[str], said: Sequence[str], i: int, j: int) -> tuple[int, int]:
    """Return the nearest places from which both go on with the same word; their ends where there is none.

    A short word may be the same by chance: it counts if the next words are the same too, or if no other is near.
    """
    weak: tuple[int, int] | None = None
    patience = 2 * _AHEAD
    for distance in range(2 * _AHEAD):
        if distance > patience:
            break
        for a in range(max(0, distance - _AHEAD), min(distance, len(here) - 1 - i) + 1):
            b = distance - a
            if j + b < len(said) and here[i + a] and here[i + a] == said[j + b]:
                if not distance or len(here[i + a]) > 3 or _goes_on(here, said, i + a + 1, j + b + 1):
                    return i + a, j + b
                if weak is None:
                    weak, patience = (i + a, j + b), distance + _PATIENCE
    return weak or (len(here), len(said))


def _goes_on(here: Sequence[str], said: Sequence[str], i: int, j: int) -> bool:
    """Tell whether the words after a short one are the same too, as they seldom are by chance."""
    return i == len(here) or j == len(said) or here[i] == said[j]


def _key(word: str) -> str:
    return word.lower() if word.isalnum() else _NOT_LETTERS.sub("", word.lower())
