#!/usr/bin/env python3
"""Translate the test set with every trained system on one thread; print the table.

    python ../translation_table.py DATA_DIR EXP_DIR [--sentences 2000] [--timed 200]

BLEU and chrF are sacrebleu's, with intervals by bootstrap over sentences, and the p-value of the paired bootstrap
against the autoregressive twin with a beam of 4. Times are CPU time, which other work on the computer affects little:
latency is the mean over sentences that are translated one by one, throughput that of batches of 32 of similar length.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from speechnar.data.pairs import read_pairs
from speechnar.decode.methods import DecodeOptions
from speechnar.infer.translate import Translator

TWIN = "twin, beam 4"


@dataclass(frozen=True)
class System:
    """A row of the table: its label, the name of its model folder, how it is decoded, and what rescores it."""

    label: str
    model: str
    options: DecodeOptions
    rescorer: str | None = None


@dataclass(frozen=True)
class Timing:
    """Milliseconds for each sentence alone, and sentences a second in batches of 32."""

    latency: float
    throughput: float


def systems() -> list[System]:
    """Return all systems, the baseline first."""
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


def timed(translator: Translator, sources: list[str]) -> Timing:
    """Measure a system on sources, after a few to warm up."""
    translator.translate(sources[:8], 1)
    started = time.process_time()
    translator.translate(sources, 1)
    alone = time.process_time() - started
    started = time.process_time()
    translator.translate(sources, 32)
    return Timing(1000 * alone / len(sources), len(sources) / (time.process_time() - started))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("exp", type=Path)
    parser.add_argument("--sentences", type=int, default=2000, metavar="N", help="of the test set that are translated")
    parser.add_argument("--timed", type=int, default=200, metavar="N", help="of these that are timed")
    args = parser.parse_args()
    torch.set_num_threads(1)
    trained = [system for system in systems() if (args.exp / system.model / "model.safetensors").exists()]
    if not trained or trained[0].label != TWIN:
        parser.error(f"{args.exp} holds no twin: run the stages before")
    sources, references = map(list, zip(*read_pairs(args.data / "test.tsv")[: args.sentences]))
    out = args.exp / "translated"
    out.mkdir(parents=True, exist_ok=True)
    texts, timings = {}, {}
    for system in trained:
        rescorer = args.exp / system.rescorer if system.rescorer else None
        translator = Translator(args.exp / system.model, system.options, False, rescorer)
        timings[system.label] = timed(translator, sources[: args.timed])
        texts[system.label] = translator.translate(sources, 32)
        name = "".join(c if c.isalnum() else "_" for c in system.label)
        (out / f"{name}.txt").write_text("".join(f"{text}\n" for text in texts[system.label]), encoding="utf-8")
    metrics = {"BLEU": BLEU(), "CHRF": CHRF()}
    test = PairedTest(list(texts.items()), metrics, [references], test_type="bs", n_samples=1000)
    signatures, scores = test()
    bleus, chrfs = (scores[name] for name in signatures)
    heads = ["system", "BLEU", "95 % interval", "p", "chrF", "ms a sentence", "the twin's = 1", "sentences a second"]
    print(f"| {' | '.join([*heads, heads[6]])} |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    twin = timings[TWIN]
    for n, system in enumerate(trained):
        bleu, chrf, took = bleus[n], chrfs[n], timings[system.label]
        interval = f"[{bleu.mean - bleu.ci:.1f}, {bleu.mean + bleu.ci:.1f}]"
        cells = [
            system.label,
            f"{bleu.score:.1f}",
            interval,
            "" if n == 0 else f"{bleu.p_value:.3f}",
            f"{chrf.score:.1f}",
        ]
        cells += [f"{took.latency:.1f}", f"1/{twin.latency / took.latency:.1f}"]
        cells += [f"{took.throughput:.0f}", f"{took.throughput / twin.throughput:.1f}"]
        print(f"| {' | '.join(cells)} |")
    for name, signature in signatures.items():
        print(f"\n{name}: {signature}")


if __name__ == "__main__":
    main()
