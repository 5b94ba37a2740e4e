#!/usr/bin/env python3
"""Measure how fast `speechnar evaluate mos` scores recordings, beside the packages whose networks it runs.

    pip install '.[eval]' requests                             # speechmos imports requests and does not say so
    python benchmarks/mos_throughput.py FOLDER [--limit 30]

One thread. Printed are seconds of audio scored in a second of the processor's time, so that other processes count
little, and the largest difference of any score from the package's own. Two processes on two cores score twice as much.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np
from tqdm import tqdm

from speechnar.evaluate.quality.distillmos import DistillMos, network_class
from speechnar.evaluate.quality.dnsmos import Dnsmos
from speechnar.evaluate.quality.mos import SAMPLE_RATE
from speechnar.evaluate.quality.recordings import recordings_of
from speechnar.evaluate.speed import system_info
from speechnar.evaluate.stats.table import format_table

Scorer = Callable[[np.ndarray], Sequence[float]]


def scorers() -> dict[str, tuple[Scorer, Scorer]]:
    """By name, ours and the package's."""
    import torch
    from speechmos import dnsmos as speechmos

    ours, ours_dns = DistillMos(threads=1), Dnsmos(threads=1)
    theirs = network_class()().eval()

    def distillmos(wav: np.ndarray) -> list[float]:
        with torch.inference_mode():
            return [theirs(torch.from_numpy(wav)[None]).item()]

    def dnsmos(wav: np.ndarray) -> list[float]:
        found = speechmos.run(wav, SAMPLE_RATE)
        return [found[f"{name}_mos"] for name in ("ovrl", "sig", "bak", "p808")]

    return {
        "DistillMOS": (lambda wav: [ours(wav)], distillmos),
        "DNSMOS": (lambda wav: list(dataclasses.astuple(ours_dns(wav))), dnsmos),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="as for `speechnar evaluate mos`")
    parser.add_argument("--limit", type=int, default=30, help="recordings, evenly from the source")
    args = parser.parse_args()
    found = recordings_of(args.source)
    chosen = found[:: max(1, len(found) // args.limit)][: args.limit]
    wavs = [np.clip(clip.read(SAMPLE_RATE), -1, 1) for clip in chosen]  # speechmos refuses what resampling overshoots
    seconds = sum(map(len, wavs)) / SAMPLE_RATE
    print("\n".join(f"{name}: {value}" for name, value in dataclasses.asdict(system_info.header(1)).items()))
    print(f"{len(wavs)} recordings, {seconds:.0f} s, {min(map(len, wavs)) / SAMPLE_RATE:.1f} s to", end=" ")
    print(f"{max(map(len, wavs)) / SAMPLE_RATE:.1f} s\n")
    rows = [["predictor", "ours, x real time", "package", "largest difference"]]
    for name, pair in scorers().items():
        speeds, scores = [], []
        for score in pair:
            score(wavs[0])
            begin = time.process_time()
            scores.append(np.array([score(wav) for wav in tqdm(wavs, name, disable=None)]))
            speeds.append(f"{seconds / (time.process_time() - begin):.1f}")
        rows.append([name, *speeds, f"{np.abs(scores[0] - scores[1]).max():.1e}"])
    print(format_table(rows))


if __name__ == "__main__":
    main()
