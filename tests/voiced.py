"""Sentences that the voice in the wheel speaks, for tests of the recognizer in the wheel."""

from __future__ import annotations

import functools

import numpy as np

import speechnar
from speechnar import audio
from speechnar.text.phonemize import Sentence

RATE = 16000


@functools.cache
def spoken_by_the_voice(text: str | tuple[Sentence, ...], speaker: str | None = None) -> np.ndarray:
    """(T_wav,) at 16 kHz."""
    speech = speechnar.synthesize(text, speaker=speaker)
    return audio.resample(speech.wav, speech.sample_rate, RATE)
