"""Audio in the formats that clients ask for, encoded while it is made.

| format | content |
| --- | --- |
| `mp3`, `opus` | by libsndfile; `opus` in an Ogg container |
| `flac` | by libsndfile, sent when it is whole: readers want the length in its header |
| `aac` | ADTS, by ffmpeg |
| `wav` | 16 bits, one header with sizes 0xFFFFFFFF, since the length is not known when it is written |
| `pcm` | 16-bit little-endian samples without a header |
"""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from speechnar import audio

RATE = 24000
"""Hz of all audio that is sent: what clients of OpenAI's speech endpoint take for granted where no header says it."""

MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
CONTAINERS = {"mp3": ("MP3", None), "opus": ("OGG", "OPUS"), "flac": ("FLAC", "PCM_16")}


class FormatError(ValueError):
    """A format that this server cannot write; the message says which it can."""


def check(name: str) -> None:
    """Refuse a format that is unknown, or that needs ffmpeg where there is none.

    Raises:
        FormatError: with the formats to take instead.
    """
    if name not in MEDIA_TYPES:
        raise FormatError(f"response_format is {name!r} but should be one of {', '.join(MEDIA_TYPES)}")
    if name == "aac" and not shutil.which("ffmpeg"):
        raise FormatError("response_format aac needs ffmpeg, which this server lacks: take mp3 or opus")


class Encoder:
    """Encodes audio piece by piece to any format but `aac`.

    Args:
        sample_rate: Hz of what comes; the output has `RATE`.
        name: one of `MEDIA_TYPES`.
    """

    def __init__(self, sample_rate: int, name: str) -> None:
        self._sink = _Sink() if name != "flac" else io.BytesIO()
        sink: Any = self._sink
        self._resampler: Any = None
        if sample_rate != RATE:
            import soxr

            self._resampler = soxr.ResampleStream(sample_rate, RATE, 1, "float32", "HQ")
        self._close: Callable[[], Any] = lambda: None
        if name == "wav":
            self._append: Callable[[np.ndarray], Any] = audio.pipe_writer(sink, RATE)
        elif name == "pcm":
            self._append = lambda wav: self._sink.write(pcm(wav))
        else:
            import soundfile

            container, subtype = CONTAINERS[name]
            file = soundfile.SoundFile(self._sink, "w", RATE, 1, subtype, format=container)
            self._append, self._close = lambda wav: file.write(np.clip(wav, -1.0, 1.0)), file.close

    def append(self, wav: np.ndarray) -> bytes:
        """Encode (T_wav,) float32, clipped to [-1, 1]; return the bytes that are ready, perhaps none."""
        wav = np.asarray(wav, np.float32)
        self._append(wav if self._resampler is None else self._resampler.resample_chunk(wav))
        return self._sink.taken() if isinstance(self._sink, _Sink) else b""

    def close(self) -> bytes:
        """End the file and return its last bytes."""
        if self._resampler is not None:
            self._append(self._resampler.resample_chunk(np.empty(0, np.float32), last=True))
        self._close()
        return self._sink.taken() if isinstance(self._sink, _Sink) else self._sink.getvalue()


def aac(wavs: Iterable[np.ndarray], sample_rate: int) -> bytes:
    """Encode whole audio to AAC by ffmpeg, which is given all of it at once.

    Raises:
        FormatError: ffmpeg cannot.
    """
    encoder = Encoder(sample_rate, "pcm")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "-"]
    samples = b"".join([*(encoder.append(wav) for wav in wavs), encoder.close()])
    done = subprocess.run([*command, "-c:a", "aac", "-f", "adts", "-"], input=samples, capture_output=True)
    if done.returncode:
        raise FormatError("ffmpeg could not write aac: take mp3 or opus")
    return done.stdout


def pcm(wav: np.ndarray) -> bytes:
    """Return (T_wav,) float32 as 16-bit little-endian samples."""
    return np.rint(np.clip(wav, -1.0, 1.0) * 32767).astype("<i2").tobytes()


class _Sink(io.RawIOBase):
    """A file that passes on what is appended. What an encoder writes over its header at the end is dropped: the header
    has been sent. Players do without the length that would stand there.
    """

    def __init__(self) -> None:
        self._place = self._end = 0
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._end}[whence]
        return self._place

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        if self._place == self._end:
            self._waiting.append(bytes(data))
            self._end += size
        self._place += size
        return size

    def taken(self) -> bytes:
        """Return what was appended since the last call."""
        data, self._waiting = b"".join(self._waiting), []
        return data
