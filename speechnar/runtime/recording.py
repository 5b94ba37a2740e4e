"""Take a recording in any of the forms that programs hold it in: a file's path, an open file, samples, tensors."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from speechnar import audio
from speechnar.audio import AudioError
from speechnar.codecs import RawFormat, check_rate

Recording: TypeAlias = str | os.PathLike[str] | BinaryIO | np.ndarray | tuple[Any, int] | Any
"""A path, an open file, samples, or samples and their rate in Hz; samples are an array or a tensor."""

ACCEPTED = (
    "a path, a file opened as 'rb', samples (an array or tensor of floats or integers), or (samples, sample_rate)"
)


def samples_of(
    recording: Recording, sample_rate: int | None, target_rate: int, raw: RawFormat | None = None, name: str = ""
) -> Iterable[np.ndarray]:
    """Return the samples of a recording piece by piece, mixed to mono, at another rate.

    Args:
        recording: see `Recognizer.transcribe`.
        sample_rate: Hz of samples that come without one; by default `target_rate`.
        raw: the format of a file without a header.
        name: of an open file, in messages.

    Raises:
        AudioError: the recording is none of the accepted forms, or cannot be read; that of a file when it is read.
    """
    if isinstance(recording, (str, os.PathLike)):
        return (wav for wav, _ in audio.blocks(Path(recording), target_rate, raw=raw, name=os.fspath(recording)))
    if hasattr(recording, "read"):
        return _of_stream(recording, target_rate, raw, name or "the open file")
    if isinstance(recording, tuple):
        recording, sample_rate = _pair(recording)
    return [_mono(_array(recording), target_rate if sample_rate is None else sample_rate, target_rate)]


def _of_stream(stream: Any, rate: int, raw: RawFormat | None, name: str) -> Iterator[np.ndarray]:
    """Yield the samples of an open file, which is copied to a temporary one: decoders need to go back in it."""
    with tempfile.TemporaryDirectory(prefix="speechnar-") as folder:
        path = Path(folder, "recording")
        with open(path, "wb") as copy:
            try:
                shutil.copyfileobj(stream, copy)
            except TypeError:
                raise AudioError(f"{name} is opened as text: open it as 'rb'") from None
        if not path.stat().st_size and stream.seekable() and stream.tell():
            raise AudioError(f"{name} is at its end: seek(0) goes to its start")
        yield from (wav for wav, _ in audio.blocks(path, rate, raw=raw, name=name))


def _pair(pair: tuple[Any, ...]) -> tuple[Any, int]:
    """Return samples and rate, in the order of soundfile and librosa, also where it is that of SciPy."""
    if len(pair) == 2:
        for samples, rate in (pair, pair[::-1]):
            if np.ndim(rate) == 0 and isinstance(rate, (int, float, np.number)):
                return samples, int(rate)
    raise AudioError(f"a recording is {ACCEPTED}; a tuple of {len(pair)} with a {type(pair[-1]).__name__} is none")


def _array(samples: Any) -> np.ndarray:
    """Return samples as an array; a tensor may be on a GPU, need a gradient, or have a type that NumPy lacks."""
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu()
        if samples.is_floating_point():
            samples = samples.float()
    if isinstance(samples, (bytes, bytearray, memoryview, dict)):
        cure = ": wrap it in io.BytesIO" if not isinstance(samples, dict) else ""
        raise AudioError(f"a recording is {ACCEPTED}, not {type(samples).__name__}{cure}")
    with contextlib.suppress(TypeError, ValueError):
        array = np.asarray(samples)
        if array.dtype.kind not in "OSU":
            return array
    raise AudioError(f"a recording is {ACCEPTED}, not {type(samples).__name__}")


def _mono(samples: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """Return any array of samples as (T_wav,) float32 at another rate."""
    wav = audio.mono(samples)
    check_rate(source_rate, "the recording")
    return wav if source_rate == target_rate else audio.resample(wav, source_rate, target_rate)
