"""Sing the beginning of scores and compare the F0 of the audio with the notes and with the curve that was asked for.

    python benchmarks/singing.py FOLDER WAVS --songs 8

FOLDER is searched for `.mxl` files, of which evenly spaced ones are taken. WAVS receives the audio and `list.tsv`, from
which a recognizer's word error rate can be measured. F0 is tracked by `speechnar.audio.track_f0`, up to 600 Hz.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np

from speechnar import audio
from speechnar.runtime.singing import Melody, Singer
from speechnar.runtime.voice import load_voice
from speechnar.score.notes import Part
from speechnar.score.pitch import PitchOptions, f0_curve, hz
from speechnar.score.reading import read_score

LONG_NOTE = 0.2  # seconds; the middle half of longer notes is compared
CLOSE = 50.0  # cents


def beginning(part: Part, seconds: float) -> Part:
    """Return the notes of a part that end within some seconds of the first note's onset, which becomes 0."""
    start = part.sung[0].onset
    moved = (dataclasses.replace(n, onset=n.onset - start) for n in part.notes if n.onset >= start)
    return dataclasses.replace(part, notes=tuple(n for n in moved if n.end <= seconds))


def main() -> None:
    """Print a line for each song, and the figures over all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("wavs", type=Path)
    parser.add_argument("--songs", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--voice", default="heart")
    args = parser.parse_args()
    files = sorted(args.folder.rglob("*.mxl"))
    chosen = [files[round(n)] for n in np.linspace(0, len(files) - 1, args.songs)]
    args.wavs.mkdir(parents=True, exist_ok=True)
    voice = load_voice(args.voice, threads=1)
    singer = Singer(voice)
    hop = voice.info.audio.hop_length / voice.sample_rate
    of_notes, of_curve, lines = [], [], []
    sung_seconds = spent = 0.0
    for n, path in enumerate(chosen):
        part = beginning(read_score(path, 1).part(), args.seconds)
        began = time.perf_counter()
        melody = Melody.of(part)
        options = PitchOptions(transpose=singer.transposition([part]))
        song = singer.sing(melody, options)
        spent += time.perf_counter() - began
        sung_seconds += len(song.wav) / song.sample_rate
        found = audio.track_f0(song.wav, voice.info.audio)
        curve = f0_curve(part.notes, len(found), hop, options, melody.start)
        middle = hop * (np.arange(len(found)) + 0.5) + melody.start
        both = (found > 0) & (song.f0[: len(found)] > 0)
        own_curve = np.abs(1200 * np.log2(found[both] / curve[both]))
        errors = []
        for note in part.sung:
            if note.length > LONG_NOTE:
                inside = (found > 0) & (np.abs(middle - note.onset - note.length / 2) < note.length / 4)
                errors.append(np.abs(1200 * np.log2(found[inside] / hz((note.pitch or 0) + options.transpose))))
        own_notes = np.concatenate(errors)
        of_notes.append(own_notes)
        of_curve.append(own_curve)
        pitches = [(note.pitch or 0) + options.transpose for note in part.sung]
        print(
            f"{path.stem} {options.transpose:+.0f} semitones, MIDI {min(pitches):.0f} to {max(pitches):.0f}: median "
            f"{np.median(own_notes):.1f} cents from notes, {100 * np.mean(own_curve < CLOSE):.1f} % near the curve"
        )
        audio.write(args.wavs / f"{n}.wav", song.wav, song.sample_rate)
        lines.append(f"{n}\t{' '.join(word.text for word in song.words)}\n")
    (args.wavs / "list.tsv").write_text("".join(lines), encoding="utf-8")
    print(
        f"all: median {np.median(np.concatenate(of_notes)):.1f} cents from notes, "
        f"{100 * np.mean(np.concatenate(of_curve) < CLOSE):.1f} % of frames within {CLOSE:.0f} cents of the curve, "
        f"{sung_seconds / spent:.1f} s of song a second"
    )


if __name__ == "__main__":
    main()
