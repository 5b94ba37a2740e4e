#!/usr/bin/env python3
"""Decode dev without and with each trick of decoding, on one thread; print the table, and write it.

    python local/ablation.py DATA_DIR EXP_DIR [--split test-other]

The table goes to EXP_DIR/ablation.md, that of another split to EXP_DIR/ablation-SPLIT.md. Its decoder times are CPU
time for an utterance, without the encoder and the CTC layers, at batch 1; p is that of a paired test of both
transcripts. Fewer steps than there are iterations are an early exit. Models that are not trained are left out.
"""

import argparse
import functools
import itertools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import process_time

import torch

from speechnar.decode.corrector import ENGLISH
from speechnar.decode.methods import DecodeOptions
from speechnar.evaluate.compare.quality import transcript_quality
from speechnar.evaluate.stats.table import format_p
from speechnar.evaluate.wer.transcripts import read
from speechnar.files import atomic_write
from speechnar.infer.decode import Timing, decode_corpus

Options = dict[str, object]

LM = str(ENGLISH / "lm.npz")  # as in evaluate.py
BEAM: Options = {"method": "beam"}
BIGRAMS: Options = BEAM | {"lm": LM, "lm_weight": 0.7}
TWIN: Options = {"method": "autoregressive"}
TWIN_CHOOSES: Options = {"method": "autoregressive_rescoring"}
MASK_PREDICT: Options = {"method": "mask_predict", "iterations": 4}
MASK_CTC: Options = {"method": "mask_ctc", "resizing": False, "iterations": 1}
GATES = [{"entropy_gate": nats} for nats in (0.25, 0.3, 0.35)]
REPEATS: list[Options] = [{"deduplicated": True}]
BUDGETS: list[Options] = [{"iterations": number} for number in (4, 10)]
TRICKS: tuple[tuple[str, str, Options, list[Options]], ...] = (  # name, model, without it, what it changes
    ("prefix beam", "ctc_self", {"method": "greedy"}, [BEAM]),
    ("LM fusion", "ctc_self", BEAM, [{"lm": LM, "lm_weight": w} for w in (0.5, 0.7)]),
    ("temperature", "ctc_self", BIGRAMS, [{"temperature": t} for t in (0.7, 1.5, 2.0)]),
    ("rescoring", "mask_ctc", BEAM, [{"method": "rescoring", "ctc_weight": w} for w in (0.9, 0.7, 0.5)]),
    ("noisy parallel decoding", "aed", BEAM, [TWIN_CHOOSES | {"ctc_weight": w} for w in (0.9, 0.7, 0.5, 0.3)]),
    ("noisy parallel decoding", "aed", BIGRAMS, [TWIN_CHOOSES | {"ctc_weight": w} for w in (0.9, 0.7)]),
    ("length beam", "mask_ctc", MASK_PREDICT, [{"length_beam": number} for number in (3, 5)]),
    ("dynamic lengths", "mask_ctc", MASK_CTC | {"iterations": 4}, [{"resizing": True}]),
    ("de-duplication", "mask_ctc", MASK_PREDICT, REPEATS),
    ("de-duplication", "masked_diffusion", {"method": "diffusion", "iterations": 4}, REPEATS),
    ("de-duplication", "paraformer", {"method": "parallel"}, REPEATS),
    ("de-duplication", "paraformer_v2", {"method": "parallel"}, REPEATS),
    ("mask threshold", "mask_ctc", MASK_CTC, [{"threshold": p} for p in (0.3, 0.6)]),
    ("iterations", "mask_ctc", MASK_CTC, BUDGETS),
    ("iterations", "mask_ctc", {"method": "mask_predict", "iterations": 1}, BUDGETS),
    ("iterations", "align_refine", {"method": "align_refine", "iterations": 1}, BUDGETS),
    ("iterations", "imputer", {"method": "imputer", "iterations": 1}, BUDGETS),
    ("iterations", "levenshtein", {"method": "levenshtein", "iterations": 1}, BUDGETS),
    ("iterations", "masked_diffusion", {"method": "diffusion", "iterations": 1}, BUDGETS),
    ("entropy gate", "mask_ctc", MASK_PREDICT, GATES),
    ("entropy gate", "align_refine", {"method": "align_refine", "iterations": 4}, GATES),
    ("entropy gate", "aed", TWIN, GATES),
    ("acceptance threshold", "aed", {"method": "speculative"}, [{"acceptance_threshold": 4.0}]),
)  # fmt: skip
HEADER = ("trick", "model", "without", "with", "WER", "p", "decoder, ms", "steps")


def said(options: Options) -> str:
    """Return options in words, such as `beam, lm weight 0.7`."""
    words = []
    for name, value in options.items():
        if isinstance(value, bool):
            words.append(name if value else f"no {name}")
        elif name == "lm":
            words.append("bigrams")
        else:
            words.append(str(value) if name == "method" else f"{name} {value}")
    return ", ".join(words).replace("_", " ")


def ablation(data: Path, exp: Path, split: str) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table."""
    reference, cuts = read(data / f"{split}.txt"), exp / "encoded" / split / "cuts.jsonl.gz"

    @functools.cache
    def decoded(model: str, options: DecodeOptions) -> tuple[Mapping[str, str], Timing]:
        with tempfile.TemporaryDirectory() as folder:
            took = decode_corpus(exp / model, cuts, Path(folder) / "hyp.txt", options, process_time)
            return read(Path(folder) / "hyp.txt"), took

    for name, model, without, changes in TRICKS:
        if not (exp / model / "model.safetensors").exists():
            continue
        for changed in changes:
            both = [decoded(model, DecodeOptions(**options)) for options in (without, without | changed)]
            found = transcript_quality(reference, {"off": both[0][0], "on": both[1][0]}, "off")
            rates = [f"{quality.value.value:.2f}" for quality in found.values()]
            took = [timing for _, timing in both]
            times = [f"{1000 * (each.seconds - each.encoder_seconds) / each.utterances:.1f}" for each in took]
            steps = [f"{each.iterations:.1f}" for each in took]
            yield (
                name, model, said(without), said(changed), f"{' to '.join(rates)} %", format_p(found["on"].p),
                " to ".join(times), " to ".join(steps),
            )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("exp", type=Path)
    parser.add_argument("--split", default="dev")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not any((args.exp / model / "model.safetensors").exists() for _, model, _, _ in TRICKS):
        parser.error(f"{args.exp} holds no trained model: run the stages before")
    if not (args.data / f"{args.split}.txt").exists():
        parser.error(f"{args.data} holds no split {args.split}: name another one")
    table = ""
    for row in itertools.chain([HEADER, ("---",) * len(HEADER)], ablation(args.data, args.exp, args.split)):
        line = f"| {' | '.join(row)} |"
        print(line, flush=True)
        table += f"{line}\n"
    name = "ablation.md" if args.split == "dev" else f"ablation-{args.split}.md"
    with atomic_write(args.exp / name) as part:
        part.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
