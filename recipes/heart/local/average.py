#!/usr/bin/env python3
"""Average the weights of models that went on from the same one.

python local/average.py OUT_DIR MODEL_DIR MODEL_DIR...

Source: Wortsman et al. 2022, Model soups: averaging weights of multiple fine-tuned models, section 2.
"""

import argparse
from pathlib import Path

import torch

from speechnar.models.folder import load_model, save_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    args = parser.parse_args()
    loaded = [load_model(folder) for folder in args.models]
    model, config = loaded[0]
    if any(other != config for _, other in loaded):
        parser.error("the models have different configs")
    states = [each.state_dict() for each, _ in loaded]
    model.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    save_model(args.out, config, model)


if __name__ == "__main__":
    main()
