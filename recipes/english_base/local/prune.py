#!/usr/bin/env python3
"""Prune heads of a recognizer's decoder, and units of encoder and decoder.

python local/prune.py MODEL_DIR CUTS OUT_DIR [--goal MODEL_DIR] [--variant FILE] [OPTION...]
"""

import argparse
from pathlib import Path

from speechnar import config
from speechnar.export.prune_whisper import HEAD_COST, UNITS, UTTERANCES, prune_recognizer
from speechnar.infer.encoder_cache import Variant


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("cuts", type=Path, help="a manifest of training utterances")
    parser.add_argument("out", type=Path)
    parser.add_argument("--goal", type=Path, metavar="MODEL_DIR", help="the model to fit to (default: the same)")
    parser.add_argument("--variant", type=Path, metavar="FILE", help="how every second utterance is varied")
    parser.add_argument("--head-cost", type=float, default=HEAD_COST, metavar="NATS", help="of a pruned head, at most")
    parser.add_argument("--units", type=float, default=UNITS, metavar="SHARE", help="of the units that is pruned")
    parser.add_argument("--utterances", type=int, default=UTTERANCES, metavar="N")
    args = parser.parse_args()
    variant = config.load(Variant, args.variant) if args.variant else None
    pruned = prune_recognizer(
        args.model, args.cuts, args.out, args.head_cost, args.units, args.utterances, variant, args.goal
    )
    print(f"pruned {pruned} heads")


if __name__ == "__main__":
    main()
