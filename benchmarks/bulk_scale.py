"""Measure bulk transcription with one worker and with two, on this machine.

    python benchmarks/bulk_scale.py FOLDER [--copies 4] [--repeats 3]

FOLDER holds recordings. One worker and two take turns, `--repeats` times: each transcribes all recordings `--copies`
times into an empty folder. The time is that from the first finished file to the last, without the start of Ray and of
the models, which is given apart. Prints seconds, real-time factors and the ratio of the medians. Nothing else should
run on the machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from pathlib import Path

from speechnar import audio
from speechnar.evaluate.speed.system_info import header
from speechnar.infer.bulk import Row, run
from speechnar.infer.bulk_jobs import TranscribeJob
from speechnar.infer.bulk_sources import rows_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--copies", type=int, default=4, metavar="N", help="times that each recording is read (4)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="turns, of which the median counts (3)")
    args = parser.parse_args()
    recordings = rows_of(args.folder, "audio")
    seconds = args.copies * sum(len(audio.read(row.value, 16000)[0]) / 16000 for row in recordings)
    rows = [Row(f"{n}/{row.id}", row.value) for n in range(args.copies) for row in recordings]
    print(
        dataclasses.asdict(header(threads=1)),
        f"{len(rows)} recordings, {seconds:.0f} s; one thread a worker, int8, CPU",
        sep="\n",
    )
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(args.repeats):
        for workers, measured in speeds.items():
            with tempfile.TemporaryDirectory() as out:
                started = time.time()
                if run(TranscribeJob(), rows, out, None, workers):
                    sys.exit("some recordings could not be transcribed")
                ended = sorted(path.stat().st_mtime for path in Path(out).rglob("*.txt"))
            measured.append((len(ended) - 1) / (ended[-1] - ended[0]))
            working = len(ended) / measured[-1]
            print(
                f"{workers} workers: {working:.1f} s of work, {measured[-1]:.2f} recordings a second, "
                f"real-time factor {working / seconds:.4f}; start and end besides: "
                f"{time.time() - started - working:.1f} s",
                flush=True,
            )
    ratios = ", ".join(f"{two / one:.2f}" for one, two in zip(*speeds.values()))
    one, two = (statistics.median(measured) for measured in speeds.values())
    print(f"2 workers do {two / one:.2f} times as many recordings a second as 1, by the medians; by turns: {ratios}")


if __name__ == "__main__":
    main()
