#!/usr/bin/env python3
"""Let attention in a recognizer read the means of pairs, which is half of the work.

    python local/average.py MODEL_DIR OUT_DIR [--encoder-layers N] [--decoder-layers N]

In the upper layers of the encoder, these are means of keys and values; the upper layers of the decoder hear means of
the encoder's states. No weight changes: `conf/fine_tune_average.yaml` teaches them afterwards.
"""

import argparse
import dataclasses
import shutil
from pathlib import Path

from speechnar.config import Choice
from speechnar.models.folder import load_model, save_model
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import DECODER_TOKENS, decoder_tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--encoder-layers", type=int, default=5)
    parser.add_argument("--decoder-layers", type=int, default=5)
    args = parser.parse_args()
    model, config = load_model(args.model)
    sizes = model.config
    if sizes.halved_layers or sizes.averaged_states > 1 or sizes.averaged_layers:
        parser.error(f"{args.model} has merged or averaged states already")
    sizes = dataclasses.replace(
        sizes, averaged_layers=args.encoder_layers, averaged_states=2,
        unaveraged_layers=sizes.decoder_layers - args.decoder_layers,
    )  # fmt: skip
    config = dataclasses.replace(config, model=Choice("whisper", sizes))
    save_model(args.out, config, model, SymbolTable.load(args.model / "tokens.txt"))
    shutil.copy(decoder_tokens(args.model), args.out / DECODER_TOKENS)


if __name__ == "__main__":
    main()
