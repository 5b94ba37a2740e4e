"""Text into blocks, lazily, so that a book starts to speak at once; and normalised blocks into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

STARTERS = frozenset(
    """a after all although an and another any are as at because before both but by can did do does during each even
    every few first for from had has have he her here his how however i if in instead into is it its last later
    let many may meanwhile more most my never next no nobody none nor not nothing now of on once one only or our
    over people perhaps please second several she should since so some soon sometimes still such than that the
    their them then there therefore these they this those though through thus to today tomorrow two under unless
    until was we well were what whatever when where whether which while who whose why will with would yes
    yesterday yet you your""".split()
)
"""Words that, capitalised after a full stop, begin a sentence rather than name somebody."""

_LONGEST_BLOCK = 2000  # characters
_BULLET = re.compile(r"\s*(?:[-*•‣◦▪–—]|#{1,6}|\(?\d{1,3}[.)])\s+(?=\S)")
_SHORT_LINE = 60  # characters; a wrapped line of prose is longer, a heading or an item of a list is not
_SAFE_CUT = re.compile(r"(?<=[a-z]{4}[.?!])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z])")
_END = re.compile(r"([.?!…]+)\s+(?=\S)")
_INITIAL = re.compile(r"(?:^|[\s(.])([A-Z])\.$")
_FIRST_WORD = re.compile(r"[A-Za-z']+")


@dataclass(frozen=True)
class Block:
    """Raw text that is normalised at one go: a paragraph, a heading, an item of a list, a part of a long paragraph."""

    text: str
    ends_paragraph: bool


def split_blocks(text: str) -> Iterator[Block]:
    """Yields the blocks of a text: empty lines end a paragraph; a short line before a capital, or a bullet, a block."""
    for paragraph in _paragraphs(text):
        blocks = [part for item in _items(paragraph) for part in _cut(item)]
        for n, block in enumerate(blocks):
            yield Block(block, n == len(blocks) - 1)


def _paragraphs(text: str) -> Iterator[str]:
    start = 0
    for gap in re.finditer(r"(?:\r\n?|\n|\u2029)[^\S\r\n]*(?:\r\n?|\n)\s*|[\f\u2029]+", text):
        yield text[start : gap.start()]
        start = gap.end()
    yield text[start:]


def _items(paragraph: str) -> Iterator[str]:
    """Joins wrapped lines, and keeps apart those that are not running text."""
    item = ""
    last = ""
    for line in paragraph.splitlines():
        bullet = _BULLET.match(line)
        apart = bullet or (0 < len(last) < _SHORT_LINE and line.strip()[:1].isupper())
        if item and apart:
            yield item
            item = ""
        item += (" " if item else "") + line.strip()
        last = line.strip()
    if item:
        yield item


def _cut(text: str) -> Iterator[str]:
    while len(text) > _LONGEST_BLOCK:
        window = text[:_LONGEST_BLOCK]
        ends = [m.end() for m in _SAFE_CUT.finditer(window)] or [window.rfind(" ") + 1] or [0]
        end = ends[-1] if ends[-1] > 0 else _LONGEST_BLOCK
        yield text[:end]
        text = text[end:]
    if text.strip():
        yield text


def split_sentences(text: str) -> list[str]:
    """The sentences of a normalised text, in which abbreviations have no full stops left but initials do (`J. Smith`).

    Nothing is lost: joined by spaces, the sentences are the text.
    """
    sentences: list[str] = []
    start = 0
    for end in _END.finditer(text):
        if _is_end(text[start : end.end(1)], text[end.end() : end.end() + 30]):
            sentences.append(text[start : end.end(1)].strip())
            start = end.end()
    rest = text[start:].strip()
    return [*sentences, rest] if rest else sentences


def _is_end(before: str, after: str) -> bool:
    if before[-1] != "." and after[0].islower():
        return False  # "stop!" she cried
    initial = _INITIAL.search(before)
    if not initial:
        return True
    word = _FIRST_WORD.match(after)
    begins = word is not None and word[0][0].isupper() and word[0].lower() in STARTERS
    ended = initial[1] == "I" and re.search(r"[a-z] I\.$", before) is not None  # it was I.
    return begins or ended
