#!/usr/bin/env python3
"""Turn the corpus (wav/*.wav or *.flac, phones/*.json, metadata.csv) into Lhotse cuts and a list of texts a split.

    python local/prepare.py SPEAKER=CORPUS_DIR [SPEAKER=CORPUS_DIR ...] OUT_DIR

A speaker may have several corpora. Cuts are named SPEAKER-UTT.

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


def cut_of(record: dict, audio: Path, speaker: str):
    """Return a cut whose supervision has phones, durations (frames), lead, trail and F0 (Hz per frame)."""
    name = f"{speaker}-{record['utt_id']}"
    recording = Recording.from_file(audio, recording_id=name)
    cut = recording.to_cut()
    cut.id = name
    supervision = SupervisionSegment(
        id=name, recording_id=name, start=0, duration=recording.duration, text=record["text"],
        language="en-us", speaker=speaker,
        custom={key: record[key] for key in ("phones", "durations", "lead", "trail", "f0")},
    )  # fmt: skip
    cut.supervisions = [supervision]
    return cut


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", metavar="SPEAKER=CORPUS_DIR", nargs="+")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    splits: dict[str, list] = {"train": [], "dev": []}
    for corpus in args.corpus:
        speaker, _, folder = corpus.rpartition("=")
        if not speaker:
            parser.error(f"{corpus} should be SPEAKER=CORPUS_DIR, such as heart=data/corpus/heart")
        paths = sorted(path for path in Path(folder, "phones").glob("*.json") if not is_test_prompt(path.stem))
        if not paths:
            parser.error(f"no phones/*.json for training in {folder}")
        for number, path in enumerate(tqdm(paths, desc=f"prepare {speaker}", unit="utt")):
            audio = next((path.parents[1] / "wav").glob(f"{path.stem}.*"), None)
            if audio is None:
                parser.error(f"{path} has no wav/{path.stem}.wav or .flac beside its folder")
            cut = cut_of(json.loads(path.read_text(encoding="utf-8")), audio, speaker)
            splits["train" if number % 40 else "dev"].append(cut)
    args.out.mkdir(parents=True, exist_ok=True)
    for split, chosen in splits.items():
        CutSet.from_cuts(chosen).to_file(args.out / f"{split}.jsonl.gz")
        lines = (f"{cut.id}\t{cut.supervisions[0].text}\n" for cut in chosen)
        (args.out / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
        print(f"{split}: {len(chosen)} utterances, {sum(c.duration for c in chosen) / 3600:.2f} h")


if __name__ == "__main__":
    main()
