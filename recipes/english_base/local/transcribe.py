#!/usr/bin/env python3
"""Transcribes the recordings of a table, on one thread, and says how fast.

    python local/transcribe.py RECOGNIZER_DIR TABLE.tsv OUT_DIR [--beam N]

OUT_DIR gets ref.tsv and hyp.tsv (utt_id<TAB>text) for `speechnar evaluate wer`, and utt2spk.
"""

import argparse
import time
from pathlib import Path

import soundfile
from tqdm import tqdm

import speechnar


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("recognizer", "table", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--beam", type=int)
    args = parser.parse_args()
    recognizer = speechnar.load_recognizer(args.recognizer, threads=1)
    rows = [row.split("\t") for row in args.table.read_text(encoding="utf-8").splitlines()]
    recognizer.transcribe(rows[0][2], beam=args.beam)  # warm
    heard, started = {}, time.perf_counter()
    for utt_id, _, path, _ in tqdm(rows, unit="utt", disable=None):
        heard[utt_id] = recognizer.transcribe(path, beam=args.beam).text
    taken, seconds = time.perf_counter() - started, sum(soundfile.info(row[2]).duration for row in rows)
    args.out.mkdir(parents=True, exist_ok=True)
    files = {
        "ref.tsv": (f"{utt_id}\t{text}\n" for utt_id, _, _, text in rows),
        "hyp.tsv": (f"{utt_id}\t{text}\n" for utt_id, text in heard.items()),
        "utt2spk": (f"{utt_id} {speaker}\n" for utt_id, speaker, _, _ in rows),
    }
    for name, lines in files.items():
        (args.out / name).write_text("".join(lines), encoding="utf-8")
    print(f"{seconds:.0f} s of audio in {taken:.1f} s, RTF {taken / seconds:.4f}, one thread")


if __name__ == "__main__":
    main()
