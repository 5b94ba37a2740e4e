#!/usr/bin/env python3
"""Turn AN4, laid out as published, into Lhotse manifests and Kaldi-style transcripts: train, dev and test.

    python local/prepare.py AN4_DIR OUT_DIR

AN4_DIR holds `etc/an4_{train,test}.{fileids,transcription}` and `wav/` with .wav, or the .sph of the original release.
Dev has the utterances of the last five training speakers, who are not in training then, as those of test are not.
"""

import argparse
import re
from pathlib import Path

from lhotse import CutSet, Recording, SupervisionSegment
from tqdm import tqdm

DEV_SPEAKERS = 5


def transcripts(path: Path) -> dict[str, str]:
    """Return lower-case texts by utterance name, from lines such as `<s> YES </s> (an251-fash-b)`."""
    texts = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        found = re.fullmatch(r"(?:<s>)?(.*?)(?:</s>)?\s*\((\S+)\)", line.strip())
        if not found:
            raise SystemExit(f"{path}: {line!r} should be a text and, in brackets, the utterance")
        texts[found[2]] = " ".join(found[1].lower().split())
    return texts


def cuts_of(corpus: Path, split: str) -> CutSet:
    """Return the cuts of `train` or `test`, named speaker-utterance."""
    texts = transcripts(corpus / "etc" / f"an4_{split}.transcription")
    cuts = []
    for line in tqdm((corpus / "etc" / f"an4_{split}.fileids").read_text().split(), desc=split, unit="utt"):
        name, speaker = Path(line).name, Path(line).parent.name
        audio = next((path for end in (".wav", ".sph") if (path := corpus / "wav" / f"{line}{end}").exists()), None)
        if audio is None:
            raise SystemExit(f"{corpus}/wav/{line} has neither .wav nor .sph")
        utt_id = f"{speaker}-{name}"
        cut = Recording.from_file(audio, recording_id=utt_id).to_cut()
        cut.id = utt_id
        cut.supervisions = [
            SupervisionSegment(utt_id, utt_id, 0, cut.duration, text=texts[name], language="en-us", speaker=speaker)
        ]
        cuts.append(cut)
    return CutSet.from_cuts(cuts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    if not (args.corpus / "etc").is_dir():
        parser.error(f"{args.corpus} has no folder etc: give the folder `an4` of the unpacked corpus")
    args.out.mkdir(parents=True, exist_ok=True)
    training, test = cuts_of(args.corpus, "train"), cuts_of(args.corpus, "test")
    dev_speakers = sorted({cut.supervisions[0].speaker for cut in training})[-DEV_SPEAKERS:]
    splits = {
        "train": training.filter(lambda cut: cut.supervisions[0].speaker not in dev_speakers),
        "dev": training.filter(lambda cut: cut.supervisions[0].speaker in dev_speakers),
        "test": test,
    }
    for split, cuts in splits.items():
        cuts = cuts.to_eager()
        cuts.to_file(args.out / f"{split}.jsonl.gz")
        lines = [f"{cut.id} {cut.supervisions[0].text}\n" for cut in cuts]
        (args.out / f"{split}.txt").write_text("".join(lines), encoding="utf-8")
        print(f"{split}: {len(cuts)} utterances, {sum(cut.duration for cut in cuts) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
