#!/usr/bin/env python3
"""Decode the test set with every model of the recipe, on one thread, one utterance after another; print the table.

    python local/evaluate.py DATA_DIR EXP_DIR

Options of decoding (threshold and iterations of Mask-CTC, the weight of CTC beside a decoder) are those with the fewest
errors on the dev set, and the quickest of equals. The temperature of CTC in all searches is the one with the least loss
of CTC on the dev set. Times are CPU time, which other work on the computer affects little.
"""

import argparse
import json
import re
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from speechnar.data.transcribed import TranscribedData
from speechnar.decode.methods import DecodeOptions
from speechnar.infer.decode import Timing, decode_corpus
from speechnar.losses.ctc import ctc_loss
from speechnar.models.folder import load_model

TEMPERATURES = [10 / n for n in range(10, 2, -1)]
MASK_CTC = [
    DecodeOptions("mask_ctc", 1, 0.0),  # masks nothing
    *(DecodeOptions("mask_ctc", n, below) for below in (0.3, 0.4, 0.5, 0.6, 0.7, 0.9) for n in (1, 3)),
]
RESCORING = [
    DecodeOptions("rescoring", ctc_weight=weight, nbest_threshold=3.0) for weight in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3)
]
BEAM = [DecodeOptions("autoregressive", ctc_weight=weight) for weight in (0.0, 0.1, 0.3, 0.5, 0.7)]


@dataclass(frozen=True)
class Row:
    """One system: the name of its model folder, its label in the table, and ways to decode, the quickest first."""

    model: str
    label: str
    ways: tuple[DecodeOptions, ...]

    @property
    def name(self) -> str:
        return re.sub(r"\W+", "_", self.label)


def rows() -> list[Row]:
    """Return the rows of the table in its order."""
    greedy, prefixes = (DecodeOptions(),), (DecodeOptions("beam"),)
    made = [
        Row("ctc", "CTC, characters", greedy),
        Row("ctc", "CTC, prefix beam 10, characters", prefixes),
        Row("ctc_inter", "InterCTC, characters", greedy),
        Row("ctc_inter", "InterCTC, prefix beam 10, characters", prefixes),
    ]
    made += [
        Row("ctc_pretrained", "CTC after BEST-RQ, characters", greedy),
        Row("ctc_finetuned", "CTC on a pre-trained encoder, characters", greedy),
        Row("cr_ctc", "CR-CTC, characters", greedy),
        Row("cr_ctc", "CR-CTC, prefix beam 10, characters", prefixes),
    ]
    for name, delay in (("03", "0.3"), ("06", "0.6"), ("12", "1.2")):
        model, label = f"ctc_self_block_{name}", f"self-conditioned CTC, blockwise, delay {delay} s"
        made.append(Row(model, f"{label}, characters", greedy))
    label = "self-conditioned CTC, blockwise, overlapping, delay 1.6 s"
    made.append(Row("ctc_self_block_12", f"{label}, characters", (DecodeOptions(overlapping=True),)))
    for end, tokens in (("", "characters"), ("_subwords", "subwords")):
        made += [
            Row(f"ctc_self{end}", f"self-conditioned CTC, {tokens}", greedy),
            Row(f"ctc_self{end}", f"self-conditioned CTC, prefix beam 10, {tokens}", prefixes),
            Row(f"mask{end}", f"Mask-CTC, easy first, {tokens}", tuple(MASK_CTC)),
            Row(f"mask{end}", f"Mask-CTC, rescoring 10 texts, {tokens}", tuple(RESCORING)),
            Row(
                f"ar{end}",
                f"autoregressive twin, greedy, {tokens}",
                (DecodeOptions("autoregressive", beam=1, ctc_weight=0.0),),
            ),
            Row(f"ar{end}", f"autoregressive twin, beam 10, {tokens}", tuple(BEAM)),
        ]
    return made


def word_error_rates(reference: Path, hyps: list[Path], report: Path) -> list[dict[str, float]]:
    """Return the rate of each of `hyps` in %, `value`, and the ends of its interval, `low` and `high`."""
    command = ["speechnar", "evaluate", "wer", "--ref", reference, "--json", report]
    command += [part for hyp in hyps for part in ("--hyp", hyp)]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    systems = json.loads(report.read_text(encoding="utf-8"))["reports"][0]["systems"]
    found = {system["total"]["name"]: system["rate"] for system in systems}
    return [{key: 100 * found[hyp.stem][key] for key in ("value", "low", "high")} for hyp in hyps]


