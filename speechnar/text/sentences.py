"""Text into blocks, lazily, so that a book starts to speak at once; and normalized blocks into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from speechnar.text.match_context import STARTERS

_LONGEST_BLOCK = 2000  # characters
_BULLET = re.compile(r"(?:[-*•‣◦▪–—]|#{1,6}|\(?\d{1,3}[.)])\s+(?=\S)")
_NARROW = 40  # characters; running text is wrapped no narrower
_SAFE_CUT = re.compile(r"(?<=[a-z]{4}[.?!])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z])")
_END = re.compile(r"([.?!…]+)\s+(?=\S)")
_INITIAL = re.compile(r"(?:^|[\s(.])([A-Z])\.$")
_FIRST_WORD = re.compile(r"[A-Za-z']+")


@dataclass(frozen=True)
class Block:
    """Raw text that is normalized at one go: a paragraph, a heading, an item of a list, a part of a long paragraph."""

    text: str
    ends_paragraph: bool


def split_blocks(text: str) -> Iterator[Block]:
    """Yields the blocks of a text: empty lines end a paragraph; a short line, before a capital, ends a block."""
    for paragraph in _paragraphs(text):
        blocks = [part for item in _items(paragraph) for part in _cut(item)]
        for n, block in enumerate(blocks):
            yield Block(block, n == len(blocks) - 1)


def _paragraphs(text: str) -> Iterator[str]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    start = 0
    for gap in re.finditer(r"\n[^\S\n]*\n\s*|[\f\u2029]+", text):
        yield text[start : gap.start()]
        start = gap.end()
    yield text[start:]


def _items(paragraph: str) -> Iterator[str]:
    """Joins wrapped lines, and keeps apart those that had room for the next word: headings, items, verses."""
    lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
    width = max([_NARROW, *map(len, lines)])
    item = ""
    for last, line in zip(["", *lines], lines):
        had_room = len(last) + 1 + len(line.split(maxsplit=1)[0]) <= width
        if item and (_BULLET.match(line) or had_room and line[0].isupper() and last[-1] not in ",;"):
            yield item
            item = ""
        item += (" " if item else "") + line
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
    """The sentences of a normalized text, in which abbreviations have no full stops left but initials do (`J. Smith`).

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
