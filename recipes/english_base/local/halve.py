#!/usr/bin/env python3
"""Merge pairs of frames below the upper layers of a recognizer's encoder, so that these take half of the time.

    python local/halve.py MODEL_DIR OUT_DIR [--layers 4]

A merged frame is the average of the two. The draft, which merged pairs itself, takes the sum of its weights for both.
Nothing is trained again.
"""

import argparse
import dataclasses
import shutil
from pathlib import Path

import torch

from speechnar.config import Choice
from speechnar.models.asr.whisper import Whisper
from speechnar.models.folder import load_model, save_model
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import DECODER_TOKENS, decoder_tokens


def halved_model(model: Whisper, layers: int) -> Whisper:
    """Return a model with the weights of another, whose upper layers run on merged frames."""
    made = Whisper(dataclasses.replace(model.config, halved_layers=layers))
    weights = model.state_dict()
    weights["draft.merge.weight"] = torch.stack(weights["draft.merge.weight"].chunk(2, dim=1)).sum(0)
    made.load_state_dict({**made.state_dict(), **weights})  # but for `encoder.merge`, which begins as the average
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--layers", type=int, default=4, help="upper layers of the encoder on merged frames")
    args = parser.parse_args()
    model, config = load_model(args.model)
    if model.config.halved_layers:
        parser.error(f"the encoder of {args.model} merges frames already")
    if model.config.averaged_states > 1:
        parser.error(f"the decoder of {args.model} hears means of states: take the model before it")
    if not 1 <= args.layers <= model.config.n_layers:
        parser.error(f"--layers is {args.layers} but should be from 1 to {model.config.n_layers}")
    made = halved_model(model, args.layers)
    config = dataclasses.replace(config, model=Choice("whisper", made.config))
    save_model(args.out, config, made, SymbolTable.load(args.model / "tokens.txt"))
    shutil.copy(decoder_tokens(args.model), args.out / DECODER_TOKENS)


if __name__ == "__main__":
    main()
