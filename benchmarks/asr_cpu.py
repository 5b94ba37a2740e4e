#!/usr/bin/env python3
"""Measure speechnar beside faster-whisper (Whisper base, int8) and pocketsphinx on a CPU: same files, same threads.

    pip install '.[eval]'                                      # here: speechnar, and the word error rates
    python -m venv peers && peers/bin/pip install faster-whisper pocketsphinx
    python benchmarks/asr_cpu.py test_other.tsv test_read.tsv --peer-python peers/bin/python [--whisper DIR] [--hour]

Each LIST.tsv is a test set, a line an utterance: `utt_id<TAB>speaker<TAB>audio<TAB>text`. Each system runs in a process
of its own, and may have a virtual environment of its own. The systems take turns at every file, so that other work on
the computer affects all of them. Prints tables, and writes `docs/asr_cpu.json`.

What is measured:
    WER: on each list, after Whisper's English normalizer, with its 95 % interval; RTF over the whole list.
    RTF by length: seconds of work per second of audio, loaded and warm; utterances of the first list one after the
        other, cut to the length. Medians over `--repeats`, each with other audio. `CPU` counts processor time.
    Cold start: from the start of the process to the text of 5 s of audio; speechnar by its command line, the others
        by a script.
    Memory: the process's peak, after the longest audio; with --hour, of our command line on an hour of audio.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asr_systems
import measuring
import numpy as np
from measuring import ROOT, header, table
from tqdm import tqdm

from speechnar import audio
from speechnar.evaluate.stats.record import write_json
from speechnar.evaluate.wer.error_rate import report, score
from speechnar.evaluate.wer.normalizers import normalizer

RATE = 16000
LENGTHS = (5, 15, 30, 120, 600)
GAP = 0.3  # seconds between utterances that are joined
OURS = "speechnar"


@dataclass(frozen=True)
class Utterance:
    """A line of a list."""

    name: str
    speaker: str
    audio: Path
    text: str


class Worker(measuring.Worker):
    """Run a system in a process of its own."""

    def __init__(self, name: str, python: str, model: str, threads: int) -> None:
        self.command = [python, asr_systems.__file__, name, model, str(threads)]
        self.python, self.model, self.threads = python, model, threads
        super().__init__(name, self.command, threads)

    def cold_start(self, wav: Path, folder: Path) -> dict[str, Any]:
        command = [*self.command, "--once", str(wav)]
        if self.name == OURS:
            code = "import sys; from speechnar.cli import main; sys.exit(main())"
            command = [self.python, "-c", code, "transcribe", str(wav), "--threads", str(self.threads)]
            command += ["--recognizer", self.model, "-o", str(folder / "transcript.txt")]
        return measuring.cold_start(self.name, command, folder, self.threads)


def read_list(path: Path) -> list[Utterance]:
    """Return the utterances of a LIST.tsv; relative paths of audio start at its folder."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [Utterance(name, speaker, path.parent / file, text) for name, speaker, file, text in rows]


def speech(utterances: list[Utterance], start: int, seconds: float) -> np.ndarray:
    """Return utterances one after another, from the given one on and around to the first, cut to a length."""
    parts: list[np.ndarray] = []
    lacking = round(seconds * RATE)
    for utterance in itertools.islice(itertools.cycle(utterances), start, None):
        wav = np.pad(audio.read(utterance.audio, RATE)[0], (0, round(GAP * RATE)))
        parts.append(wav[:lacking])
        lacking -= len(parts[-1])
        if not lacking:
            return np.concatenate(parts)
    raise ValueError("the list has no utterances")


