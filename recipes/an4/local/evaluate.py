#!/usr/bin/env python3
"""Decodes a split with every model of the recipe, one thread, one utterance after another, and prints the table.

    python local/evaluate.py CUTS REFERENCE EXP_DIR
"""

import argparse
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One system: the model folder's name, how it is decoded, and what the table calls it."""

    model: str
    method: str
    label: str
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "_".join([self.model, self.method, *(o.removeprefix("--") for o in self.options)])


ROWS = [
    Row("ctc", "greedy", "CTC, characters"),
    Row("ctc_inter", "greedy", "InterCTC, characters"),
    Row("ctc_self", "greedy", "self-conditioned CTC, characters"),
    *(
        row
        for end, units in (("", "characters"), ("_subwords", "subwords"))
        for row in (
            *([Row("ctc_self_subwords", "greedy", "self-conditioned CTC, subwords")] if end else []),
            Row(f"mask{end}", "greedy", f"Mask-CTC's encoder alone, {units}"),
            Row(f"mask{end}", "mask-ctc", f"Mask-CTC, at most 10 passes, {units}"),
            Row(f"ar{end}", "ar", f"autoregressive twin, greedy, {units}", ("--beam", "1")),
            Row(f"ar{end}", "ar", f"autoregressive twin, beam 10, {units}"),
        )
    ),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cuts", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("exp", type=Path)
    args = parser.parse_args()
    factors, hyps, rows = {}, [], [row for row in ROWS if (args.exp / row.model / "model.safetensors").exists()]
    if not rows:
        parser.error(f"{args.exp} holds no trained model: run the stages before")
    for row in rows:
        hyp = args.exp / "decoded" / f"{row.name}.txt"
        command = ["speechnar", "decode", args.exp / row.model, args.cuts, hyp, "--method", row.method, *row.options]
        said = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
        factors[row.name] = float(re.search(r"RTF ([\d.]+)", said)[1])
        hyps += ["--hyp", str(hyp)]
    report = args.exp / "decoded" / "wer.json"
    command = ["speechnar", "evaluate", "wer", "--ref", str(args.reference), *hyps, "--json", str(report)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    systems = json.loads(report.read_text(encoding="utf-8"))["reports"][0]["systems"]
    rates = {system["total"]["name"]: system["rate"] for system in systems}
    twins = {end: f"ar{end}_ar" for end in ("", "_subwords")}
    print("| system | WER | 95 % interval | RTF | time, the twin's beam search as 1 |")
    print("| --- | --- | --- | --- | --- |")
    for row in rows:
        rate, twin = rates[row.name], twins["_subwords" if "subwords" in row.model else ""]
        ratio = f"1/{factors[twin] / factors[row.name]:.1f}" if twin in factors else ""
        low, high = 100 * rate["low"], 100 * rate["high"]
        cells = f"{100 * rate['value']:.1f} % | [{low:.1f}, {high:.1f}] | {factors[row.name]:.4f} | {ratio}"
        print(f"| {row.label} | {cells} |")


if __name__ == "__main__":
    main()
