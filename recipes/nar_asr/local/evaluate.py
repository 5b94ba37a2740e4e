#!/usr/bin/env python3
"""Decode the test sets with every system of the recipe, on one thread; print the table, and draw it.

    python local/evaluate.py DATA_DIR EXP_DIR

Where a system has options, such as iterations, those with the fewest errors on the dev set are taken, the quickest of
equals. The paired tests are against the twin's beam search; while that is not trained, against the first system.
Systems that are not trained are left out. EXP_DIR/decoded/TEST has the transcripts and measurements, of which
`speechnar compare` prints the same table.
"""

import argparse
import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from speechnar.decode.corrector import ENGLISH
from speechnar.decode.methods import DecodeOptions
from speechnar.evaluate.compare import measurements
from speechnar.evaluate.compare.measure import measure_recognizer
from speechnar.evaluate.compare.quality import transcript_quality
from speechnar.evaluate.compare.table import Row, format_comparison, plot_comparison
from speechnar.evaluate.wer.transcripts import read
from speechnar.infer.decode import decode_corpus

TWIN_BEAM = "autoregressive twin, beam 10"


@dataclass(frozen=True)
class System:
    """A row of the table: a model folder and ways to decode, the quickest first, of which dev chooses."""

    family: str
    label: str
    model: str
    ways: tuple[DecodeOptions, ...]

    @property
    def name(self) -> str:
        return re.sub(r"\W+", "_", self.label)


def ways(method: str, **options: tuple[object, ...]) -> tuple[DecodeOptions, ...]:
    """Return a method with every combination of the given values of options."""
    found = [DecodeOptions(method)]
    for name, values in options.items():
        found = [dataclasses.replace(each, **{name: value}) for value in values for each in found]
    return tuple(found)


AR = "autoregressive"
ITERATIONS = (1, 2, 4)
EASY_FIRST: dict[str, tuple[object, ...]] = {"threshold": (0.3, 0.6, 0.9), "iterations": (1, 4)}
LM = str(ENGLISH / "lm.npz")  # of words, and of books and Tatoeba's sentences: the one of `speechnar correct`
BIGRAMS = ways("beam", lm=(LM,), lm_weight=(0.5, 0.7), word_bonus=(0.0, 1.0))
TWIN_CHOOSES = ways("autoregressive_rescoring", ctc_weight=(0.9, 0.7, 0.5))
SYSTEMS = (
    System(AR, "autoregressive twin, greedy", "aed", ways("autoregressive", beam=(1,), ctc_weight=(0.0,))),
    System(AR, TWIN_BEAM, "aed", ways("autoregressive", ctc_weight=(0.3, 0.7))),
    System(AR, "twin with one decoder layer, beam 10", "aed_shallow", ways("autoregressive", ctc_weight=(0.3, 0.7))),
    System("fully NAR", "CTC, greedy", "ctc", ways("greedy")),
    System("fully NAR", "InterCTC, greedy", "ctc_inter", ways("greedy")),
    System("fully NAR", "CR-CTC, greedy", "cr_ctc", ways("greedy")),
    System("fully NAR", "self-conditioned CTC, greedy", "ctc_self", ways("greedy")),
    System("fully NAR", "self-conditioned CTC, prefix beam 10", "ctc_self", ways("beam")),
    System("fully NAR", "Paraformer", "paraformer", ways("parallel")),
    System("fully NAR", "Paraformer-v2", "paraformer_v2", ways("parallel")),
    System("fully NAR", "Paraformer-v2 by AXE", "paraformer_v2_axe", ways("parallel")),
    System("fully NAR", "Paraformer-v2 by OAXE", "paraformer_v2_oaxe", ways("parallel")),
    System("fully NAR", "Paraformer-v2 by bags of pairs", "paraformer_v2_ngrams", ways("parallel")),
    System("iterative", "Mask-CTC", "mask_ctc", ways("mask_ctc", resizing=(False,), **EASY_FIRST)),
    System("iterative", "Mask-CTC, dynamic lengths", "mask_ctc", ways("mask_ctc", **EASY_FIRST)),
    System("iterative", "Mask-CTC, rescoring 10 texts", "mask_ctc", ways("rescoring", ctc_weight=(0.9, 0.7, 0.5))),
    System("iterative", "mask-predict", "mask_ctc", ways("mask_predict", iterations=(1, 4, 10))),
    System("iterative", "Align-Refine", "align_refine", ways("align_refine", iterations=ITERATIONS)),
    System("iterative", "Imputer", "imputer", ways("imputer", iterations=(1, 2, 4, 8))),
    System("iterative", "Levenshtein edits of CTC", "levenshtein", ways("levenshtein", iterations=ITERATIONS)),
    System("iterative", "masked diffusion", "masked_diffusion", ways("diffusion", iterations=(1, 4, 10))),
    System("iterative", "masked diffusion, sampled", "masked_diffusion", ways("diffusion", sampled=(True,))),
    System("partially NAR", "four tokens a step", "semi_autoregressive", ways("semi_autoregressive")),
    System("partially NAR", "CTC's ten texts, rescored by the twin", "aed", TWIN_CHOOSES),
    System("partially NAR", "CTC verified by the twin", "aed", ways("speculative", acceptance_threshold=(0.0, 4.0))),
    System("locally AR", "self-conditioned CTC, prefix beam 10, bigrams", "ctc_self", BIGRAMS),
    System("locally AR", "low-rank CRF over Paraformer-v2", "crf", ways("crf")),
)