def measure_list(workers: list[Worker], utterances: list[Utterance], folder: Path) -> dict[str, Any]:
    """Measure error rates and speed on a test set."""
    texts: dict[str, dict[str, str]] = {worker.name: {} for worker in workers}
    taken: dict[str, list[dict[str, Any]]] = {worker.name: [] for worker in workers}
    seconds = 0.0
    for utterance in tqdm(utterances, unit=" utterances", disable=None):
        wav, _ = audio.read(utterance.audio, RATE)
        audio.write(folder / "a.wav", wav, RATE)
        seconds += len(wav) / RATE
        for worker in workers:
            reply = worker.ask("transcribe", str(folder / "a.wav"))
            texts[worker.name][utterance.name] = reply["text"]
            taken[worker.name].append(reply)
    reference = {utterance.name: utterance.text for utterance in utterances}
    whisper = normalizer("whisper")
    scores = [score(worker.name, reference, texts[worker.name], whisper) for worker in workers]
    found = report(scores, [utterance.speaker for utterance in utterances])
    systems = {
        system.total.name: {
            "wer": system.rate,
            "words": system.total.length,
            "rtf": sum(reply["wall"] for reply in taken[system.total.name]) / seconds,
            "rtf_cpu": sum(reply["cpu"] for reply in taken[system.total.name]) / seconds,
            "texts": texts[system.total.name],
        }
        for system in found.systems
    }
    return {"utterances": len(utterances), "seconds": seconds, "drawn": found.drawn, "systems": systems}


def measure_lengths(
    workers: list[Worker], utterances: list[Utterance], lengths: list[float], repeats: int, folder: Path
) -> Iterator[dict[str, Any]]:
    """Measure the speed at each length, the shortest first; audio longer than a minute is transcribed once."""
    for length in sorted(lengths):
        replies: dict[str, list[dict[str, Any]]] = {worker.name: [] for worker in workers}
        for repeat in range(repeats if length <= 60 else 1):
            audio.write(folder / "a.wav", speech(utterances, 7 * repeat, length), RATE)
            for worker in workers:
                print(f"{length:g} s, {repeat}: {worker.name}", file=sys.stderr)
                replies[worker.name].append(worker.ask("transcribe", str(folder / "a.wav")))
        yield {
            "seconds": length,
            "systems": {
                name: {
                    "rtf": statistics.median(reply["wall"] for reply in of) / length,
                    "rtf_cpu": statistics.median(reply["cpu"] for reply in of) / length,
                    "peak_bytes": of[-1]["peak_bytes"],
                }
                for name, of in replies.items()
            },
        }


