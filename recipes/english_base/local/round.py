#!/usr/bin/env python3
"""Rounds a recognizer's weights to grids that compress well, each layer for what goes into it on training utterances.

    python local/round.py MODEL_DIR DATA_DIR OUT_DIR [--utterances N]

DATA_DIR holds train.tsv. What ships is exported from OUT_DIR.
"""

import argparse
import random
import shutil
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from speechnar import audio
from speechnar.export.quantize import round_parts
from speechnar.infer.encoder_cache import STATE_HOP
from speechnar.models.asr.whisper import SAMPLE_RATE, SILENCE, Whisper
from speechnar.models.folder import load_model, save_model
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import PIECES, Pieces

# Steps as shares of a row's root mean square: what is rounded should cost each part about as much for each of its
# weights, and the output's are by far the most sensitive. RESULTS.md has what was measured.
ENCODER, DRAFT, DECODER, OUTPUT = 0.3, 0.2, 0.31, 0.15


class Rounding:
    """The utterances that a recognizer is rounded for, and how its parts hear them."""

    def __init__(self, model: Whisper, rows: list[list[str]], pieces: Pieces) -> None:
        self.model = model
        self.texts = [torch.tensor([pieces.encode(text)]) for *_, text in rows]
        self.silence = round(SILENCE * SAMPLE_RATE)
        wavs = (F.pad(torch.from_numpy(audio.read(path, SAMPLE_RATE)[0]), (0, self.silence)) for _, _, path, _ in rows)
        self.mels = [model.features(wav[None]) for wav in wavs]
        self.states: list[torch.Tensor] = []
        self.progress = tqdm(desc="rounding", unit="utt", disable=None)

    def encode(self) -> None:
        self.states = []
        for mel in self.mels:
            self.states.append(self.model.encoder(mel, None))
            self.progress.update()

    def draft(self) -> None:
        for states in self.states:
            self.model.draft(states[:, : -(self.silence // STATE_HOP)], None)

    def decode(self) -> None:
        for states, text in zip(self.states, self.texts):
            self.model.decoder(text, self.model.decoder.memory(states), None)
            self.progress.update()


@torch.no_grad()
def round_recognizer(model: Whisper, rows: list[list[str]], pieces: Pieces) -> None:
    """Rounds encoder, draft, decoder and its output, in place and in this order."""
    work = Rounding(model, rows, pieces)
    round_parts(list(model.encoder.blocks), work.encode, ENCODER)
    work.encode()
    draft = model.draft
    stages = [nn.ModuleList([a, b]) for a, b in zip(draft.convolutions, draft.blocks)]
    round_parts([draft.merge, *stages, nn.ModuleList([draft.head, draft.condition])], work.draft, DRAFT)
    decoder = model.decoder
    round_parts(list(decoder.blocks), work.decode, DECODER)
    output = nn.Linear(decoder.embedding.embedding_dim, decoder.embedding.num_embeddings, bias=False)
    output.weight = decoder.embedding.weight  # what the last layer makes is multiplied by them

    def multiplied(norm: nn.Module, given: tuple[torch.Tensor], made: torch.Tensor) -> None:
        output(made)

    hook = decoder.norm.register_forward_hook(multiplied)
    round_parts([output], work.decode, OUTPUT)
    hook.remove()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "data", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--utterances", type=int, default=160)
    args = parser.parse_args()
    model, config = load_model(args.model)
    lines = (args.data / "train.tsv").read_text(encoding="utf-8").splitlines()
    rows = random.Random(0).sample([line.split("\t") for line in lines], min(args.utterances, len(lines)))
    round_recognizer(model.eval(), rows, Pieces.load(args.model / PIECES))
    save_model(args.out, config, model, SymbolTable.load(args.model / "tokens.txt"))
    shutil.copy(args.model / PIECES, args.out)


if __name__ == "__main__":
    main()
