#!/usr/bin/env python3
"""Split CMUdict into training, dev and test words, with no plural or possessive of one set's words in another.

    python local/prepare.py CMUDICT DATA_DIR

Words are those of letters and apostrophes. A hash of the stem, which is the word without the endings of plurals and
possessives, chooses the set, so that a word is in the same set in each version of the dictionary.

Writes DATA_DIR/{train,dev,test}.tsv: `letters<TAB>phones` lines, tokens with spaces between them, one line for each
pronunciation. Phones are those of the package's English voices.
"""

import argparse
import re
import zlib
from pathlib import Path

from speechnar.files import atomic_write
from speechnar.score.arpabet import to_phones

SHARES = {"test": 5, "dev": 2}
"""Percent of the stems in each held-out set."""

_ENTRY = re.compile(r"([a-z][a-z']*)(?:\(\d+\))?\s+(.+)")


def read_cmudict(path: Path) -> dict[str, list[tuple[str, ...]]]:
    """Return the pronunciations of each word, the usual one first.

    Raises:
        ValueError: there are none.
    """
    words: dict[str, list[tuple[str, ...]]] = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        entry = _ENTRY.fullmatch(line.split("#")[0].strip().lower())
        phones = to_phones(entry[2].split()) if entry else None
        if entry and phones and phones not in words.setdefault(entry[1], []):
            words[entry[1]].append(phones)
    if not words:
        raise ValueError(f"{path} holds no `word AH0 B AE1` lines: is it cmudict.dict?")
    return words


def stem(word: str) -> str:
    """Return a word without the endings of plurals and possessives, and without a final e: `hor` for `horse's`.

    Words that share a stem by chance, such as `lens` and `len`, are only kept in one set.
    """
    while True:
        shorter = re.sub(r"'s?$", "", word)
        shorter = re.sub(r"(?<=..)ies$", "y", shorter)
        shorter = re.sub(r"(?<=..[sxz]|.[cs]h)es$|(?<=..[^s])s$|(?<=...)e$", "", shorter)
        if shorter == word:
            return word
        word = shorter


def set_of(word: str) -> str:
    """Return the name of the set that a word belongs to."""
    share = zlib.crc32(stem(word).encode()) % 100
    for name, percent in SHARES.items():
        if share < percent:
            return name
        share -= percent
    return "train"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cmudict", type=Path, help="cmudict.dict")
    parser.add_argument("data", type=Path)
    args = parser.parse_args()
    words = read_cmudict(args.cmudict)
    lines: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    numbers = dict.fromkeys(lines, 0)
    for word, pronunciations in sorted(words.items()):
        name = set_of(word)
        numbers[name] += 1
        lines[name] += [f"{' '.join(word)}\t{' '.join(phones)}\n" for phones in pronunciations]
    args.data.mkdir(parents=True, exist_ok=True)
    for name, its in lines.items():
        with atomic_write(args.data / f"{name}.tsv") as part:
            part.write_text("".join(its), encoding="utf-8")
        print(f"{name}: {numbers[name]} words, {len(its)} pronunciations")


if __name__ == "__main__":
    main()
