#!/usr/bin/env python3
"""Turn the corpus (wav/*.wav or *.flac, phones/*.json, metadata.csv) into Lhotse cuts and a list of texts a split.

    python local/prepare.py CORPUS_DIR [CORPUS_DIR ...] OUT_DIR

The split goes by the prompt, as in the corpora that share these prompts: CMU Arctic arctic_b0440 to b0489 and the
Harvard sentences above 600 and LJSpeech chapters above LJ039 are kept out of training, and of the training prompts
every fortieth is held out as dev.
"""

import argparse
import json
import re
from pathlib import Path

from lhotse import CutSet, Recording, SupervisionSegment
from tqdm import tqdm


def is_test_prompt(utt_id: str) -> bool:
    """Return True for the sentences on which voices are evaluated."""
    arctic = re.fullmatch(r"arctic_b(\d{4})", utt_id)
    harvard = re.fullmatch(r"harvard_?(\d+)", utt_id)
    ljspeech = re.match(r"LJ(\d{3})-", utt_id)
    return bool(
        (arctic and int(arctic[1]) >= 440)
        or (harvard and int(harvard[1]) > 600)
        or (ljspeech and int(ljspeech[1]) > 39)
    )


def cut_of(record: dict, audio: Path):
    """Return a cut whose supervision has phones, durations (frames), lead, trail and F0 (Hz per frame)."""
    recording = Recording.from_file(audio, recording_id=record["utt_id"])
    cut = recording.to_cut()
    cut.id = record["utt_id"]
    supervision = SupervisionSegment(
        id=record["utt_id"], recording_id=record["utt_id"], start=0, duration=recording.duration, text=record["text"],
        language="en-us", speaker="heart",
        custom={key: record[key] for key in ("phones", "durations", "lead", "trail", "f0")},
    )  # fmt: skip
    cut.supervisions = [supervision]
    return cut


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    cuts = {}
    paths = [path for corpus in args.corpus for path in sorted((corpus / "phones").glob("*.json"))]
    if not paths:
        parser.error(f"no phones/*.json below {', '.join(map(str, args.corpus))}")
    for path in tqdm(paths, desc="prepare", unit="utt"):
        record = json.loads(path.read_text(encoding="utf-8"))
        audio = next((path.parents[1] / "wav").glob(f"{path.stem}.*"), None)
        if audio is None:
            parser.error(f"{path} has no wav/{path.stem}.wav or .flac beside its folder")
        if not is_test_prompt(path.stem):
            cuts[path.stem] = cut_of(record, audio)
    args.out.mkdir(parents=True, exist_ok=True)
    names = sorted(cuts)
    dev = set(names[::40])
    for split in ("train", "dev"):
        chosen = [cuts[name] for name in names if (name in dev) == (split == "dev")]
        CutSet.from_cuts(chosen).to_file(args.out / f"{split}.jsonl.gz")
        lines = (f"{cut.id}\t{cut.supervisions[0].text}\n" for cut in chosen)
        (args.out / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
        print(f"{split}: {len(chosen)} utterances, {sum(c.duration for c in chosen) / 3600:.2f} h")


if __name__ == "__main__":
    main()
