"""A recognizer that needs no training: every letter is a tone, and what it will hear is known in advance.

A frame is 40 ms. Its symbol is the tone that is loudest in it, or the blank where none has an amplitude of 0.1. Four
frames at each edge of what the graph is given are misheard, as the next symbol: windows are joined rightly only if
their edges are thrown away.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from stub import Graph

from speechnar import config
from speechnar.runtime.recognizer_folder import RecognizerInfo

RATE = 16000
FRAME = 640  # samples
SECONDS = FRAME / RATE
SYMBOLS = ("<blank>", "▁a", "▁b", "▁c", "a", "b", "c")
EDGE = 4  # frames, which is StreamConfig.prepare
LETTER = 2  # frames that a letter lasts


def tone_hz(symbol: str) -> float:
    """A whole number of cycles in a frame, so that tones are orthogonal."""
    return 500.0 * SYMBOLS.index(symbol)


def spell(*words: str | int) -> np.ndarray:
    """(T_wav,) at 16 kHz: each word's letters, a blank frame after each; a number is that many frames of silence."""
    clock = np.arange(LETTER * FRAME) / RATE
    parts = []
    for word in words:
        if isinstance(word, int):
            parts.append(np.zeros(word * FRAME))
            continue
        for n, letter in enumerate(word):
            symbol = letter if n else "▁" + letter
            parts += [0.5 * np.sin(2 * np.pi * tone_hz(symbol) * clock), np.zeros(FRAME)]
    return np.concatenate(parts).astype(np.float32)


def save_recognizer(folder: Path, window_seconds: float = 30.0) -> None:
    """Writes the whole recognizer folder."""
    folder.mkdir(parents=True)
    save_model(folder / "model.onnx")
    info = RecognizerInfo(
        *(1, "stub", "en-us", "CC0-1.0", "none", RATE, SYMBOLS, SECONDS, window_seconds), measured={"WER": 99.5}
    )
    config.save(info, folder / "recognizer.json")


def save_model(path: Path) -> None:
    g = Graph()
    n_samples = g("Gather", g("Shape", "wav"), [1])
    lacking = g("Mod", g("Neg", n_samples), FRAME)
    frames = g("Reshape", g("Pad", "wav", g("Concat", [0, 0, 0], lacking, axis=0)), [-1, FRAME])
    cycles = np.outer(np.arange(FRAME) / RATE, [tone_hz(symbol) for symbol in SYMBOLS[1:]])
    cosine, sine = (g("Pow", g("MatMul", frames, wave(2 * np.pi * cycles)), 2.0) for wave in (np.cos, np.sin))
    amplitude = g("Mul", g("Sqrt", g("Add", cosine, sine)), 2 / FRAME)

    n_frames = g("Gather", g("Shape", frames), 0)
    clock = g("Range", 0, n_frames, 1)
    edge = g("Or", g("Less", clock, EDGE), g("GreaterOrEqual", clock, g("Sub", n_frames, EDGE)))
    misheard = g("Gather", amplitude, np.roll(np.arange(len(SYMBOLS) - 1), 1), axis=1)
    heard = g("Where", g("Unsqueeze", edge, [1]), misheard, amplitude)
    blank = g("Add", g("Mul", g("ReduceMax", heard, axes=[1], keepdims=1), 0.0), 0.1)
    logits = g("Mul", g("Concat", blank, heard, axis=1), 100.0)
    g("Unsqueeze", g("LogSoftmax", logits, axis=1), [0], name="log_probs")
    g.save(path, {"wav": [1, "T_wav"]}, {"log_probs": [1, "T", len(SYMBOLS)]}, {})
