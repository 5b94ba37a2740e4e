"""Breaths between phrases: the noise of an `h` of the same singer, as air is drawn in.

    level      __________.-----''''''|______  -30 dB from the loudest frame of the phrase
               rest      |  breath   |    | phrase

Source: Nakano, Ogata, Goto and Hiraga, "Analysis and automatic detection of breath sounds in unaccompanied singing
voice", ICMPC 2008: breaths keep one spectral envelope, with a long peak near 1.6 kHz in women, and the same in most
places of a song.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from speechnar.audio import LOG_FLOOR

LEVEL = -30.0  # dB
LONGEST, SHORTEST = 0.45, 0.12  # seconds
BEFORE_PHRASE = 0.06  # seconds of silence between a breath and what follows
RISE, FALL = 0.6, 0.12  # shares of a breath
SOFT = 20.0  # dB: its beginning and end are so much softer
EDGE_REST = 0.1  # seconds of a rest that stay silent after the phrase before


def breath_frames(rest: float, hop: float) -> int:
    """Return the frames of the breath in a rest of so many seconds; 0 where there is no time for one."""
    length = min(rest - BEFORE_PHRASE - min(EDGE_REST, rest / 4), LONGEST)
    return round(length / hop) if length >= SHORTEST else 0


def breath_mel(noise: np.ndarray, frames: int, loudest: float) -> np.ndarray:
    """Return the mel of a breath, (frames, n_mels) natural log magnitude.

    Args:
        noise: (n_mels,) of an unvoiced `h`.
        frames: of the breath.
        loudest: level of the phrase's loudest frame: log of the sum of its bands' magnitudes.
    """
    at = (np.arange(frames) + 0.5) / frames
    envelope = np.minimum(np.minimum(at / RISE, (1 - at) / FALL), 1.0)
    level = loudest + (LEVEL - SOFT * (1 - envelope)) * math.log(10) / 20
    shape = noise - np.logaddexp.reduce(noise)
    return np.maximum(shape + level[:, None], math.log(LOG_FLOOR)).astype(np.float32)


def with_breaths(mel: np.ndarray, pauses: Sequence[tuple[int, int]], noise: np.ndarray, hop: float) -> np.ndarray:
    """Return the mel of a phrase, (T, n_mels), with a breath in each pause that is long enough.

    Args:
        pauses: first frame of each, and the one after its last.
        noise: as for `breath_mel`.
        hop: seconds from frame to frame.
    """
    mel, loudest = mel.copy(), _loudest(mel)
    for first, last in pauses:
        frames = breath_frames((last - first) * hop, hop)
        inside = slice(last - round(BEFORE_PHRASE / hop) - frames, last - round(BEFORE_PHRASE / hop))
        if frames:
            mel[inside] = np.logaddexp(mel[inside], breath_mel(noise, frames, loudest))
    return mel


def breath_before(mel: np.ndarray, silence: int, noise: np.ndarray, hop: float) -> np.ndarray:
    """Return what is heard in the silent frames before a phrase, up to it: (T, n_mels), T from 0 to `silence`."""
    frames = breath_frames(silence * hop, hop)
    if not frames:
        return mel[:0]
    quiet = np.full((round(BEFORE_PHRASE / hop), mel.shape[1]), math.log(LOG_FLOOR), np.float32)
    return np.concatenate([breath_mel(noise, frames, _loudest(mel)), quiet])


def _loudest(mel: np.ndarray) -> float:
    return float(np.logaddexp.reduce(mel, axis=1).max())
