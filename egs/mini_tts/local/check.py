#!/usr/bin/env python3
"""Check the results of the run against the expected figures; exit with 1 where one is missed.

python local/check.py EXP_DIR
"""

import argparse
import json
import math
from pathlib import Path

import soundfile

ACOUSTIC_MEL = 1.0  # mean absolute error of ln magnitude; 2.7 before training, 0.87 after it
VOCODER_MEL = 2.2  # 6.2 before training, 1.6 after it
SECONDS = (1.0, 8.0)  # of two short sentences


def last_validation(log: Path, name: str) -> float:
    """Return the value of the last validation in a training log."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [line[f"validation/{name}"] for line in lines if f"validation/{name}" in line][-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exp", type=Path)
    exp = parser.parse_args().exp
    figures = [
        ("acoustic model, mel loss on dev", last_validation(exp / "acoustic" / "log.jsonl", "mel"), 0, ACOUSTIC_MEL),
        ("vocoder, mel loss on dev", last_validation(exp / "vocoder" / "log.jsonl", "mel"), 0, VOCODER_MEL),
        ("seconds of hello.wav", soundfile.info(exp / "hello.wav").duration, *SECONDS),
    ]
    missed = 0
    for name, value, low, high in figures:
        good = math.isfinite(value) and low < value < high
        missed += not good
        print(f"{'ok    ' if good else 'MISSED'} {name}: {value:.3f}, expected {low} to {high}")
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
