#!/usr/bin/env python3
"""Turn LibriSpeech, laid out as published, into Lhotse manifests and Kaldi-style transcripts, one of each a part.

    python local/prepare.py LIBRISPEECH_DIR OUT_DIR [--jobs N]

LIBRISPEECH_DIR holds the parts (train-clean-100, dev-clean, test-other ...) or some of them. `train` joins the training
parts; `train-clean-100` is written by itself too. Dev is dev-clean and dev-other; where they are missing, the last
tenth of the training speakers is held out.
"""

import argparse
from pathlib import Path

from lhotse import CutSet
from lhotse.recipes import prepare_librispeech


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    if not any(args.corpus.glob("train-*")):
        parser.error(f"{args.corpus} has no part train-*: give the folder `LibriSpeech` of the unpacked corpus")
    parts = prepare_librispeech(args.corpus, normalize_text="lower", num_jobs=args.jobs)
    cuts = {
        name: CutSet.from_manifests(recordings=part["recordings"], supervisions=part["supervisions"]).to_eager()
        for name, part in parts.items()
    }
    for cut in (cut for part in cuts.values() for cut in part):
        cut.id = cut.supervisions[0].id
    training = [cut for name, part in sorted(cuts.items()) if name.startswith("train-") for cut in part]
    dev = [cut for name, part in sorted(cuts.items()) if name.startswith("dev-") for cut in part]
    if not dev:
        speakers = sorted({cut.supervisions[0].speaker for cut in training})
        held = set(speakers[-max(1, len(speakers) // 10) :])
        dev = [cut for cut in training if cut.supervisions[0].speaker in held]
        training = [cut for cut in training if cut.supervisions[0].speaker not in held]
    kept = {cut.id for cut in training}
    splits = {"train": training, "dev": dev}
    splits["train-clean-100"] = [cut for cut in cuts.get("train-clean-100", ()) if cut.id in kept]
    splits |= {name: list(part) for name, part in cuts.items() if name.startswith("test-")}
    args.out.mkdir(parents=True, exist_ok=True)
    for name, chosen in splits.items():
        if not chosen:
            continue
        CutSet.from_cuts(chosen).to_file(args.out / f"{name}.jsonl.gz")
        lines = [f"{cut.id} {cut.supervisions[0].text}\n" for cut in chosen]
        (args.out / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
        print(f"{name}: {len(chosen)} utterances, {sum(cut.duration for cut in chosen) / 3600:.2f} h")


if __name__ == "__main__":
    main()