@torch.inference_mode()
def best_temperature(model_dir: Path, tokenizer: Path, dev: Path) -> float:
    """Return the temperature of CTC with the least loss."""
    model, config = load_model(model_dir)
    data = TranscribedData(dev, tokenizer, config.audio.sample_rate, max_duration=30, num_buckets=1, shuffle=False)
    losses = torch.zeros(len(TEMPERATURES))
    for batch in data.epoch(0):
        heard = model(*model.encoder.features(batch.given, batch.given_lengths))
        for n, temperature in enumerate(TEMPERATURES):
            log_probs = (heard.log_probs / temperature).log_softmax(2)
            loss = ctc_loss(log_probs, heard.lengths, batch.tokens, batch.token_lengths, data.symbols.blank_id)
            losses[n] += loss * batch.token_lengths.sum()
    return TEMPERATURES[int(losses.argmin())]


def chosen(row: Row, data: Path, exp: Path) -> DecodeOptions:
    """Return the way to decode with the fewest errors on the dev set."""
    ways = row.ways
    if any(way.method in ("beam", "rescoring", "autoregressive") for way in ways):
        tokenizer = exp / ("subwords" if row.model.endswith("_subwords") else "characters")
        temperature = best_temperature(exp / row.model, tokenizer, data / "dev.jsonl.gz")
        ways = tuple(replace(way, temperature=temperature) for way in ways)
    if len(ways) == 1:
        return ways[0]
    folder = exp / "decoded" / "dev"
    hyps = [folder / f"{row.name}_{n}.txt" for n in range(len(ways))]
    for hyp, way in zip(hyps, ways):
        decode_corpus(exp / row.model, data / "dev.jsonl.gz", hyp, way)
    rates = word_error_rates(data / "dev.txt", hyps, folder / f"{row.name}.json")
    return min(zip(rates, ways), key=lambda pair: round(pair[0]["value"], 6))[1]


def spoken(way: DecodeOptions) -> str:
    """Return the chosen options as the table shows them."""
    if way.method == "mask_ctc":
        return f", threshold {way.threshold:g}, at most {way.iterations} iterations"
    if way.method == "beam":
        return f", temperature {way.temperature:.3g}"
    if way.method == "rescoring" or (way.method == "autoregressive" and way.beam > 1):
        return f", CTC weight {way.ctc_weight:g}, temperature {way.temperature:.3g}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("exp", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    trained = [row for row in rows() if (args.exp / row.model / "model.safetensors").exists()]
    if not trained:
        parser.error(f"{args.exp} holds no trained model: run the stages before")
    (args.exp / "decoded" / "dev").mkdir(parents=True, exist_ok=True)
    hyps, labels = [], []
    times: dict[str, Timing] = {}
    for row in trained:
        way = chosen(row, args.data, args.exp)
        labels.append(row.label + spoken(way))
        hyps.append(args.exp / "decoded" / f"{row.name}.txt")
        times[row.label] = decode_corpus(
            args.exp / row.model, args.data / "test.jsonl.gz", hyps[-1], way, time.process_time
        )
    rates = word_error_rates(args.data / "test.txt", hyps, args.exp / "decoded" / "wer.json")
    print("| system | WER | 95 % interval | RTF | decoding alone | time, the twin's beam as 1 | decoding alone |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row, label, rate in zip(trained, labels, rates):
        took = times[row.label]
        alone = took.seconds - took.encoder_seconds
        cells = [label, f"{rate['value']:.1f} %", f"[{rate['low']:.1f}, {rate['high']:.1f}]"]
        cells += [f"{took.seconds / took.audio_seconds:.4f}", f"{alone / took.audio_seconds:.4f}"]
        twin = times.get(f"autoregressive twin, beam 10, {row.label.split(', ')[-1]}")
        if twin:
            whole, decoding = twin.seconds / took.seconds, (twin.seconds - twin.encoder_seconds) / alone
            cells += [f"1/{whole:.1f}", f"1/{decoding:.1f}"]
        else:
            cells += ["", ""]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
