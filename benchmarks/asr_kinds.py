#!/usr/bin/env python3
"""Measure word error rates on kinds of audio beside faster-whisper (Whisper base, int8): table in RESULTS.md.

    pip install '.[eval]'
    python -m venv peers && peers/bin/pip install faster-whisper
    python benchmarks/asr_kinds.py clean.tsv --noise kitchen.wav --list digits=digits.tsv --peer-python peers/bin/python

Each LIST.tsv is as in `asr_cpu.py`: `utt_id<TAB>speaker<TAB>audio<TAB>text`; further lists are kinds of their own. Of
the clean list these kinds are made, with fixed seeds:

    telephone, mu-law   300 to 3,400 Hz at 8 kHz, 8 bits by the mu-law
    telephone, GSM      8 kHz, GSM 06.10 full rate
    far field           a room with an RT60 of 0.6 s: the direct sound and an exponential tail 6 dB below it
    noise, 5 dB         `--noise` FILE from a place that the seed gives, or white noise
    quiet, clipped      40 dB softer, 20 dB louder and clipped
    slow, fast          tempo 0.65, 1.6 at the same pitch

The systems run in processes of their own and take turns at every file. Intervals are by utterance.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import asr_systems
import numpy as np
import soundfile
import soxr
from asr_cpu import OURS, RATE, Utterance, Worker, read_list
from measuring import table

from speechnar import audio
from speechnar.evaluate.stats.table import format_interval
from speechnar.evaluate.wer.error_rate import report, score
from speechnar.evaluate.wer.normalizers import normalizer

PHONE = 8000  # Hz
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def telephone(subtype: str) -> Change:
    def change(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        spectrum = np.fft.rfft(wav)
        hertz = np.fft.rfftfreq(len(wav), 1 / RATE)
        spectrum[(hertz < 300) | (hertz > 3400)] = 0
        narrow = soxr.resample(np.fft.irfft(spectrum, len(wav)).astype(np.float32), RATE, PHONE)
        coded = io.BytesIO()
        soundfile.write(coded, narrow, PHONE, subtype, format="WAV")
        coded.seek(0)
        return soxr.resample(soundfile.read(coded, dtype="float32")[0], PHONE, RATE)

    return change


def far_field(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(int(0.6 * RATE)) / RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / 0.6)
    tail[: int(0.01 * RATE)] = 0
    tail *= np.sqrt(10**0.6 / np.square(tail).sum())
    room = np.concatenate([[1.0], tail[1:]])
    size = len(wav) + len(room)
    heard = np.fft.irfft(np.fft.rfft(wav, size) * np.fft.rfft(room, size), size)[: len(wav) + RATE // 4]
    return heard * np.abs(wav).max() / np.abs(heard).max()


def noisy(noise: np.ndarray | None) -> Change:
    def change(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if noise is None:
            added = rng.standard_normal(len(wav))
        else:
            added = np.resize(np.roll(noise, -int(rng.integers(len(noise)))), len(wav))
        return wav + added * np.sqrt(np.square(wav).mean() / np.square(added).mean() / 10**0.5)

    return change


def tempo(factor: float) -> Change:
    """Return a change of speed that keeps the pitch: frames of 40 ms are laid half over each other, each taken from the
    place, within 10 ms, that fits the end of the one before it best (WSOLA, Verhelst & Roelands 1993).
    """

    def change(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        hop, reach = RATE // 50, RATE // 100
        window = np.hanning(2 * hop + 1)[:-1]
        padded = np.pad(wav, (reach, 4 * hop + reach))
        found = np.zeros(int(len(wav) / factor) + 2 * hop)
        expected = padded[reach : reach + 2 * hop]
        for at in range(0, len(found) - 2 * hop, hop):
            begin = min(int(at * factor), len(padded) - 4 * hop - 2 * reach)
            fits = np.correlate(padded[begin : begin + 2 * hop + 2 * reach], expected, "valid")
            place = begin + int(np.argmax(fits))
            found[at : at + 2 * hop] += window * padded[place : place + 2 * hop]
            expected = padded[place + hop : place + 3 * hop]
        return found

    return change


def kinds(noise: np.ndarray | None) -> dict[str, Change]:
    return {
        "clean": lambda wav, rng: wav,
        "telephone, mu-law": telephone("ULAW"),
        "telephone, GSM": telephone("GSM610"),
        "far field": far_field,
        "noise, 5 dB": noisy(noise),
        "quiet": lambda wav, rng: wav / 100,
        "clipped": lambda wav, rng: np.clip(wav * 10, -1, 1),
        "slow, 0.65": tempo(0.65),
        "fast, 1.6": tempo(1.6),
    }


def measured(
    name: str, utterances: list[Utterance], change: Change, workers: list[Worker], folder: Path, tables: Path | None
) -> list[str]:
    """Return a row of the table; the texts go to a file for each system, below `tables`."""
    texts: dict[str, dict[str, str]] = {worker.name: {} for worker in workers}
    for number, utterance in enumerate(utterances):
        wav, _ = audio.read(utterance.audio, RATE)
        changed = change(wav, np.random.default_rng(number))
        audio.write(folder / "a.wav", np.clip(changed, -1, 1).astype(np.float32), RATE)
        for worker in workers:
            texts[worker.name][utterance.name] = worker.ask("transcribe", str(folder / "a.wav"))["text"]
    reference = {utterance.name: utterance.text for utterance in utterances}
    found = report([score(system, reference, texts[system], normalizer("whisper")) for system in texts])
    for system, heard in texts.items() if tables else ():
        assert tables
        lines = (f"{utterance}\t{reference[utterance]}\t{text}\n" for utterance, text in heard.items())
        (tables / f"{name}.{system}.tsv".replace(" ", "_")).write_text("".join(lines), encoding="utf-8")
    cells = [f"{100 * one.rate.value:.1f} % [{format_interval(one.rate, 100, 1)}]" for one in found.systems]
    return [name, str(len(utterances)), str(found.systems[0].total.length), *cells]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean", type=Path, metavar="LIST.tsv")
    parser.add_argument("--list", action="append", default=[], metavar="KIND=LIST.tsv")
    parser.add_argument("--noise", type=Path, metavar="FILE")
    parser.add_argument("--recognizer", default="english_base", metavar="NAME|DIR")
    parser.add_argument("--peer-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--whisper", default="base", metavar="NAME|DIR")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 5], choices=[1, 5])
    parser.add_argument("--texts", type=Path, metavar="DIR", help="where to write what each system heard")
    args = parser.parse_args()
    if args.texts:
        args.texts.mkdir(parents=True, exist_ok=True)
    noise = audio.read(args.noise, RATE)[0] if args.noise else None
    workers = [Worker(OURS, sys.executable, os.path.expanduser(args.recognizer), 1)]
    for beam in args.beams:
        name = f"faster-whisper, beam {beam}"
        assert name in asr_systems.SYSTEMS
        workers.append(Worker(name, args.peer_python, os.path.expanduser(args.whisper), 1))
    rows: list[list[str]] = []
    clean = read_list(args.clean)
    with tempfile.TemporaryDirectory() as folder:
        plans = [(name, clean, change) for name, change in kinds(noise).items()]
        plans += [
            (name, read_list(Path(path)), kinds(None)["clean"]) for name, path in (x.split("=") for x in args.list)
        ]
        for name, utterances, change in plans:
            rows.append(measured(name, utterances, change, workers, Path(folder), args.texts))
            print(*rows[-1], sep=" | ", flush=True)
    print(*table(["kind", "files", "words", *(worker.name for worker in workers)], rows), sep="\n")
    for worker in workers:
        worker.close()


if __name__ == "__main__":
    main()
