#!/usr/bin/env python3
"""Let the decoder of a recognizer hear the means of pairs of encoder states, so that cross-attention reads half.

    python local/average.py MODEL_DIR OUT_DIR

No weight changes: `conf/fine_tune_average.yaml` teaches them afterwards.
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
    args = parser.parse_args()
    model, config = load_model(args.model)
    if model.config.halved_layers or model.config.averaged_states > 1:
        parser.error(f"the decoder of {args.model} hears merged or averaged states already")
    config = dataclasses.replace(config, model=Choice("whisper", dataclasses.replace(model.config, averaged_states=2)))
    save_model(args.out, config, model, SymbolTable.load(args.model / "tokens.txt"))
    shutil.copy(decoder_tokens(args.model), args.out / DECODER_TOKENS)


if __name__ == "__main__":
    main()
