"""A picture of a song: its notes, with the F0 that was sung over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from speechnar.files import atomic_write
from speechnar.runtime import plot
from speechnar.score.notes import Note, pitch_name

INCHES_A_SECOND = 0.6


def piano_roll(path: str | Path, notes: Sequence[Note], transpose: float, times: np.ndarray, f0: np.ndarray) -> None:
    """Draw notes as bars with their syllables, and F0 as a line, into a `.png`, `.svg` or `.pdf` file.

    Args:
        notes: with pitches.
        transpose: semitones that were added to the notes.
        times: (T,) seconds from the start of the score.
        f0: (T,) Hz, 0 where unvoiced.

    Raises:
        SpeechError: the ending is unknown, or matplotlib is missing.
        FileError: the file cannot be written.
    """
    plot.check(path)
    from matplotlib.figure import Figure

    pitches = [(note.pitch or 0.0) + transpose for note in notes]
    end = notes[-1].end
    figure = Figure(figsize=(min(max(6.0, INCHES_A_SECOND * end), 60.0), 4.5), layout="constrained")
    axes = figure.subplots()
    for note, pitch in zip(notes, pitches):
        axes.broken_barh([(note.onset, note.length)], (pitch - 0.5, 1), facecolor="#c8dcf0", edgecolor="#5080b0")
        axes.text(note.onset + 0.02, pitch + 0.55, note.text, fontsize=7)
    sung = np.where(f0 > 0, 69 + 12 * np.log2(np.maximum(f0, 1.0) / 440), np.nan)
    axes.plot(times, sung, color="#c03020", linewidth=1)
    lowest, highest = int(min(pitches)) - 3, int(max(pitches)) + 4
    axes.set(xlabel="seconds", xlim=(min(0.0, float(times[0])), end), ylim=(lowest, highest))
    axes.set_yticks(range(lowest, highest), [pitch_name(p) for p in range(lowest, highest)], fontsize=6)
    axes.grid(axis="y", linewidth=0.3)
    with atomic_write(path) as part:
        figure.savefig(part, format=Path(path).suffix[1:].lower(), dpi=120)
