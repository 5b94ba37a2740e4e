"""Spoken letters for tests of recognition: each letter is a tone of its own, each word ends in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

from speechnar import audio as audio_files
from speechnar.audio import AudioConfig

AUDIO = AudioConfig(sample_rate=8000, n_fft=240, hop_length=80, win_length=240, n_mels=16, f_min=0.0, f_max=4000.0)
HERTZ = {"a": 400, "b": 800, "c": 1600}


def speak(text: str, sample_rate: int = AUDIO.sample_rate) -> np.ndarray:
    """80 ms of tone and 20 ms of silence a letter, 80 ms more of silence a word."""
    parts = []
    for word in text.split():
        for letter in word:
            time = np.arange(int(0.08 * sample_rate)) / sample_rate
            parts += [0.3 * np.sin(2 * np.pi * HERTZ[letter] * time), np.zeros(int(0.02 * sample_rate))]
        parts.append(np.zeros(int(0.08 * sample_rate)))
    return np.concatenate(parts).astype(np.float32)


def make_corpus(folder: Path, texts: list[str], name: str, sample_rate: int = AUDIO.sample_rate) -> Path:
    """Writes audio and a manifest `NAME.jsonl.gz`; utterances are NAME-0, NAME-1, ..."""
    cuts = []
    for number, text in enumerate(texts):
        utt_id = f"{name}-{number}"
        path = folder / f"{utt_id}.wav"
        audio_files.write(path, speak(text, sample_rate), sample_rate)
        recording = Recording.from_file(path, recording_id=utt_id)
        supervision = SupervisionSegment(utt_id, utt_id, 0, recording.duration, text=text)
        cuts.append(MonoCut(utt_id, 0, recording.duration, 0, recording=recording, supervisions=[supervision]))
    CutSet.from_cuts(cuts).to_file(folder / f"{name}.jsonl.gz")
    return folder / f"{name}.jsonl.gz"
