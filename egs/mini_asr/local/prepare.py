#!/usr/bin/env python3
"""Turn the clips into Lhotse manifests and, for the test split, Kaldi-style transcripts.

python local/prepare.py CLIPS_DIR OUT_DIR
"""

import argparse
import csv
from pathlib import Path

from lhotse import CutSet, Recording, SupervisionSegment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    with open(args.clips / "transcripts.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    args.out.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        cuts = []
        for row in (row for row in rows if row["split"] == split):
            name = row["utt_id"]
            cut = Recording.from_file(args.clips / f"{name}.opus", recording_id=name).to_cut()
            cut.id = name
            cut.supervisions = [
                SupervisionSegment(name, name, 0, cut.duration, text=row["text"], speaker=row["speaker"])
            ]
            cuts.append(cut)
        CutSet.from_cuts(cuts).to_file(args.out / f"{split}.jsonl.gz")
        lines = [f"{cut.id} {cut.supervisions[0].text}\n" for cut in cuts]
        (args.out / f"{split}.txt").write_text("".join(lines), encoding="utf-8")
        print(f"{split}: {len(cuts)} utterances, {sum(cut.duration for cut in cuts):.0f} s")


if __name__ == "__main__":
    main()
