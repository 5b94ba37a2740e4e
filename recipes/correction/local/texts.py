#!/usr/bin/env python3
"""Write the sentences of texts as a recognizer writes them, a sentence a line, for `speechnar lm train`.

    python local/texts.py OUT.txt --texts PATH... --held-out TSV...

A text is a UTF-8 file, or a folder of them: plain text, Markdown, or Tatoeba's lines of sentences and translations. A
file that has seven words in a row of a held-out recording, whose words are in a TSV file of recognize.py, is left out.
"""

import argparse
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from speechnar.files import atomic_write
from speechnar.text.marked_word import OPAQUE, plain

IN_A_ROW = 7  # words that two texts do not share by chance
WORDS = (3, 40)  # of a sentence

cached_plain = functools.cache(plain)


def plain_words(text: str) -> list[str]:
    """Return the words of a text in small letters, without marks."""
    text = re.sub(r"--+|[\u2013\u2014]", " ", text)
    return [word for word in map(cached_plain, text.split()) if word]


def sentences_of(path: Path) -> Iterator[list[str]]:
    """Yield the words of the sentences of a file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.split("\t")[0]
        if line.startswith(("#", "|", ">", "[", "!", "<")):
            continue
        line = re.sub(r"[*_`\\]|\[\^?\d+\]|\(http\S*\)", "", line)
        for sentence in re.split(r"(?<=[.!?;:])[\"'\u201d\u2019)]*\s+", line):
            words = plain_words(sentence)
            if WORDS[0] <= len(words) <= WORDS[1] and words.count(OPAQUE) * 4 < len(words):
                yield words


def rows_of(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[n : n + IN_A_ROW]) for n in range(len(words) - IN_A_ROW + 1)}


def files_of(paths: Iterable[Path]) -> list[Path]:
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [file for file in files if file.suffix in (".txt", ".md")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--texts", type=Path, nargs="+", required=True)
    parser.add_argument("--held-out", type=Path, nargs="+", required=True)
    args = parser.parse_args()
    said = (line.split("\t")[3] for path in args.held_out for line in path.read_text("utf-8").splitlines())
    held_out = {row for text in said for row in rows_of(plain_words(text.lower()))}
    sentences: set[str] = set()
    left_out = []
    for file in files_of(args.texts):
        found = list(sentences_of(file))
        if any(not held_out.isdisjoint(rows_of(words)) for words in found):
            left_out.append(file.name)
        else:
            sentences |= {" ".join("<unk>" if word == OPAQUE else word for word in words) for words in found}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(args.out) as part:
        part.write_text("".join(f"{sentence}\n" for sentence in sorted(sentences)), encoding="utf-8")
    print(f"{len(sentences)} sentences; files that are left out: {', '.join(left_out) or 'none'}")


if __name__ == "__main__":
    main()
