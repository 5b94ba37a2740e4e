"""Audio of a listening test: equal loudness without clipping, MUSHRA's low anchor, degraded catch trials.

Source: ITU-R BS.1770-5 (loudness, and true peak by oversampling); ITU-R BS.1534-3, section 5.1 (the 3.5 kHz anchor);
    ITU-T P.810 (the modulated noise reference unit, for the wreck).
Differs: the anchor is a linear-phase FIR, which keeps it in time with the reference for switching between the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyloudnorm
from scipy import signal

from speechnar.audio import resample

SHORTEST = 0.4  # seconds: a block of BS.1770
PEAK_LIMIT = -1.0  # dB true peak, as EBU R 128 allows
OVERSAMPLING = 4
PASS_EDGE, STOP_EDGE = 3500.0, 4000.0  # Hz
STOP_DB = 60.0
WRECK_DB = -5.0  # speech over noise that follows it: below every scale


@dataclass(frozen=True)
class Level:
    """Loudness of a wav: integrated loudness in LUFS (-inf for silence), true peak in dB of full scale."""

    loudness: float
    peak: float


def level(wav: np.ndarray, sample_rate: int) -> Level:
    """Measure the level of (T_wav,) float32 of SHORTEST seconds or more."""
    peak = float(np.abs(resample(wav, sample_rate, OVERSAMPLING * sample_rate)).max())
    loudness = float(pyloudnorm.Meter(sample_rate).integrated_loudness(wav.astype(np.float64)))
    return Level(loudness, 20 * float(np.log10(max(peak, 1e-9))))


def low_pass(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Filter (T_wav,) float32: keep what is below 3.5 kHz; above 4 kHz it is 60 dB weaker."""
    nyquist = sample_rate / 2
    taps, beta = signal.kaiserord(STOP_DB, (STOP_EDGE - PASS_EDGE) / nyquist)
    edge = (PASS_EDGE + STOP_EDGE) / 2
    taper = signal.firwin(taps | 1, edge, window=("kaiser", beta), fs=sample_rate)
    middle = len(taper) // 2
    return signal.fftconvolve(wav, taper)[middle : middle + len(wav)].astype(np.float32)


def wreck(wav: np.ndarray) -> np.ndarray:
    """Add noise to (T_wav,) float32 that is 5 dB louder than the speech at each moment; the same noise at each call."""
    noise = np.random.default_rng(0).standard_normal(len(wav)).astype(np.float32)
    return wav * (1 + 10 ** (-WRECK_DB / 20) * noise)