def decoded(system: System, way: DecodeOptions, exp: Path, split: str, name: str) -> Path:
    """Decode a split and return the transcripts."""
    out = exp / "decoded" / split / f"{name}.txt"
    decode_corpus(exp / system.model, exp / "encoded" / split / "cuts.jsonl.gz", out, way)
    return out


def chosen(system: System, data: Path, exp: Path) -> DecodeOptions:
    """Return the way to decode with the fewest errors on the dev set."""
    if len(system.ways) == 1:
        return system.ways[0]
    hyps = [read(decoded(system, way, exp, "dev", f"{system.name}_{n}")) for n, way in enumerate(system.ways)]
    found = transcript_quality(read(data / "dev.txt"), dict(zip(map(str, system.ways), hyps)), str(system.ways[0]))
    rates = [quality.value.value for quality in found.values()]
    for way, rate in zip(system.ways, rates):
        print(f"dev, {system.label}{said(system, way)}: {rate:.2f} %")
    return min(zip(rates, system.ways), key=lambda pair: round(pair[0], 6))[1]


def said(system: System, way: DecodeOptions) -> str:
    """Return the options of a way that differ among the ways of its system."""
    names = [field.name for field in dataclasses.fields(way)]
    varied = [name for name in names if len({getattr(other, name) for other in system.ways}) > 1]
    return "".join(f", {name.replace('_', ' ')} {getattr(way, name):g}" for name in varied)


def compare(systems: list[System], data: Path, exp: Path, test: str) -> None:
    """Decode a test set with all systems, print the table, and draw error rate against latency."""
    folder = exp / "decoded" / test
    hyps, measured, baseline = {}, {}, ""
    for system in systems:
        way = chosen(system, data, exp)
        label = system.label + said(system, way)
        out = folder / f"{system.name}.txt"
        taken = measure_recognizer(exp / system.model, exp / "encoded" / test / "cuts.jsonl.gz", out, way)
        measured[label] = dataclasses.replace(taken, family=system.family, label=label)
        measurements.write(measurements.measurements_path(out), measured[label])
        hyps[label] = read(out)
        if system.label == TWIN_BEAM or not baseline:
            baseline = label
    found = transcript_quality(read(data / f"{test}.txt"), hyps, baseline)
    rows = [Row(label, found[label], measured[label]) for label in hyps]
    print(f"\n{test}\n\n{format_comparison(rows, 'WER', baseline, markdown=True)}")
    plot_comparison(folder / "wer_latency.png", rows, "WER")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("exp", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    systems = [system for system in SYSTEMS if (args.exp / system.model / "model.safetensors").exists()]
    if not systems:
        parser.error(f"{args.exp} holds no trained model: run the stages before")
    for cuts in sorted((args.exp / "encoded").glob("test-*/cuts.jsonl.gz")):
        compare(systems, args.data, args.exp, cuts.parent.name)


if __name__ == "__main__":
    main()
