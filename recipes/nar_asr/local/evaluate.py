#!/usr/bin/env python3
"""Decode the test set with every system of the recipe, on one thread, one utterance after another; print the table.

    python local/evaluate.py DATA_DIR EXP_DIR

Where a system has options, such as iterations, those with the fewest errors on the dev set are taken, the quickest of
equals. Times are CPU time, which other work on the computer affects little. Systems that are not trained are left out.
"""

import argparse
import dataclasses
import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from speechnar.decode.methods import DecodeOptions
from speechnar.infer.decode import Timing, decode_corpus
from speechnar.models.folder import load_model

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
SYSTEMS = (
    System(AR, "autoregressive twin, greedy", "aed", ways("autoregressive", beam=(1,), ctc_weight=(0.0,))),
    System(AR, TWIN_BEAM, "aed", ways("autoregressive", ctc_weight=(0.3, 0.7))),
    System("fully NAR", "CTC, greedy", "ctc", ways("greedy")),
    System("fully NAR", "CR-CTC, greedy", "cr_ctc", ways("greedy")),
    System("fully NAR", "self-conditioned CTC, greedy", "ctc_self", ways("greedy")),
    System("fully NAR", "self-conditioned CTC, prefix beam 10", "ctc_self", ways("beam")),
    System("fully NAR", "Paraformer", "paraformer", ways("parallel")),
    System("fully NAR", "Paraformer-v2", "paraformer_v2", ways("parallel")),
    System("iterative", "Mask-CTC", "mask_ctc", ways("mask_ctc", threshold=(0.3, 0.6, 0.9), iterations=(1, 4))),
    System("iterative", "Mask-CTC, rescoring 10 texts", "mask_ctc", ways("rescoring", ctc_weight=(0.9, 0.7, 0.5))),
    System("iterative", "mask-predict", "mask_ctc", ways("mask_predict", iterations=(1, 4, 10))),
    System("iterative", "Align-Refine", "align_refine", ways("align_refine", iterations=ITERATIONS)),
    System("iterative", "Imputer", "imputer", ways("imputer", iterations=(1, 2, 4, 8))),
    System("iterative", "Levenshtein edits of CTC", "levenshtein", ways("levenshtein", iterations=ITERATIONS)),
    System("iterative", "masked diffusion", "masked_diffusion", ways("diffusion", iterations=(1, 4, 10))),
    System("iterative", "masked diffusion, sampled", "masked_diffusion", ways("diffusion", sampled=(True,))),
    System("partially NAR", "four tokens a step", "semi_autoregressive", ways("semi_autoregressive")),
    System("partially NAR", "CTC verified by the twin", "aed", ways("speculative", acceptance_threshold=(0.0, 4.0))),
    System("locally AR", "low-rank CRF over Paraformer-v2", "crf", ways("crf")),
)


def word_error_rates(reference: Path, hyps: list[Path], report: Path, *options: str) -> list[dict[str, float]]:
    """Return the rate of each of `hyps` in %, `value`, and the ends of its interval, `low` and `high`."""
    command = ["speechnar", "evaluate", "wer", "--ref", reference, "--json", report, *options]
    command += [part for hyp in hyps for part in ("--hyp", hyp)]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    systems = json.loads(report.read_text(encoding="utf-8"))["reports"][0]["systems"]
    found = {system["total"]["name"]: system["rate"] for system in systems}
    return [{key: 100 * found[hyp.stem][key] for key in ("value", "low", "high")} for hyp in hyps]


def decoded(system: System, way: DecodeOptions, data: Path, exp: Path, split: str, name: str) -> tuple[Path, Timing]:
    """Decode a split; return the transcripts and the time."""
    out = exp / "decoded" / split / f"{name}.txt"
    out.parent.mkdir(parents=True, exist_ok=True)
    cuts = exp / "encoded" / split / "cuts.jsonl.gz"
    return out, decode_corpus(exp / system.model, cuts, out, way, time.process_time)


def chosen(system: System, data: Path, exp: Path) -> DecodeOptions:
    """Return the way to decode with the fewest errors on the dev set."""
    if len(system.ways) == 1:
        return system.ways[0]
    hyps = [decoded(system, way, data, exp, "dev", f"{system.name}_{n}")[0] for n, way in enumerate(system.ways)]
    rates = word_error_rates(data / "dev.txt", hyps, exp / "decoded" / "dev" / f"{system.name}.json")
    for way, rate in zip(system.ways, rates):
        print(f"dev, {system.label}{said(system, way)}: {rate['value']:.2f} %")
    return min(zip(rates, system.ways), key=lambda pair: round(pair[0]["value"], 6))[1]


def said(system: System, way: DecodeOptions) -> str:
    """Return the options of a way that differ among the ways of its system."""
    names = [field.name for field in dataclasses.fields(way)]
    varied = [name for name in names if len({getattr(other, name) for other in system.ways}) > 1]
    return "".join(f", {name.replace('_', ' ')} {getattr(way, name):g}" for name in varied)


def parameters(model_dir: Path) -> tuple[float, float]:
    """Return the millions of parameters of a model, and of its decoder alone."""
    model, _ = load_model(model_dir)
    counts = {name: weight.numel() / 1e6 for name, weight in model.named_parameters()}
    return sum(counts.values()), sum(n for name, n in counts.items() if not name.startswith("encoder."))


def rows(systems: list[System], data: Path, exp: Path, test: str) -> Iterator[str]:
    hyps, labels, times = [], [], {}
    for system in systems:
        way = chosen(system, data, exp)
        hyp, times[system.label] = decoded(system, way, data, exp, test, system.name)
        hyps.append(hyp)
        labels.append(system.label + said(system, way))
    rates = word_error_rates(data / f"{test}.txt", hyps, exp / "decoded" / test / "wer.json")
    yield "| family | system | WER | 95 % interval | iterations | decoder, ms | the twin's beam = 1 | parameters, M |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    beam = times.get(TWIN_BEAM)
    for system, label, rate in zip(systems, labels, rates):
        took = times[system.label]
        alone = took.seconds - took.encoder_seconds
        relative = f"1/{(beam.seconds - beam.encoder_seconds) / alone:.1f}" if beam else ""
        utterances = len((data / f"{test}.txt").read_text(encoding="utf-8").splitlines())
        whole, decoder = parameters(exp / system.model)
        cells = [system.family, label, f"{rate['value']:.1f} %", f"[{rate['low']:.1f}, {rate['high']:.1f}]"]
        cells += [
            f"{took.iterations:.1f}",
            f"{1000 * alone / utterances:.1f}",
            relative,
            f"{whole:.2f} ({decoder:.2f})",
        ]
        yield f"| {' | '.join(cells)} |"


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
        print(f"\n{cuts.parent.name}\n")
        print("\n".join(rows(systems, args.data, args.exp, cuts.parent.name)))


if __name__ == "__main__":
    main()
