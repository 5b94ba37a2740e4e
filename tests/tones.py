"""Phones that are tones and hisses, whose times are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lhotse import MonoCut, Recording, SupervisionSegment

from speechnar import audio as audio_files

RATE = 8000
HERTZ = {"a": 300.0, "i": 1200.0, "u": 700.0, "s": 0.0, " ": 2200.0}


def spoken(folder: Path, n: int) -> tuple[MonoCut, np.ndarray]:
    """An utterance of random phones, and when each token but the last ends, in seconds."""
    random = np.random.default_rng(n)
    phones: list[str] = []
    while len(phones) < 6:  # none twice in a row: that has no boundary to be heard
        phones += [p for p in [str(random.choice(["a", "i", "u", "s"]))] if p != "".join(phones[-1:])]
    phones[2:2] = [" "]
    samples = random.integers(600, 1500, len(phones) + 2)
    pieces = []
    for phone, length in zip(["", *phones, ""], samples):
        time = np.arange(length) / RATE
        noise = random.standard_normal(length)
        pieces.append(0.2 * np.sin(2 * np.pi * HERTZ[phone] * time) if HERTZ.get(phone) else 0.1 * noise * bool(phone))
    wav = np.concatenate(pieces) + 1e-3 * random.standard_normal(samples.sum())
    path = folder / f"u{n}.wav"
    audio_files.write(path, wav.astype(np.float32), RATE)
    recording = Recording.from_file(path, recording_id=f"u{n}")
    supervision = SupervisionSegment(f"u{n}", f"u{n}", 0, recording.duration, text="-", custom={"phones": phones})
    cut = MonoCut(f"u{n}", 0, recording.duration, 0, recording=recording, supervisions=[supervision])
    return cut, samples.cumsum()[:-1] / RATE
