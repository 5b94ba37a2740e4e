#!/usr/bin/env python3
"""Measure how fast `speechnar features` is, where its time is spent, and its F0 tracker beside librosa's pYIN.

    pip install '.[train]'
    speechnar corpus import ljspeech DIR/LJSpeech-1.1 cuts.jsonl.gz
    python benchmarks/features_speed.py cuts.jsonl.gz [--jobs 2] [--seconds 1800] [--peer-seconds 30]

The whole verb is timed by the clock, on that many processes and into a new folder. Its steps and the peer are timed one
after the other in this process, by the processor's time, so that other processes count little. Alignments are made up:
each utterance is one phone, since how long a phone lasts costs nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from lhotse import CutSet
from lhotse.cut import Cut

from speechnar.audio import F0_MAX, F0_MIN, AudioConfig, log_mel_of, spectrogram, track_f0
from speechnar.data.features import compute_features
from speechnar.data.manifest import load_cuts, read_wav
from speechnar.evaluate.speed import system_info
from speechnar.evaluate.stats.table import format_table
from speechnar.files import atomic_write

AUDIO = AudioConfig()


def pyin(wav: np.ndarray, audio: AudioConfig) -> np.ndarray:
    """Return F0 by librosa's pYIN in the same range and at the same frames."""
    window = 2048
    padded = np.pad(wav, (window - audio.hop_length) // 2)
    return librosa.pyin(
        padded,
        fmin=F0_MIN,
        fmax=F0_MAX,
        sr=audio.sample_rate,
        frame_length=window,
        hop_length=audio.hop_length,
        center=False,
    )[0]


def chosen(cuts: Sequence[Cut], seconds: float) -> list[Cut]:
    """Return the first cuts that last so long together, each aligned as one phone."""
    found: list[Cut] = []
    for cut in cuts:
        if sum(c.duration for c in found) >= seconds:
            break
        frames = int(cut.duration * AUDIO.sample_rate) // AUDIO.hop_length
        cut.supervisions[0].custom = {"phones": ["ə"], "durations": [frames], "lead": 0, "trail": 0}
        found.append(cut)
    return found


def steps(cuts: Sequence[Cut], folder: Path) -> dict[str, float]:
    """Return the processor seconds of each step, over all cuts."""
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, work: Callable[..., Any], *args: Any) -> Any:
        begin = time.process_time()
        result = work(*args)
        spent[name] += time.process_time() - begin
        return result

    def save(mel: np.ndarray, wav: np.ndarray) -> None:
        with atomic_write(folder / "one.npz") as part, open(part, "wb") as file:
            np.savez(file, mel=mel, wav=(wav * 32767).astype(np.int16))

    for cut in cuts:
        wav = timed("read, resample", read_wav, cut, AUDIO.sample_rate)
        spectrum = timed("spectrogram", spectrogram, wav, AUDIO)
        mel = timed("mel", log_mel_of, spectrum, AUDIO)
        timed("F0", track_f0, wav, AUDIO)
        timed("save", save, mel, wav)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cuts", type=Path, help="a manifest of `speechnar corpus import`")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--seconds", type=float, default=1800, help="of audio for the whole verb (1800)")
    parser.add_argument("--peer-seconds", type=float, default=30, help="of audio for the steps and the peer (30)")
    args = parser.parse_args()
    manifest = load_cuts(args.cuts)
    cuts, few = chosen(manifest, args.seconds), chosen(manifest, args.peer_seconds)
    print("\n".join(f"{name}: {value}" for name, value in dataclasses.asdict(system_info.header(args.jobs)).items()))

    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        stats = compute_features(CutSet.from_cuts(cuts), Path(folder) / "features", AUDIO, jobs=args.jobs)
        wall = time.perf_counter() - begin
        warm = few[:1]
        steps(warm, Path(folder))  # imports and the tracker's network
        spent = steps(few, Path(folder))
    print(f"\n{stats.seconds:.0f} s of audio in {wall:.1f} s: {stats.seconds / wall / 60:.2f} hours a minute")

    seconds = sum(cut.duration for cut in few)
    wavs = [read_wav(cut, AUDIO.sample_rate) for cut in few]
    pyin(wavs[0][: AUDIO.sample_rate], AUDIO)  # compiles
    begin = time.process_time()
    for wav in wavs:
        pyin(wav, AUDIO)
    peer = time.process_time() - begin
    rows = [["one process", "ms for a second", "x real time"]]
    for name, value in [*spent.items(), ("librosa.pyin", peer)]:
        rows.append([name, f"{1000 * value / seconds:.2f}", f"{seconds / value:.0f}"])
    print(f"\n{format_table(rows)}\nF0: {peer / spent['F0']:.0f} times as fast as librosa.pyin")


if __name__ == "__main__":
    main()
