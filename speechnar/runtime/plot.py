"""A picture of speech: waveform, log-mel spectrogram with F0, phones."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from speechnar.files import atomic_write
from speechnar.runtime.speech import Speech, SpeechError
from speechnar.text.symbols import WORD_BREAK

ENDINGS = (".png", ".svg", ".pdf")


def check(path: str | Path) -> None:
    """Raise SpeechError if `plot` could not draw this file, before any time is spent on audio."""
    if Path(path).suffix.lower() not in ENDINGS:
        raise SpeechError(f"{path} should end in one of {', '.join(ENDINGS)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise SpeechError("a plot needs matplotlib: pip install 'speechnar[plot]'")


def plot(path: str | Path, speech: Speech) -> None:
    """Draw speech into a `.png`, `.svg` or `.pdf` file, which is replaced whole or not at all.

    Raises:
        SpeechError: the ending is unknown, or matplotlib is missing.
        FileError: the file cannot be written.
    """
    check(path)
    from matplotlib.figure import Figure

    seconds = len(speech.wav) / speech.sample_rate
    figure = Figure(figsize=(min(max(6.0, 3.5 * seconds), 60.0), 5.0), layout="constrained")
    wave, mel = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    wave.plot(np.arange(len(speech.wav)) / speech.sample_rate, speech.wav, linewidth=0.4)
    wave.set(ylabel="amplitude", xlim=(0, seconds), ylim=(-1, 1))

    extent = (0, seconds, 0, speech.mel.shape[1])
    mel.imshow(speech.mel.T, origin="lower", aspect="auto", extent=extent, cmap="magma", interpolation="nearest")
    mel.set(xlabel="seconds", ylabel="mel band")
    f0 = mel.twinx()
    times = (np.arange(len(speech.f0)) + 0.5) * seconds / max(len(speech.f0), 1)
    f0.plot(times, np.where(speech.f0 > 0, speech.f0, np.nan), color="cyan", linewidth=1.5)
    f0.set(ylabel="F0 (Hz)", ylim=(0, 1.25 * max(100.0, float(speech.f0.max()))))

    for phone in speech.phones:
        wave.axvline(phone.start, color="black", linewidth=0.3)
        mel.axvline(phone.start, color="white", linewidth=0.3)
        if phone.text != WORD_BREAK:
            wave.text((phone.start + phone.end) / 2, -0.9, phone.text, ha="center", fontsize=9)
    with atomic_write(path) as part:
        figure.savefig(part, format=Path(path).suffix[1:].lower(), dpi=120)
