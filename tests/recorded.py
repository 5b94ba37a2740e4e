"""Recordings for tests of corpora: syllables that are hummed, one for each letter of the text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
TEXTS = {
    "a1": "The birch canoe slid on the smooth planks.",
    "a2": "Glue the sheet to the dark blue background.",
    "a3": "It is easy to tell the depth of a well.",
}


def hummed(text: str, rate: int = RATE) -> np.ndarray:
    """(T_wav,) float32: 60 ms a character, with 0.1 s of silence at both ends."""
    time = np.arange(int(0.06 * rate * len(text))) / rate
    tone = 0.3 * np.sin(2 * np.pi * 150 * time) * (1.2 + np.sin(2 * np.pi * 4 * time)) / 2
    return np.pad(tone, int(0.1 * rate)).astype(np.float32)


def record(path: Path, text: str = TEXTS["a1"], rate: int = RATE, **options: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, hummed(text, rate), rate, **options)


def make_ljspeech(folder: Path, texts: dict[str, str] = TEXTS) -> Path:
    """An LJSpeech-like corpus of two columns."""
    for name, text in texts.items():
        record(folder / "wavs" / f"{name}.wav", text)
    lines = "".join(f"{name}|{text}\n" for name, text in texts.items())
    (folder / "metadata.csv").write_text(lines, encoding="utf-8")
    return folder
