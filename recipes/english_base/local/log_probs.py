#!/usr/bin/env python3
"""Keeps what a recogniser's graph says of recordings, so that `speechnar lm tune` can decode it again and again.

python local/log_probs.py RECOGNIZER_DIR TABLE.tsv OUT_DIR
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
from tqdm import tqdm

from speechnar import audio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("recognizer", "table", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    session = onnxruntime.InferenceSession(str(args.recognizer / "model.onnx"), providers=["CPUExecutionProvider"])
    args.out.mkdir(parents=True, exist_ok=True)
    for row in tqdm(args.table.read_text(encoding="utf-8").splitlines(), unit="utt", disable=None):
        utt_id, _, path, _ = row.split("\t")
        wav = audio.read(path, 16000)[0]
        np.save(args.out / f"{utt_id}.npy", session.run(["log_probs"], {"wav": wav[None]})[0][0].astype(np.float16))


if __name__ == "__main__":
    main()
