#!/usr/bin/env python3
"""Write down what a recognizer hears in recordings whose words are known, with and without its verifying decoder.

    python local/recognize.py CUTS... OUT.tsv [--noise | --speeds] [--systems draft default] [--utterances N]

Writes `id<TAB>speaker<TAB>system<TAB>known words<TAB>recognized text` lines. For each of them, the recognized words
with their frames and the output of CTC go to the folder of the same name without `.tsv`, from which
`transcribe --correct` is learned and evaluated (about 100 kB a recording and system). The systems are `draft`, the text
of CTC (`speechnar transcribe --iterations 0`), and `default`; with --noise, `draft_noisy` and `default_noisy`, of
recordings with pink noise at a signal-to-noise ratio between 0 and 15 dB, drawn by the recording's id; with --speeds,
`draft_speeds` and `default_speeds`, of recordings that are played at 0.8 to 0.9 or 1.1 to 1.25 times their speed, so
that voices are higher or lower than those that the recognizer knows. The recordings come in a random order. Lines that
OUT.tsv has already are kept, so that a run that was stopped goes on.
"""

import argparse
import random
import warnings
from pathlib import Path

import numpy as np
from evaluate import audio_path

from speechnar.audio import resample
from speechnar.data.manifest import load_cuts, read_wav
from speechnar.decode.acoustic_correction import Utterance
from speechnar.decode.corrector import Correction
from speechnar.runtime import load_recognizer
from speechnar.runtime.speech import SpeechWarning

SNR = (0.0, 15.0)  # dB
SPEEDS = ((0.8, 0.9), (1.1, 1.25))  # slower, faster
SYSTEMS = {"draft": 0, "default": None}
"""Iterations of each system's decoder; None is the recognizer's own number."""


class Recorder:
    """Takes the place of a corrector: it keeps the words of each segment of a recording, and changes none."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._frames: list[tuple[int, int]] = []
        self._confidences: list[float] = []
        self._log_probs: list[np.ndarray] = []

    def corrections(self, text: Utterance, verified: bool) -> list[Correction]:
        first = sum(map(len, self._log_probs))
        self._words += text.words
        self._frames += [(first + start, first + end) for start, end in text.frames]
        self._confidences += text.confidences
        self._log_probs.append(text.log_probs.astype(np.float16))
        return []

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path,
            words=np.array(self._words, str),
            frames=np.array(self._frames, np.int32).reshape(-1, 2),
            confidences=np.array(self._confidences, np.float32),
            log_probs=np.concatenate(self._log_probs),
        )


def with_noise(wav: np.ndarray, name: str) -> np.ndarray:
    """Add pink noise, whose power falls by 3 dB an octave, to (T_wav,) samples."""
    draw = random.Random(name)
    white = np.random.default_rng(draw.getrandbits(32)).standard_normal(len(wav))
    spectrum = np.fft.rfft(white)
    spectrum /= np.sqrt(np.arange(len(spectrum)) + 1.0)
    noise = np.fft.irfft(spectrum, len(wav))
    snr = draw.uniform(*SNR)
    noise *= np.sqrt(np.mean(wav**2) / np.mean(noise**2)) * 10 ** (-snr / 20)
    noisy = wav + noise
    return (noisy / max(1.0, float(np.abs(noisy).max()))).astype(np.float32)


def at_speed(wav: np.ndarray, name: str, sample_rate: int) -> np.ndarray:
    """Play (T_wav,) samples slower and lower, or faster and higher."""
    draw = random.Random(name)
    return resample(wav, round(sample_rate * draw.uniform(*draw.choice(SPEEDS))), sample_rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cuts", type=Path, nargs="+", help="Lhotse manifests, such as recipes/english_base prepares")
    parser.add_argument("out", type=Path)
    changed = parser.add_mutually_exclusive_group()
    changed.add_argument("--noise", action="store_true", help="add noise to the recordings")
    changed.add_argument("--speeds", action="store_true", help="play the recordings slower or faster")
    parser.add_argument("--recognizer", default="english_base", metavar="NAME|DIR")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--utterances", type=int, metavar="N", help="no more than N of each manifest")
    args = parser.parse_args()
    recognizer = load_recognizer(args.recognizer, threads=1)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = set()
    if args.out.exists():
        done = {tuple(line.split("\t")[:3:2]) for line in args.out.read_text(encoding="utf-8").splitlines()}
    ending = "_noisy" if args.noise else "_speeds" if args.speeds else ""
    warnings.simplefilter("ignore", SpeechWarning)
    with open(args.out, "a", encoding="utf-8") as out:
        for path in args.cuts:
            cuts = list(load_cuts(path))
            random.Random(0).shuffle(cuts)
            for cut in cuts[: args.utterances]:
                systems = {name: SYSTEMS[name] for name in args.systems if (cut.id, name + ending) not in done}
                if not systems:
                    continue
                said = cut.supervisions[0]
                wav = read_wav(cut, recognizer.sample_rate)
                if args.noise:
                    wav = with_noise(wav, cut.id)
                elif args.speeds:
                    wav = at_speed(wav, cut.id, recognizer.sample_rate)
                for name, iterations in systems.items():
                    recorder = Recorder()
                    text = recognizer.transcribe(wav, iterations=iterations, name=cut.id, corrector=recorder).text
                    recorder.save(audio_path(args.out, cut.id, name + ending))
                    known = " ".join(said.text.split())
                    print(cut.id, said.speaker, name + ending, known, text, sep="\t", file=out, flush=True)


if __name__ == "__main__":
    main()
