"""Read and write audio files, resample, and compute the log-mel spectrogram and F0.

`AudioConfig` is the one place where 22050, 256, 80 ... stand; models, features and voices all carry one.

Source: log-mel as in HiFi-GAN (Kong et al. 2020, official `meldataset.py`): reflect padding by
    (n_fft - hop_length) / 2, Hann window, magnitude, Slaney mel filters, natural log clamped at 1e-5. F0 by SwiftF0
    (Nieradzik 2025), a small convolutional network.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from speechnar.codecs import AudioError, Decoded, RawFormat, decoded, path_for_libsndfile
from speechnar.extras import provide_numba_cache
from speechnar.files import atomic_write

FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}
SUBTYPES = {"WAV": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS"}
BLOCK = 65536  # samples that libsndfile is given at once: its Vorbis encoder keeps a block on the stack
LOG_FLOOR = 1e-5
F0_MIN, F0_MAX = 60.0, 600.0  # Hz
F0_SILENCE = 1e-4  # peak below which there is no voice


@dataclasses.dataclass(frozen=True)
class AudioConfig:
    """Configure how audio becomes frames. The defaults are HiFi-GAN's for LJSpeech.

    Attributes:
        sample_rate: Hz.
        n_fft, hop_length, win_length: samples.
        n_mels: mel bands.
        f_min, f_max: Hz, the edges of the mel bands.
    """

    sample_rate: int = 22050
    n_fft: int = 1024
    hop_length: int = 256
    win_length: int = 1024
    n_mels: int = 80
    f_min: float = 0.0
    f_max: float = 8000.0

    def differences(self, other: AudioConfig) -> list[str]:
        """Return the fields in which two configs differ, as `name: mine / other`; empty when they agree."""
        names = [f.name for f in dataclasses.fields(self)]
        return [
            f"{n}: {getattr(self, n)} / {getattr(other, n)}" for n in names if getattr(self, n) != getattr(other, n)
        ]


def read(path: str | Path, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """Read a whole file, as `blocks` does piece by piece.

    Returns:
        wav: (T_wav,) float32 in [-1, 1]; and its sample rate in Hz.
    """
    wavs, rates = zip(*blocks(path, sample_rate))
    return np.concatenate(wavs), rates[0]


def blocks(
    path: str | Path, sample_rate: int | None = None, *, raw: RawFormat | None = None, name: str = ""
) -> Decoded:
    """Read any file that libsndfile knows, or ffmpeg where it is installed, mixed to mono and, if asked, resampled.

    Args:
        raw: the format of a file without a header.
        name: of the file in messages; by default its path.

    Yields:
        wav: (T_wav,) float32 in [-1, 1], at most half a minute or so; and its sample rate in Hz.

    Raises:
        AudioError: no such file, not audio, empty, or not finite.

    Warns:
        AudioWarning: the file is damaged, and was read as far as it can be.
    """
    import soxr

    name = name or str(path)
    resampler, n_samples = None, 0
    for wav, rate in decoded(path, raw, name):
        if not np.isfinite(wav).all():
            raise AudioError(f"{name} holds samples that are not finite numbers; write it again as 16-bit PCM")
        n_samples += len(wav)
        if sample_rate is not None and rate != sample_rate:
            resampler = resampler or soxr.ResampleStream(rate, sample_rate, 1, "float32", "VHQ")
            wav, rate = resampler.resample_chunk(wav), sample_rate
        yield wav, rate
    if not n_samples:
        raise AudioError(f"{name} holds no audio (0 samples)")
    if resampler:
        yield resampler.resample_chunk(np.empty(0, np.float32), last=True), rate


def mono(samples: np.ndarray) -> np.ndarray:
    """Return any array of samples as (T_wav,) float32 in [-1, 1].

    Args:
        samples: (T_wav,) or, with any number of channels, (T_wav, C) or (C, T_wav): floats in [-1, 1], or integers of
            the whole range of their type.

    Raises:
        AudioError: there is no sample, or they are of another shape or type, or not finite.
    """
    samples = np.asarray(samples)
    if samples.dtype.kind not in "if" or samples.ndim not in (1, 2):
        raise AudioError(
            f"samples should be (T_wav,) or (T_wav, channels) of floats or signed integers but are "
            f"{samples.shape} of {samples.dtype}"
        )
    if samples.dtype == np.int64:
        raise AudioError("integers of 64 bits do not say which of them is full scale: convert to int16 or to floats")
    if not samples.size:
        raise AudioError("the recording holds no audio (0 samples)")
    if not np.isfinite(samples).all():
        raise AudioError("the recording holds samples that are not finite numbers")
    scale = -np.iinfo(samples.dtype).min if samples.dtype.kind == "i" else 1
    wav = (samples if samples.ndim == 1 else samples.mean(axis=int(np.argmin(samples.shape)))) / np.float32(scale)
    return wav.astype(np.float32)


def resample(wav: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """Resample (T_wav,) float32 by soxr at its very high quality."""
    import soxr

    return np.asarray(soxr.resample(wav, source_rate, target_rate, quality="VHQ"), dtype=np.float32)


@contextlib.contextmanager
def writer(
    target: str | Path | IO[bytes], sample_rate: int, container: str | None = None
) -> Iterator[Callable[[np.ndarray], None]]:
    """Open 16-bit WAV or FLAC, Ogg Vorbis or MP3 to be written piece by piece; a path is replaced whole or not at all.

    Args:
        container: "WAV", "FLAC", "OGG" or "MP3"; by default from the path's ending. Needed for a stream.

    Yields:
        A function that appends (T_wav,) float32, clipped to [-1, 1].

    Raises:
        AudioError: the ending is unknown, or the audio cannot be written as this format.
        FileError: the file cannot be written.
    """
    import soundfile

    path = Path(target) if isinstance(target, (str, Path)) else None
    if path:
        container = container or container_of(path)
    with atomic_write(path) if path else contextlib.nullcontext(target) as file:
        try:
            opened = path_for_libsndfile(file) if isinstance(file, Path) else file
            with soundfile.SoundFile(
                opened, "w", sample_rate, 1, SUBTYPES.get(container or ""), format=container
            ) as sound:

                def append(wav: np.ndarray) -> None:
                    for start in range(0, len(wav), BLOCK):
                        sound.write(np.clip(wav[start : start + BLOCK], -1.0, 1.0))

                yield append
        except soundfile.LibsndfileError as error:
            raise AudioError(f"cannot write {path or 'the audio'}: {error} Is the disk full?") from None


def write(target: str | Path | IO[bytes], wav: np.ndarray, sample_rate: int, container: str | None = None) -> None:
    """Write (T_wav,) float32 at once, as `writer` does piece by piece."""
    with writer(target, sample_rate, container) as append:
        append(wav)


def pipe_writer(file: IO[bytes], sample_rate: int) -> Callable[[np.ndarray], None]:
    """Begin 16-bit WAV of unknown length, as players read it from a pipe.

    Returns:
        A function that appends (T_wav,) float32, clipped to [-1, 1], and passes it on at once.
    """
    sizes_unknown = 0xFFFFFFFF
    riff = struct.pack("<4sI4s", b"RIFF", sizes_unknown, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    file.write(riff + form + struct.pack("<4sI", b"data", sizes_unknown))

    def append(wav: np.ndarray) -> None:
        file.write(np.rint(np.clip(wav, -1.0, 1.0) * 32767).astype("<i2").tobytes())
        file.flush()

    return append


def container_of(path: Path) -> str:
    """Return the container format that a file name's suffix asks for.

    Raises:
        AudioError: the ending is none of .wav, .flac, .ogg, .mp3.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise AudioError(f"{path} should end in one of {', '.join(FORMATS)}") from None


