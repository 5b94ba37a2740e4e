#!/usr/bin/env python3
"""Decode the clips to wav and write Lhotse cuts: two utterances to validate on, the others to train on.

python local/prepare.py CLIPS_DIR OUT_DIR
"""

import argparse
import json
from pathlib import Path

import soundfile
from lhotse import CutSet, Recording, SupervisionSegment

DEV = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    (args.out / "wav").mkdir(parents=True, exist_ok=True)
    cuts = []
    for path in sorted(args.clips.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        wav, sample_rate = soundfile.read(path.with_suffix(".opus"), dtype="float32")
        audio = args.out / "wav" / f"{path.stem}.wav"
        soundfile.write(audio, wav, sample_rate)
        recording = Recording.from_file(audio, recording_id=path.stem)
        cut = recording.to_cut()
        cut.id = path.stem
        cut.supervisions = [
            SupervisionSegment(
                id=path.stem, recording_id=path.stem, start=0, duration=recording.duration, text=record["text"],
                custom={key: record[key] for key in ("phones", "durations", "lead", "trail", "f0")},
            )
        ]  # fmt: skip
        cuts.append(cut)
    for split, chosen in (("train", cuts[DEV:]), ("dev", cuts[:DEV])):
        CutSet.from_cuts(chosen).to_file(args.out / f"{split}.jsonl.gz")
        print(f"{split}: {len(chosen)} utterances, {sum(c.duration for c in chosen):.1f} s")


if __name__ == "__main__":
    main()
