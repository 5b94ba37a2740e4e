#!/usr/bin/env python3
"""Transcribe the utterances of a manifest with a recognizer, on one thread, and print the real-time factor.

    python transcribe.py RECOGNIZER_DIR CUTS OUT_FILE

OUT_FILE gets `UTT text` a line, for `speechnar evaluate wer`.
"""

import argparse
import time
from pathlib import Path

from tqdm import tqdm

import speechnar
from speechnar.data.manifest import load_cuts, read_wav


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("recognizer", "cuts", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    recognizer = speechnar.load_recognizer(args.recognizer, threads=1)
    rate = recognizer.sample_rate
    lines, taken, seconds = [], 0.0, 0.0
    for cut in tqdm(load_cuts(args.cuts), "transcribe", unit="utt"):
        wav = read_wav(cut, rate)
        if not lines:
            recognizer.transcribe(wav, rate)  # the first call is slower, and not measured
        started = time.perf_counter()
        text = recognizer.transcribe(wav, rate).text
        taken, seconds = taken + time.perf_counter() - started, seconds + len(wav) / rate
        lines.append(f"{cut.id} {text}\n")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("".join(lines), encoding="utf-8")
    print(f"{seconds:.0f} s of audio in {taken:.1f} s, RTF {taken / seconds:.4f}, one thread")


if __name__ == "__main__":
    main()