def measure_starts(workers: list[Worker], wav: Path, starts: int, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Measure cold starts; the first of each system fills the disk cache and does not count."""
    runs: dict[str, list[dict[str, Any]]] = {worker.name: [] for worker in workers}
    for _ in range(starts + 1 if starts else 0):
        for worker in workers:
            runs[worker.name].append(worker.cold_start(wav, folder))
    return {name: of[1:] for name, of in runs.items()}


def format_run(run: dict[str, Any]) -> str:
    """Return the tables, as Markdown."""
    names = list(run["info"])
    lines = [f"{key}: {value}" for key, value in run["header"].items()]
    lines += [f"{name}: version {info['version']}, python {info['python']}" for name, info in run["info"].items()]
    for title, found in run["lists"].items():
        rows = []
        for name, of in found["systems"].items():
            rate = of["wer"]
            interval = f"{100 * rate.low:.1f} to {100 * rate.high:.1f}"
            rows.append([name, f"{100 * rate.value:.1f}", interval, f"{of['rtf']:.3f}", f"{of['rtf_cpu']:.3f}"])
        what = f"{title}: {found['utterances']} utterances, {found['seconds'] / 60:.1f} min"
        lines += table([what, "WER, %", f"95 % by {found['drawn']}", "RTF", "RTF (CPU)"], rows)
    rows = []
    for length in run["lengths"]:
        of = [length["systems"][name] for name in names]
        ratios = [f"1/{other['rtf'] / of[0]['rtf']:.1f}" for other in of[1:]]
        rows.append([f"{length['seconds']:g}", *(f"{x['rtf']:.4f} ({x['rtf_cpu']:.4f})" for x in of), *ratios])
    heads = [f"RTF (CPU): {name}" for name in names] + [f"ours / {name}" for name in names[1:]]
    lines += table(["audio, s", *heads], rows)

    def median(name: str, key: str) -> float:
        return statistics.median([start[key] for start in run["cold_starts"][name]] or [float("nan")])

    figures = {
        "cold start to a text, s": lambda n: f"{median(n, 'wall'):.2f}",
        "cold start, processor time, s": lambda n: f"{median(n, 'cpu'):.2f}",
        "cold start, peak memory, MB": lambda n: f"{median(n, 'peak_bytes') / 1e6:.0f}",
        "peak memory after the longest audio, MB": lambda n: (
            f"{run['lengths'][-1]['systems'][n]['peak_bytes'] / 1e6:.0f}"
        ),
        "loading, s": lambda n: f"{run['info'][n]['load_seconds']:.2f}",
        "model, MB": lambda n: f"{run['info'][n]['model_bytes'] / 1e6:.1f}",
        "installed with all it needs, MB": lambda n: f"{run['info'][n]['installed_bytes'] / 1e6:.0f}",
    }
    lines += table(["figure", *names], [[what, *map(figure, names)] for what, figure in figures.items()])
    if hour := run["hour"]:
        lines += ["", f"An hour of audio, {OURS}: {hour['wall']:.0f} s, peak memory {hour['peak_bytes'] / 1e6:.0f} MB"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", type=Path, nargs="+", metavar="LIST.tsv", help="test sets")
    parser.add_argument("--ours-python", default=sys.executable, help="Python that has speechnar (default: this one)")
    parser.add_argument("--peer-python", help="Python that has faster-whisper and pocketsphinx (default: no peers)")
    parser.add_argument("--recognizer", default="english_base", help="ours, by name or folder")
    parser.add_argument("--whisper", default="base", help="a folder of CTranslate2's; by default it is downloaded")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lengths", type=float, nargs="+", default=list(LENGTHS), help="seconds")
    parser.add_argument("--repeats", type=int, default=3, help="pieces of audio for each length up to a minute")
    parser.add_argument("--starts", type=int, default=3, help="cold starts; 0 for none")
    parser.add_argument("--hour", action="store_true", help="also an hour of audio, ours alone")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "asr_cpu.json")
    args = parser.parse_args()

    def folder_or_name(model: str) -> str:
        return os.path.abspath(model) if Path(model).is_dir() else model

    models = dict.fromkeys(asr_systems.SYSTEMS, folder_or_name(args.whisper)) | {OURS: folder_or_name(args.recognizer)}
    run: dict[str, Any] = {"header": header(args.threads)}
    workers = []
    for name, model in models.items():
        python = args.ours_python if name == OURS else args.peer_python
        if python:
            workers.append(Worker(name, os.path.abspath(python), model, args.threads))
    lists = {path.stem: read_list(path) for path in args.lists}
    first = next(iter(lists.values()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        audio.write(folder / "5s.wav", speech(first, 0, 5), RATE)
        for worker in workers:  # to warm up
            worker.ask("transcribe", str(folder / "5s.wav"))
        run["lists"] = {title: measure_list(workers, utterances, folder) for title, utterances in lists.items()}
        run["lengths"] = list(measure_lengths(workers, first, args.lengths, args.repeats, folder))
        run["info"] = {worker.name: worker.info | worker.ask("describe", "") for worker in workers}
        run["cold_starts"] = measure_starts(workers, folder / "5s.wav", args.starts, folder)
        run["hour"] = None
        if args.hour:
            audio.write(folder / "hour.wav", speech(first, 0, 3600), RATE)
            run["hour"] = workers[0].cold_start(folder / "hour.wav", folder)
    for worker in workers:
        worker.close()
    print(format_run(run))
    args.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(args.json, run)


if __name__ == "__main__":
    main()
