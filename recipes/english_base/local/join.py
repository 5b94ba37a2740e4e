#!/usr/bin/env python3
"""Puts the draft of one model folder and the decoder of another together; the encoder is the same in both.

python local/join.py DRAFT_DIR DECODER_DIR OUT_DIR
"""

import argparse
import shutil
from pathlib import Path

from speechnar.models.folder import load_model, save_model
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import PIECES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("draft", "decoder", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    (model, config), (other, _) = load_model(args.draft), load_model(args.decoder)
    model.decoder = other.decoder
    save_model(args.out, config, model, SymbolTable.load(args.draft / "tokens.txt"))
    shutil.copy(args.decoder / PIECES, args.out)


if __name__ == "__main__":
    main()
