"""Distance of speech from a recording of the same words: metrics without listeners; none of them measures quality.

| metric | over | what it is |
| --- | --- | --- |
| MCD, dB | frames | mel-cepstral distortion: root mean square difference of smoothed spectra, level apart |
| log-mel distance | frames, bands | mean absolute difference of natural log mel magnitudes |
| F0 RMSE, cents | frames voiced in both | root mean square difference of pitch |
| voicing error, % | frames | where one is voiced and the other is not |
| duration error, % | | difference of the lengths, of the recording's |
| STOI | | short-time objective intelligibility, 0 to 1; of copies only |
| PESQ | | wide-band perceptual quality, 1.04 to 4.64; of copies only, and only where the package pesq is installed |

Frames are paired by dynamic time warping over the mel cepstra, or one by one in a copy: what a vocoder makes of the
recording's own mel and F0. PESQ's package carries the ITU's code, which may be used to evaluate PESQ alone unless its
owners grant more: so no extra installs it.

Source: Kubichek 1993, "Mel-cepstral distance measure for objective speech quality assessment"; Taal et al. 2011 (STOI);
    ITU-T P.862.2 (PESQ); F0 by `audio.track_f0`.
Differs: Kubichek's cepstra are of all-pole spectra; here, of log mel power, c_d = mean over bands of it times
    cos(pi d (m + 0.5) / n_mels), so that metrics compare with each other and not with other papers'.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from speechnar.audio import AudioConfig, AudioError, log_mel, resample, track_f0
from speechnar.evaluate.quality.recordings import Recording
from speechnar.evaluate.stats.metrics import Measured, MetricsError
from speechnar.extras import provide_numba_cache

AUDIO = AudioConfig()
N_CEPSTRA = 24
DECIBELS = 10 / np.log(10)  # of a difference of natural logarithms of power
STOI_SECONDS = 0.4  # of speech that STOI needs
PERCEPTUAL_RATE = 16000  # Hz, of STOI and PESQ
COPY_TOLERANCE = 0.1  # seconds by which the length of a copy may differ


@dataclass(frozen=True)
class Frames:
    """Features by which recordings are compared, at the frames of `AUDIO`.

    Attributes:
        mel: (T_mel, n_mels) natural log magnitude.
        f0: (T_mel,) Hz, 0 where unvoiced.
    """

    mel: np.ndarray
    f0: np.ndarray

    @classmethod
    def of(cls, wav: np.ndarray) -> Frames:
        """Compute the features of (T_wav,) float32 at the rate of `AUDIO`.

        Raises:
            AudioError: it is shorter than a frame.
        """
        return cls(log_mel(wav, AUDIO), track_f0(wav, AUDIO))

    def at(self, index: np.ndarray) -> Frames:
        """Return the frames of an index, in its order."""
        return Frames(self.mel[index], self.f0[index])


def cepstra(mel: np.ndarray) -> np.ndarray:
    """Return mel cepstra 1 to N_CEPSTRA, (T_mel, N_CEPSTRA), of (T_mel, n_mels) natural log magnitudes."""
    n_mels = mel.shape[1]
    orders = np.arange(1, N_CEPSTRA + 1)
    return 2 * mel @ np.cos(np.pi * orders * (np.arange(n_mels)[:, None] + 0.5) / n_mels) / n_mels


def warp(reference: Frames, other: Frames) -> tuple[Frames, Frames]:
    """Pair frames by dynamic time warping over the cepstra; both results are as long as the path."""
    provide_numba_cache()
    from librosa.sequence import dtw

    path = dtw(cepstra(reference.mel).T, cepstra(other.mel).T, metric="euclidean")[1][::-1]
    return reference.at(path[:, 0]), other.at(path[:, 1])


def distances(reference: Frames, other: Frames) -> dict[str, float]:
    """Return the metrics over frames paired one by one; those of pitch are nan if no frame is voiced in both."""
    difference = cepstra(reference.mel) - cepstra(other.mel)
    voiced = (reference.f0 > 0) & (other.f0 > 0)
    cents = 1200 * np.log2(other.f0[voiced] / reference.f0[voiced])
    return {
        "MCD, dB": float(DECIBELS * np.sqrt(2 * (difference**2).sum(1)).mean()),
        "log-mel distance": float(np.abs(reference.mel - other.mel).mean()),
        "F0 RMSE, cents": float(np.sqrt((cents**2).mean())) if voiced.any() else float("nan"),
        "voicing error, %": float(100 * ((reference.f0 > 0) != (other.f0 > 0)).mean()),
    }


def stoi(reference: np.ndarray, other: np.ndarray) -> float:
    """Return the STOI of two recordings of one length at PERCEPTUAL_RATE; nan where there is too little speech."""
    from pystoi import stoi as of_package

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(of_package(reference, other, PERCEPTUAL_RATE))
        except (RuntimeWarning, ValueError):  # "Not enough STFT frames"; shorter than a frame of its own
            return float("nan")


def pesq(reference: np.ndarray, other: np.ndarray) -> float:
    """Return the wide-band PESQ of two recordings of one length at PERCEPTUAL_RATE; nan where it finds no speech."""
    from pesq import PesqError
    from pesq import pesq as of_package

    score = of_package(PERCEPTUAL_RATE, reference, other, "wb", on_error=PesqError.RETURN_VALUES)
    return float(score) if score > 0 else float("nan")


def has_pesq() -> bool:
    """Return True if the package pesq is installed."""
    return importlib.util.find_spec("pesq") is not None


def compare_wavs(reference: np.ndarray, other: np.ndarray, copy: bool = False) -> dict[str, float]:
    """Return all metrics of (T_wav,) float32 against a reference, both at the rate of `AUDIO`.

    Args:
        copy: frames and samples belong together one by one, and STOI and PESQ are to be computed.

    Raises:
        MetricsError: a copy of another length.
        AudioError: one of them is shorter than a frame.
    """
    frames, other_frames = Frames.of(reference), Frames.of(other)
    lengths = f"{len(other) / AUDIO.sample_rate:.2f} s but the reference {len(reference) / AUDIO.sample_rate:.2f} s"
    duration = {"duration error, %": 100 * abs(len(other) - len(reference)) / len(reference)}
    if not copy:
        return distances(*warp(frames, other_frames)) | duration
    if abs(len(other) - len(reference)) > COPY_TOLERANCE * AUDIO.sample_rate:
        raise MetricsError(f"it lasts {lengths}: no copy; compare it without --copy")
    shared = np.arange(min(len(frames.f0), len(other_frames.f0)))
    samples = min(len(reference), len(other))
    pair = [resample(wav[:samples], AUDIO.sample_rate, PERCEPTUAL_RATE) for wav in (reference, other)]
    perceptual = {"STOI": stoi(*pair)} | ({"PESQ": pesq(*pair)} if has_pesq() else {})
    return distances(frames.at(shared), other_frames.at(shared)) | duration | perceptual


def measure(
    system: str, references: Mapping[str, Recording], recordings: Iterable[Recording], copy: bool = False
) -> Measured:
    """Compare recordings with the references of the same names; note why one cannot be compared."""
    metrics, failed = {}, {}
    for recording in recordings:
        try:
            reference = references[recording.name].read(AUDIO.sample_rate)
            metrics[recording.name] = compare_wavs(reference, recording.read(AUDIO.sample_rate), copy)
        except (AudioError, MetricsError) as error:
            failed[recording.name] = f"{recording.name}: {error}"
    return Measured(system, metrics, failed)
