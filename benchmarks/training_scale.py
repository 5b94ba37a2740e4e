"""Measure how training a recognizer scales: two processes on two cores against one process on one core.

    python benchmarks/training_scale.py [--steps 30] [--batch-seconds 60] [--dtype no]

Both train the same model on the same batches; the two processes share every batch. The corpus is made up: tones that
stand for letters, 2 to 12 seconds an utterance. Steps a second are measured after `WARM_UP` steps, from the times that
the loop logs. Only cores that nothing else uses give a number that means something.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from lhotse import MonoCut, Recording, SupervisionSegment

from speechnar import audio
from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.data.manifest import save_cuts
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.models.asr.ctc import CTCConfig
from speechnar.tasks.recognizer import RecognitionConfig, train_recognizer
from speechnar.text.tokenizer import train_tokenizer
from speechnar.train.loop import LoopConfig

AUDIO = AudioConfig(16000, 480, 160, 480, 80, 0.0, 8000.0)
LETTERS = "abcdefgh"
WARM_UP = 5
UTTERANCES = 60


def make_corpus(folder: Path) -> None:
    """Write audio, a manifest and a tokenizer."""
    rng = np.random.default_rng(0)
    cuts, texts = [], []
    for number in range(UTTERANCES):
        letters = rng.choice(list(LETTERS), int(rng.integers(20, 120)))
        time = np.arange(1600) / AUDIO.sample_rate
        wav = np.concatenate([0.3 * np.sin(2 * np.pi * 200 * (1 + LETTERS.index(x)) * time) for x in letters])
        path = folder / f"{number}.wav"
        audio.write(path, wav.astype(np.float32), AUDIO.sample_rate)
        recording = Recording.from_file(path, recording_id=str(number))
        texts.append("".join(letters))
        supervision = SupervisionSegment(str(number), str(number), 0, recording.duration, text=texts[-1])
        cuts.append(MonoCut(str(number), 0, recording.duration, 0, recording=recording, supervisions=[supervision]))
    save_cuts(cuts, folder / "train.jsonl.gz")
    save_cuts(cuts[:1], folder / "dev.jsonl.gz")
    train_tokenizer(texts, folder / "units")


def train(folder: Path, out: Path, args: argparse.Namespace) -> None:
    """Train for the steps of the benchmark in this process, which torchrun may have started."""
    encoder = CTCEncoderConfig(ConformerConfig(144, 6, 4, 576, 15, 4, 64))
    loop = LoopConfig(
        max_steps=args.steps, log_every=1, validate_every=0, checkpoint_seconds=1e9, precision=args.dtype, threads=1
    )
    config = RecognitionConfig(AUDIO, Choice("ctc", CTCConfig(0, encoder)), loop=loop)
    config = dataclasses.replace(config, batch_seconds=args.batch_seconds)
    train_recognizer(config, folder / "units", folder / "train.jsonl.gz", folder / "dev.jsonl.gz", out)


def steps_per_second(out: Path) -> float:
    """Return the pace of a run after its warm-up."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    first, last = lines[WARM_UP - 1], lines[-1]
    return (last["step"] - first["step"]) / (last["seconds"] - first["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], allow_abbrev=False)
    parser.add_argument("--steps", type=int, default=30, help=f"steps of each run, above {WARM_UP} (30)")
    parser.add_argument("--batch-seconds", type=float, default=60.0, help="audio in a step, in all (60)")
    parser.add_argument("--dtype", default="no", choices=("no", "bf16"), help="precision of the loop (no: float32)")
    parser.add_argument("--folders", nargs=2, type=Path, metavar=("DATA", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folders:
        train(*args.folders, args)
        return
    if args.steps <= WARM_UP:
        parser.error(f"--steps is {args.steps} but should be above {WARM_UP}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder)
        paces = {}
        for ranks in (1, 2):
            out = folder / str(ranks)
            command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
            command += [__file__, "--steps", str(args.steps), "--batch-seconds", str(args.batch_seconds)]
            environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
            subprocess.run([*command, "--dtype", args.dtype, "--folders", folder, out], env=environment, check=True)
            paces[ranks] = steps_per_second(out)
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"threads a process: 1; dtype: {args.dtype}; torch {torch.__version__}; {os.cpu_count()} cores{load}")
    print(f"steps a second: {paces[1]:.3f} in 1 process, {paces[2]:.3f} in 2; ratio {paces[2] / paces[1]:.2f}")


if __name__ == "__main__":
    main()
