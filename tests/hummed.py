"""Hummed utterances with known F0 and durations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lhotse import MonoCut, Recording, SupervisionSegment

from speechnar import audio as audio_files
from speechnar.audio import AudioConfig

AUDIO = AudioConfig(sample_rate=8000, n_fft=256, hop_length=100, win_length=256, n_mels=12, f_min=0.0, f_max=4000.0)
PHONES = ["h", "ˈɛ", "l", "ˈoʊ", "."]


def make_cut(
    folder: Path, name: str, durations: list[int], hertz: float = 200.0, phones: list[str] = PHONES, extra: int = 0
) -> MonoCut:
    """A tone over all frames but the first (lead) and last (trail) two; `extra` samples too many."""
    frames = 4 + sum(durations)
    time = np.arange(frames * AUDIO.hop_length + extra) / AUDIO.sample_rate
    wav = 0.3 * sum(np.sin(2 * np.pi * hertz * k * time) / k for k in (1, 2, 3))
    wav[: 2 * AUDIO.hop_length] = 0
    wav[(frames - 2) * AUDIO.hop_length :] = 0
    path = folder / f"{name}.wav"
    audio_files.write(path, wav.astype(np.float32), AUDIO.sample_rate)
    recording = Recording.from_file(path, recording_id=name)
    f0 = [0.0] * 2 + [hertz] * (frames - 4) + [0.0] * 2
    custom = {"phones": phones, "durations": durations, "lead": 2, "trail": 2, "f0": f0}
    supervision = SupervisionSegment(name, name, 0, recording.duration, text="Hello.", custom=custom)
    return MonoCut(name, 0, recording.duration, 0, recording=recording, supervisions=[supervision])
