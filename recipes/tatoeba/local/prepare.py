#!/usr/bin/env python3
"""Split Tatoeba's German-English pairs into training, dev and test sets without twins.

    python local/prepare.py ARCHIVE DATA_DIR [--from eng] [--max-words 24]

A sentence stands in several pairs, and may differ from another in no more than a mark or a capital. Two pairs that
share a sentence on either side, capitals, marks and spaces apart, are of one group, and so are those that a chain of
such pairs joins. A whole group is in one set, so no sentence of dev or test has a twin in training on either side. Dev
and test have one pair of each of their groups; training has all.

Writes DATA_DIR/{train,dev,test}.tsv, `source<TAB>target` lines.
"""

import argparse
import random
import unicodedata
import zipfile
from collections import defaultdict
from pathlib import Path

from speechnar.files import atomic_write

SETS = {"test": 2000, "dev": 1000}
"""Groups of each held-out set."""
LARGEST = 5
"""Pairs of the largest group that dev and test are drawn from: larger ones are short phrases with many translations."""


def plain(text: str) -> str:
    """Return a sentence without capitals, marks, spaces and accents of the same letter."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def groups_of(pairs: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Return the pairs in groups that share no sentence with each other."""
    parent: dict[tuple[int, str], tuple[int, str]] = {}

    def root(node: tuple[int, str]) -> tuple[int, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    nodes = [((0, plain(source)), (1, plain(target))) for source, target in pairs]
    for source, target in nodes:
        parent[root(source)] = root(target)
    found = defaultdict(list)
    for pair, (source, _) in zip(pairs, nodes):
        found[root(source)].append(pair)
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="deu-eng.zip of manythings.org/anki")
    parser.add_argument("data", type=Path)
    parser.add_argument("--from", dest="source", choices=("deu", "eng"), default="deu", help="language of the sources")
    parser.add_argument(
        "--max-words", type=int, default=24, metavar="N", help="of a sentence; longer pairs are left out"
    )
    args = parser.parse_args()
    with zipfile.ZipFile(args.archive) as archive:
        lines = archive.read("deu.txt").decode("utf-8").splitlines()
    pairs = []
    for line in lines:
        english, german = (" ".join(text.split()) for text in line.split("\t")[:2])
        if max(len(english.split()), len(german.split())) <= args.max_words and plain(english) and plain(german):
            pairs.append((german, english) if args.source == "deu" else (english, german))
    pairs = sorted(set(pairs))
    groups = groups_of(pairs)
    draw = random.Random(0)
    small = [group for group in groups if len(group) <= LARGEST]
    draw.shuffle(small)
    sets: dict[str, list[tuple[str, str]]] = {}
    for name, number in SETS.items():
        sets[name] = [draw.choice(group) for group in small[:number]]
        small = small[number:]
    sets["train"] = [pair for group in groups if len(group) > LARGEST for pair in group]
    sets["train"] += [pair for group in small for pair in group]
    draw.shuffle(sets["train"])
    args.data.mkdir(parents=True, exist_ok=True)
    for name, chosen in sets.items():
        with atomic_write(args.data / f"{name}.tsv") as part:
            part.write_text("".join(f"{source}\t{target}\n" for source, target in chosen), encoding="utf-8")
    sizes = ", ".join(f"{name} {len(chosen)}" for name, chosen in sets.items())
    print(f"{len(lines)} pairs; {len(pairs)} different ones of at most {args.max_words} words, in {len(groups)} groups")
    print(f"pairs of the largest group: {max(map(len, groups))}; {sizes}")


if __name__ == "__main__":
    main()
