#!/usr/bin/env python3
"""Runs the encoder over the recordings, once for each copy that the training config asks for.

    python local/encode.py CONFIG.yaml START_DIR DATA_DIR OUT_DIR

DATA_DIR holds dev.tsv and the tables of the copies; OUT_DIR gets train-0, train-1 ... and dev. What is
there and newer than its table and the model is kept.
"""

import argparse
from pathlib import Path

from speechnar import config
from speechnar.infer.encoder_cache import CopyConfig, encode
from speechnar.tasks.speculative import WhisperTraining


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("config", "start", "data", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    training = config.load(WhisperTraining, args.config)
    work = [("dev", args.data / "dev.tsv", CopyConfig())]
    work += [(f"train-{n}", args.data / f"{copy.table}.tsv", copy) for n, copy in enumerate(training.copies)]
    for seed, (name, table, copy) in enumerate(work):
        made, sources = args.out / f"{name}.json", (table, args.start / "model.safetensors")
        if not made.exists() or made.stat().st_mtime < max(path.stat().st_mtime for path in sources):
            encode(args.start, table, args.out / name, copy, seed)


if __name__ == "__main__":
    main()
