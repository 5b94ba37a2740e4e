#!/usr/bin/env python3
"""Write the pairs of Multi30k's task 1 (translation of picture descriptions) as one file for each set.

    python local/prepare.py CORPUS_DIR DATA_DIR [--from de] [--download]

CORPUS_DIR has the files of data/task1/raw in github.com/multi30k/dataset; `--download` fetches those it lacks. Writes
DATA_DIR/{train,dev,test}.tsv, `source<TAB>target` lines; test is test_2016_flickr.
"""

import argparse
import gzip
import urllib.request
from pathlib import Path

from speechnar.files import atomic_write

URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"
SETS = {"train": "train", "dev": "val", "test": "test_2016_flickr"}


def lines_of(path: Path) -> list[str]:
    """Read a packed file, spaces at the ends of lines and between words made one."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return [" ".join(line.split()) for line in file]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder of train.en.gz, train.de.gz ...")
    parser.add_argument("data", type=Path)
    parser.add_argument("--from", dest="source", choices=("en", "de"), default="en", help="language of the sources")
    parser.add_argument("--download", action="store_true", help="fetch the files that the folder lacks")
    args = parser.parse_args()
    order = ("en", "de") if args.source == "en" else ("de", "en")
    sides: dict[str, list[list[str]]] = {}
    for name, stem in SETS.items():
        sides[name] = []
        for language in order:
            path = args.corpus / f"{stem}.{language}.gz"
            if args.download and not path.exists():
                try:
                    with urllib.request.urlopen(URL + path.name, timeout=60) as answer:
                        packed = answer.read()
                except OSError as error:
                    parser.error(f"cannot download {URL}{path.name} ({error}): give --corpus, the folder that has it")
                with atomic_write(path) as part:
                    part.write_bytes(packed)
            if not path.exists():
                parser.error(f"there is no {path}: take it from data/task1/raw of github.com/multi30k/dataset")
            sides[name].append(lines_of(path))
        if len(sides[name][0]) != len(sides[name][1]):
            parser.error(f"{stem}.en.gz and {stem}.de.gz differ in their numbers of lines: download them again")
    args.data.mkdir(parents=True, exist_ok=True)
    for name, (sources, targets) in sides.items():
        pairs = [f"{source}\t{target}\n" for source, target in zip(sources, targets) if source and target]
        with atomic_write(args.data / f"{name}.tsv") as part:
            part.write_text("".join(pairs), encoding="utf-8")
        print(f"{name}: {len(pairs)} pairs")


if __name__ == "__main__":
    main()
