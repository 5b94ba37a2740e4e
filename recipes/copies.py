#!/usr/bin/env python3
"""Resynthesize recordings by the vocoder of a voice, from their own mel and F0, to measure the vocoder by itself.

python copies.py VOICE_DIR CUTS FEATURES_DIR OUT_DIR
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from speechnar import audio
from speechnar.data.features import load_utterance
from speechnar.data.manifest import load_cuts
from speechnar.files import safe_file_name
from speechnar.runtime import load_voice
from speechnar.runtime.frames import Frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("voice", "cuts", "features", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    voice = load_voice(args.voice)
    for cut in tqdm(load_cuts(args.cuts), "copies", unit="utt"):
        recorded = load_utterance(args.features, cut.id)
        frames = Frames((), (), (), silence=0, mel=recorded.mel, f0=recorded.f0, seed=(0, 0))
        args.out.mkdir(parents=True, exist_ok=True)
        audio.write(
            args.out / f"{safe_file_name(cut.id)}.wav", np.concatenate(list(voice.vocode(frames))), voice.sample_rate
        )


if __name__ == "__main__":
    main()
