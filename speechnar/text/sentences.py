"""Split text into blocks, lazily, so that a book starts to speak at once; and normalized blocks into sentences.

How lines and paragraphs are read:

- An empty line, a form feed or the end of an HTML block (`</p>`, `</h1>` ...) ends a paragraph: `PARAGRAPH_PAUSE`.
- A line that had room for the next line's first word, before a line that begins with a capital, ends by itself, and so
  does an item of a list, a row of a table, a line of code and each line of a paragraph that has no line of more than
  three words: headings, lists, addresses and verses. It is read with a full stop and `LINE_PAUSE`. A line that ends in
  a comma or a semicolon runs on, as in verse.
- All other lines are joined. A word that is divided at a line's end is joined without its hyphen (`exam-`, `ple`), but
  keeps it where the first part forms compounds (`well-`, `known`).
- SSML's `<break time="500ms"/>` and `<break strength="strong"/>` are pauses of that length, together at most
  `LONGEST_BREAK`. A break before any word is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from speechnar.text.markup import strip_blocks
from speechnar.text.match_context import STARTERS

SENTENCE_PAUSE, LINE_PAUSE, PARAGRAPH_PAUSE = 0.1, 0.3, 0.5
"""Seconds after a sentence, a line and a paragraph, beside the silence that every utterance has at its ends."""
LONGEST_BREAK = 10.0  # seconds
_STRENGTHS = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.8, "x-strong": 1.2}  # seconds

_LONGEST_BLOCK = 2000  # characters
_BREAK = re.compile(r"<break\b([^<>]{0,80}?)/?>(?:\s*</break>)?", re.I)
_BREAK_TIME = re.compile(r"\btime\s*=\s*[\"']?\+?(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})\s*(ms|s)\b", re.I)
_BREAK_STRENGTH = re.compile(r"\bstrength\s*=\s*[\"']?([a-z-]+)", re.I)
_BULLET = re.compile(r"(?:[-*•‣◦▪–—|]|#{1,6}|\(?(?:\d{1,3}|[ivx]{1,5})[.)])\s+(?=\S)")
_OPENING = "\"'“‘«([*_¿¡"
_NARROW = 40  # characters; running text is wrapped no narrower
_FEW = 3  # words; a paragraph whose lines all have no more is a list
_DIVIDED = re.compile(r"[^\W\d_]-$")
_COMPOUND = re.compile(
    r"(?:^|[^\w-])(?:self|well|non|half|mother|father|brother|sister|daughter|cross|twenty|thirty|forty|fifty|sixty|seventy"
    r"|eighty|ninety|\w|\w+-\w+)-$",
    re.I,
)
_SAFE_CUT = re.compile(r"(?<=[a-z]{4}[.?!])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z])")
_END = re.compile(r"([.?!…]+)\s+(?=\S)")
_INITIAL = re.compile(r"(?:^|[\s(.])([A-Z])\.$")
_FIRST_WORD = re.compile(r"[A-Za-z']+")


@dataclass(frozen=True)
class Block:
    """Raw text that is normalized at one go: a paragraph, a heading, an item of a list, a part of a long paragraph.

    Attributes:
        text: the text on one line.
        pause: seconds of silence after it.
        end: the pause mark that it is read with where it has none: `.` at the end of a line, `,` before a break, and
            nothing where a long paragraph was cut.
    """

    text: str
    pause: float
    end: str


def split_blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a text, by the rules at the top of this file."""
    text = strip_blocks(text.replace("\r\n", "\n").replace("\r", "\n"))
    start = 0
    held: Block | None = None
    for found in _BREAK.finditer(text):
        blocks = list(_blocks(text[start : found.start()]))
        start = found.end()
        if blocks:
            yield from _before_break(held, blocks[0])
            yield from blocks[:-1]
            held = replace(blocks[-1], pause=_seconds(found[1]))
        elif held:
            held = replace(held, pause=min(LONGEST_BREAK, held.pause + _seconds(found[1])))
    for block in _blocks(text[start:]):
        yield from _before_break(held, block)
        held = None
        yield block
    if held:
        yield held


def _before_break(block: Block | None, following: Block) -> Iterator[Block]:
    """Yield the block before a break, with a comma at its end where the sentence goes on."""
    if block:
        yield replace(block, end="," if following.text[0].islower() else ".")


def _blocks(text: str) -> Iterator[Block]:
    for paragraph in _paragraphs(text):
        items = list(_items(paragraph))
        for n, item in enumerate(items):
            parts = list(_cut(item))
            for k, part in enumerate(parts):
                if k < len(parts) - 1:
                    yield Block(part, SENTENCE_PAUSE, "")
                else:
                    yield Block(part, PARAGRAPH_PAUSE if n == len(items) - 1 else LINE_PAUSE, ".")


def _seconds(attributes: str) -> float:
    """Return the length of an SSML break; without a time it is of medium strength."""
    time = _BREAK_TIME.search(attributes)
    if time:
        return min(LONGEST_BREAK, float(time[1]) / (1000 if time[2].lower() == "ms" else 1))
    strength = _BREAK_STRENGTH.search(attributes)
    return _STRENGTHS.get(strength[1].lower() if strength else "medium", _STRENGTHS["medium"])


def _paragraphs(text: str) -> Iterator[str]:
    start = 0
    for gap in re.finditer(r"\n[^\S\n]*\n\s*|[\f\u2029]+", text):
        yield text[start : gap.start()]
        start = gap.end()
    yield text[start:]


def _items(paragraph: str) -> Iterator[str]:
    """Join wrapped lines, and keep apart those that had room for the next word: headings, items, verses."""
    lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
    width = max([_NARROW, *map(len, lines)])
    listed = len(lines) > 2 and all(len(line.split()) <= _FEW and not _BULLET.match(line) for line in lines)
    item = ""
    for last, line in zip(["", *lines], lines):
        had_room = len(last) + 1 + len(line.split(maxsplit=1)[0]) <= width
        runs_on = last[-1:] in (",", ";") or _DIVIDED.search(last[-2:])
        begins = had_room and not runs_on and (listed or _begins(line, last))
        if item and (begins or _BULLET.match(line)):
            yield item
            item = line
        else:
            item = _joined(item, line)
    if item:
        yield item


def _begins(line: str, last: str) -> bool:
    """Tell whether a line begins something new: with a capital, or with a number where the line before did."""
    first = line.lstrip(_OPENING)[:1]
    return first.isupper() or first.isdecimal() and (last[:1].isdecimal() or last[-1:] == ":")


def _joined(item: str, line: str) -> str:
    if item.endswith("\u00ad"):
        return item[:-1] + line
    if _DIVIDED.search(item[-2:]) and line[0].isalpha():
        return item + line if line[0].isupper() or _COMPOUND.search(item[-40:]) else item[:-1] + line
    return f"{item} {line}" if item else line


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
    """Return the sentences of a normalized text, where only initials have full stops of their own left (`J. Smith`).

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