@functools.cache
def mel_filters(config: AudioConfig) -> np.ndarray:
    """Return Slaney mel filters, (n_mels, n_fft // 2 + 1) float32."""
    provide_numba_cache()
    import librosa

    filters: Any = librosa.filters.mel(
        sr=config.sample_rate, n_fft=config.n_fft, n_mels=config.n_mels, fmin=config.f_min, fmax=config.f_max
    )
    return filters.astype(np.float32)


def spectrogram(wav: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Return the magnitude spectrogram, (T_wav // hop_length, n_fft // 2 + 1) float32.

    Raises:
        AudioError: fewer samples than half a window, which reflect padding needs.
    """
    import scipy.fft

    pad = (config.n_fft - config.hop_length) // 2
    if len(wav) <= pad:
        raise AudioError(f"{len(wav)} samples are too few for frames of {config.n_fft} samples")
    padded = np.pad(wav, (pad, config.n_fft - config.hop_length - pad), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft)[:: config.hop_length]
    margin = (config.n_fft - config.win_length) // 2
    window = np.zeros(config.n_fft, dtype=np.float32)
    steps = np.arange(config.win_length) / config.win_length
    window[margin : margin + config.win_length] = 0.5 - 0.5 * np.cos(2 * np.pi * steps)
    spectrum: Any = scipy.fft.rfft(frames * window, axis=-1)  # NumPy's takes three times as long
    return np.abs(spectrum)


def log_mel(wav: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Return natural-log mel magnitudes of (T_wav,) float32: (T_wav // hop_length, n_mels) float32."""
    return log_mel_of(spectrogram(wav, config), config)


def log_mel_of(spectrum: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Return natural-log mel magnitudes of what `spectrogram` gives: (T_mel, n_mels) float32."""
    return np.log(np.maximum(spectrum @ mel_filters(config).T, LOG_FLOOR))


def track_f0(wav: np.ndarray, config: AudioConfig, lowest: float = F0_MIN, highest: float = F0_MAX) -> np.ndarray:
    """Return F0 in Hz of (T_wav,) float32, from `lowest` to `highest`: (T_wav // hop_length,), 0 where unvoiced.

    Frames are centered as those of `log_mel`. The level of the whole makes no difference.
    """
    centers = (np.arange(len(wav) // config.hop_length) + 0.5) * config.hop_length / config.sample_rate
    peak = np.abs(wav).max(initial=0.0)
    if peak < F0_SILENCE:
        return np.zeros(len(centers), dtype=np.float32)
    normalized = resample(wav, config.sample_rate, 16000) * (0.5 / peak)
    found = _f0_detector().detect(normalized, 16000, lowest, highest)
    confident = found.confidence >= 0.5
    if not confident.any():
        return np.zeros(len(centers), dtype=np.float32)
    # The detector's frames are 16 ms apart. Its F0 is used, and interpolated, only where its confidence is high.
    log_f0 = np.interp(centers, found.timestamps[confident], np.log(found.pitch_hz[confident]))
    voiced = np.interp(centers, found.timestamps, found.confidence) >= 0.5
    return np.where(voiced, np.exp(log_f0), 0.0).astype(np.float32)


@functools.cache
def _f0_detector() -> Any:
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1)  # of the corpus's utterances, many are tracked at once
