"""Measure bulk transcription with one worker and with two, on this machine.

    python benchmarks/bulk_scale.py FOLDER [--copies 8]

FOLDER holds recordings. Each number of workers transcribes all of them `--copies` times into an empty folder; the time
is that from the first finished file to the last, without the start of Ray and of the models, which is given apart.
Prints seconds, real-time factors and the ratio. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import dataclasses
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
    parser.add_argument("--copies", type=int, default=8, metavar="N", help="times that each recording is read (8)")
    args = parser.parse_args()
    recordings = rows_of(args.folder, "audio")
    seconds = args.copies * sum(len(audio.read(row.value, 16000)[0]) / 16000 for row in recordings)
    rows = [Row(f"{n}/{row.id}", row.value) for n in range(args.copies) for row in recordings]
    print(
        dataclasses.asdict(header(threads=1)),
        f"{len(rows)} recordings, {seconds:.0f} s; one thread a worker, int8, CPU",
        sep="\n",
    )
    speeds = {}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as out:
            started = time.time()
            if run(TranscribeJob(), rows, out, None, workers):
                sys.exit("some recordings could not be transcribed")
            ended = sorted(path.stat().st_mtime for path in Path(out).rglob("*.txt"))
        speeds[workers] = (len(ended) - 1) / (ended[-1] - ended[0])
        working = len(ended) / speeds[workers]
        print(
            f"{workers} workers: {working:.1f} s of work, {speeds[workers]:.2f} recordings a second, "
            f"real-time factor {working / seconds:.4f}; start and end besides: {time.time() - started - working:.1f} s"
        )
    print(f"2 workers do {speeds[2] / speeds[1]:.2f} times as many recordings a second as 1")


if __name__ == "__main__":
    main()
