#!/usr/bin/env python3
"""Let attention in a recognizer read the means of pairs of keys and values, which is half of the work.

    python local/average.py MODEL_DIR OUT_DIR [--encoder-layers N] [--decoder-layers N]

In the decoder, the keys and values are those of the audio. No weight changes: `conf/fine_tune_average.yaml` teaches
them afterwards.
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
    for part in ("encoder", "decoder"):
        parser.add_argument(f"--{part}-layers", type=int, default=5, help=f"upper layers of the {part} that read means")
    args = parser.parse_args()
    model, config = load_model(args.model)
    sizes = model.config
    if sizes.halved_layers or sizes.averaged_states > 1 or sizes.averaged_layers:
        parser.error(f"{args.model} has merged or averaged states already")
    for part, layers in (("encoder", sizes.n_layers), ("decoder", sizes.decoder_layers)):
        if not 1 <= (number := vars(args)[f"{part}_layers"]) <= layers:
            parser.error(f"--{part}-layers is {number} but should be from 1 to {layers}")
    sizes = dataclasses.replace(
        sizes, averaged_layers=args.encoder_layers, averaged_states=2,
        unaveraged_layers=sizes.decoder_layers - args.decoder_layers,
    )  # fmt: skip
    config = dataclasses.replace(config, model=Choice("whisper", sizes))
    save_model(args.out, config, model, SymbolTable.load(args.model / "tokens.txt"))
    shutil.copy(decoder_tokens(args.model), args.out / DECODER_TOKENS)


if __name__ == "__main__":
    main()
