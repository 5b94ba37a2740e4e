#!/usr/bin/env python3
"""Lets a voice read the sentences of a manifest into wav files, and prints how long that took.

    python local/evaluate.py VOICE CUTS OUT_DIR [--threads N]

RTF is the time it took over the seconds of audio it made.
"""

import argparse
import time
from pathlib import Path

import soundfile
from lhotse import CutSet
from tqdm import tqdm

import speechnar


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voice")
    parser.add_argument("cuts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    voice = speechnar.load_voice(args.voice, threads=args.threads)
    cuts = list(CutSet.from_file(args.cuts))
    voice.synthesize("The first sentence takes longer, and is not counted.")
    took = seconds = 0.0
    for cut in tqdm(cuts, desc="evaluate", unit="utt"):
        begin = time.perf_counter()
        speech = voice.synthesize(cut.supervisions[0].text)
        took += time.perf_counter() - begin
        seconds += len(speech.wav) / speech.sample_rate
        soundfile.write(args.out / f"{cut.id}.wav", speech.wav, speech.sample_rate)
    print(f"{len(cuts)} sentences, {seconds:.1f} s of audio, RTF {took / seconds:.4f} with {args.threads} thread(s)")


if __name__ == "__main__":
    main()
