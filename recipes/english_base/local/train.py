#!/usr/bin/env python3
"""Trains the draft or the decoder on encoded recordings, or goes on from its last checkpoint.

python local/train.py CONFIG.yaml START_DIR ENCODED_DIR OUT_DIR
"""

import argparse
from pathlib import Path

from speechnar import config
from speechnar.tasks.speculative import WhisperTraining, train_whisper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("config", "start", "encoded", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    train_whisper(config.load(WhisperTraining, args.config), args.start, args.encoded, args.out)


if __name__ == "__main__":
    main()
