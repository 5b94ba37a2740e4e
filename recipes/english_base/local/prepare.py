#!/usr/bin/env python3
"""Turn the corpora into Lhotse manifests, one a split.

    python local/prepare.py CORPORA_DIR OUT_DIR [--jobs N]

CORPORA_DIR holds the corpora as published: LibriSpeech/, an4/, cmu_us_{slt,bdl}_arctic/, kathleen/, LJSpeech-1.1/, at
any depth. OUT_DIR gets {train,dev,test_other,test_read}.jsonl.gz.

Splits: of LibriSpeech's training part every 12th speaker is dev, and test-other is a test; the sentences that Arctic's
and Kathleen's speakers share go by prompt: arctic_b0440 to b0489 are dev, b0490 and above are the test of read speech.
LJSpeech's last 45 utterances and AN4's test set are in no split.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from speechnar.data.corpora import Entry, Found, import_corpus, read_arctic, read_ljspeech
from speechnar.data.manifest import save_cuts

SPLITS = ("train", "dev", "test_other", "test_read")
LJSPEECH_LEFT_OUT = 45
DEV_SPEAKERS = 12
"""One of so many LibriSpeech speakers is dev."""


def librispeech(folder: Path) -> Iterator[tuple[str, Entry]]:
    train: list[Entry] = []
    for path in sorted(folder.rglob("*.trans.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            utt_id, text = line.split(" ", 1)
            entry = Entry(utt_id, path.with_name(f"{utt_id}.flac"), text, utt_id.split("-")[0])
            if "test-other" in path.parts:
                yield "test_other", entry
            else:
                train.append(entry)
    held_out = sorted({entry.speaker for entry in train})[::DEV_SPEAKERS]
    for entry in train:
        yield ("dev" if entry.speaker in held_out else "train"), entry


def an4(folder: Path) -> Iterator[tuple[str, Entry]]:
    ids = (folder / "etc" / "an4_train.fileids").read_text().split()
    lines = (folder / "etc" / "an4_train.transcription").read_text().splitlines()
    for path, line in zip(ids, lines):
        text = re.match(r"<s>(.*)</s>", line)[1]
        yield "train", Entry(Path(path).name, folder / "wav" / f"{path}.wav", text, Path(path).parent.name)


def by_prompt(entries: list[Entry]) -> Iterator[tuple[str, Entry]]:
    """Split the prompts of CMU Arctic; their names begin with the speaker's then."""
    for entry in entries:
        number = int(entry.utt_id[8:]) if entry.utt_id.startswith("arctic_b") else 0
        split = "train" if number < 440 else "dev" if number < 490 else "test_read"
        yield split, replace(entry, utt_id=f"{entry.speaker}_{entry.utt_id}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()

    def folder(name: str, inside: str) -> Path:
        found = [path for path in args.corpora.rglob(name) if (path / inside).exists()]
        if not found:
            parser.error(f"there is no {name} with {inside} in it below {args.corpora}")
        return min(found, key=lambda path: len(path.parts))

    ljspeech = read_ljspeech(folder("LJSpeech-1.1", "metadata.csv"), "lj").entries
    rows = [
        *librispeech(folder("LibriSpeech", "train-clean-100")),
        *an4(folder("an4", "etc/an4_train.fileids")),
        *by_prompt(read_arctic(folder("cmu_us_slt_arctic", "etc/txt.done.data"), "slt").entries),
        *by_prompt(read_arctic(folder("cmu_us_bdl_arctic", "etc/txt.done.data"), "bdl").entries),
        *by_prompt(read_ljspeech(folder("kathleen", "metadata.csv"), "kathleen").entries),
        *(("train", entry) for entry in ljspeech[:-LJSPEECH_LEFT_OUT]),
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    for name in SPLITS:
        entries = [
            replace(entry, text=" ".join(entry.text.split())) for split, entry in rows if split == name if entry.text
        ]
        imported = import_corpus(Found(entries, []), jobs=args.jobs)
        for problem in imported.problems:
            print(f"{problem.utt_id}: {problem.detail}: left out")
        save_cuts(imported.cuts, args.out / f"{name}.jsonl.gz")
        print(f"{name}: {len(imported.cuts)} utterances, {sum(cut.duration for cut in imported.cuts) / 3600:.2f} h")


if __name__ == "__main__":
    main()
