#!/usr/bin/env python3
"""Translate the test set with every trained system on one thread; print the table.

    python ../translation_table.py DATA_DIR EXP_DIR [--sentences 2000] [--timed 200]

The columns are those of `speechnar compare`, the baseline is the autoregressive twin with a beam of 4. Translations and
measurements go to EXP_DIR/translated, and so does a plot of BLEU against latency.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from speechnar.data.pairs import read_pairs
from speechnar.decode.methods import DecodeOptions
from speechnar.evaluate.compare import measurements
from speechnar.evaluate.compare.measure import measure_translator
from speechnar.evaluate.compare.quality import translation_quality
from speechnar.evaluate.compare.table import Row, format_comparison, plot_comparison
from speechnar.files import atomic_write
from speechnar.infer.translate import Translator

TWIN = "twin, beam 4"


@dataclass(frozen=True)
class System:
    """A row of the table: its label, the name of its model folder, how it is decoded, and what rescores it."""

    label: str
    model: str
    options: DecodeOptions
    rescorer: str | None = None


def systems(lm: Path) -> list[System]:
    """Return all systems, the baseline first; those with the n-gram model `lm` if there is one."""
    rows = [
        System(TWIN, "ar", DecodeOptions("autoregressive", beam=4, ctc_weight=0.0, length_penalty=1.0)),
        System("twin, greedy", "ar", DecodeOptions("autoregressive", beam=1, ctc_weight=0.0)),
    ]
    for suffix, data in (("", "distilled"), ("_raw", "raw")):
        rows += [
            System(f"CTC, {data}", f"ctc{suffix}", DecodeOptions("greedy")),
            System(f"CTC and glancing, {data}", f"ctc_glat{suffix}", DecodeOptions("greedy")),
            System(f"CTC and glancing, prefix beam 10, {data}", f"ctc_glat{suffix}", DecodeOptions("beam", beam=10)),
        ]
        if lm.exists():
            with_lm = DecodeOptions("beam", beam=5, lm=str(lm), lm_weight=0.4, word_bonus=1.5)
            rows += [System(f"CTC and glancing, prefix beam 5 with 4-grams, {data}", f"ctc_glat{suffix}", with_lm)]
        rows += [
            System(f"CMLM, {n} iterations, 3 lengths, {data}", f"cmlm{suffix}",
                   DecodeOptions("mask_predict", n, length_beam=3))
            for n in (1, 4, 10)
        ]  # fmt: skip
        one, five = (DecodeOptions("mask_predict", 1, length_beam=number) for number in (1, 5))
        rows += [
            System(f"GLAT, {data}", f"glat{suffix}", one),
            System(f"GLAT, 5 lengths, {data}", f"glat{suffix}", five),
            System(f"GLAT, 5 lengths chosen by the twin, {data}", f"glat{suffix}", five, "ar"),
            System(f"DA-Transformer, lookahead, {data}", f"da{suffix}", DecodeOptions("lookahead")),
            System(f"CTC's model by AXE, {data}", f"axe{suffix}", DecodeOptions("greedy")),
            System(
                f"CMLM by OAXE, 3 lengths, {data}", f"oaxe{suffix}", DecodeOptions("mask_predict", 1, length_beam=3)
            ),
            System(f"Levenshtein Transformer, {data}", f"levenshtein{suffix}", DecodeOptions("levenshtein", 10)),
            System(f"four tokens a step, {data}", f"semi_autoregressive{suffix}", DecodeOptions("semi_autoregressive")),
        ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("exp", type=Path)
    parser.add_argument("--sentences", type=int, default=2000, metavar="N", help="of the test set that are translated")
    parser.add_argument("--timed", type=int, default=200, metavar="N", help="of these that are timed")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = systems(args.exp / "lm")
    trained = [system for system in found if (args.exp / system.model / "model.safetensors").exists()]
    if not trained or trained[0].label != TWIN:
        parser.error(f"{args.exp} holds no twin: run the stages before")
    sources, references = map(list, zip(*read_pairs(args.data / "test.tsv")[: args.sentences]))
    out = args.exp / "translated"
    texts, measured = {}, {}
    for system in trained:
        model, rescorer = args.exp / system.model, args.exp / system.rescorer if system.rescorer else None
        taken = measure_translator(model, sources[: args.timed], system.options, rescorer)
        measured[system.label] = replace(taken, label=system.label)
        texts[system.label] = Translator(model, system.options, False, rescorer).translate(sources, 32)
        path = out / f"{''.join(c if c.isalnum() else '_' for c in system.label)}.txt"
        with atomic_write(path) as part:
            part.write_text("".join(f"{text}\n" for text in texts[system.label]), encoding="utf-8")
        measurements.write(measurements.measurements_path(path), measured[system.label])
    quality = translation_quality(references, texts, TWIN)
    rows = [Row(label, quality[label], measured[label]) for label in texts]
    print(format_comparison(rows, "BLEU", TWIN, markdown=True))
    plot_comparison(out / "bleu_latency.png", rows, "BLEU")


if __name__ == "__main__":
    main()
