"""Decode recordings: by libsndfile, and where ffmpeg is installed, by ffmpeg what libsndfile does not know.

A damaged recording is read as far as it can be, with a warning: a WAV file without its length up to its end, and all
other kinds up to the damage by libsndfile and after it by ffmpeg. ffmpeg puts silence where the audio track of a video
begins after its pictures, or has a gap, so that times are those of the video.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from soundfile import SoundFile

READ = 2**19  # samples that are decoded at once
RATES = (1000, 1_000_000)  # Hz
LACKING = 0.25  # seconds by which a file may be shorter than it says: the length of MP3 is an estimate
VIDEO_RATE = 48000  # Hz, of what ffmpeg decodes

ENCODINGS = {
    "s16le": ("PCM_16", "LITTLE"), "s16be": ("PCM_16", "BIG"), "s24le": ("PCM_24", "LITTLE"),
    "s24be": ("PCM_24", "BIG"), "s32le": ("PCM_32", "LITTLE"), "s32be": ("PCM_32", "BIG"), "s8": ("PCM_S8", "FILE"),
    "u8": ("PCM_U8", "FILE"), "f32le": ("FLOAT", "LITTLE"), "f32be": ("FLOAT", "BIG"), "f64le": ("DOUBLE", "LITTLE"),
    "f64be": ("DOUBLE", "BIG"), "mulaw": ("ULAW", "FILE"), "alaw": ("ALAW", "FILE"),
}  # fmt: skip
"""Encodings of raw samples by ffmpeg's names, as libsndfile knows them."""

_URL = re.compile(r"[A-Za-z][A-Za-z\d+.-]+:/")
_RAW_NAMES = frozenset((".raw", ".pcm", ".s16", ".sln", ".ul", ".al", ".ulaw", ".alaw"))
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*", b"BM", b"%PDF")

Decoded: TypeAlias = Iterator[tuple[np.ndarray, int]]
"""(T_wav,) float32 in [-1, 1], and its sample rate in Hz."""


class AudioError(ValueError):
    """Report audio that cannot be read or written; the message says what to do."""


class AudioWarning(UserWarning):
    """A notice of audio that was not read whole."""


@dataclass(frozen=True)
class RawFormat:
    """The format of samples in a file without a header.

    Attributes:
        sample_rate: Hz.
        channels: interleaved.
        encoding: a key of `ENCODINGS`.

    Raises:
        AudioError: a value is out of its range.
    """

    sample_rate: int
    channels: int = 1
    encoding: str = "s16le"

    def __post_init__(self) -> None:
        check_rate(self.sample_rate, "raw samples")
        if not 1 <= self.channels <= 1024:
            raise AudioError(f"raw samples have from 1 to 1024 channels, not {self.channels}")
        if self.encoding not in ENCODINGS:
            raise AudioError(f"there is no encoding {self.encoding!r} of raw samples: take {', '.join(ENCODINGS)}")

    @classmethod
    def parse(cls, text: str) -> RawFormat:
        """Read `RATE[,CHANNELS[,ENCODING]]`, such as `16000`, `48000,2` or `8000,1,mulaw`.

        Raises:
            AudioError: the text is not of this form.
        """
        rate, channels, encoding, *more = [*(part.strip() for part in text.split(",")), "", ""][:4]
        channels, encoding = channels or "1", encoding or cls.encoding
        if text.count(",") > 2 or not (rate.isdecimal() and channels.isdecimal()):
            raise AudioError(f"raw samples are RATE[,CHANNELS[,ENCODING]], such as 16000 or 8000,1,mulaw, not {text}")
        return cls(int(rate), int(channels), encoding.lower())


def check_rate(sample_rate: float, name: str) -> None:
    """Check that a sample rate in Hz is within `RATES`.

    Raises:
        AudioError: it is not.
    """
    if not RATES[0] <= sample_rate <= RATES[1]:
        raise AudioError(f"{name}: the sample rate should be from {RATES[0]} to {RATES[1]} Hz but is {sample_rate}")


def decoded(path: str | Path, raw: RawFormat | None = None, name: str = "") -> Decoded:
    """Decode a file of audio or video, mixed to mono, piece by piece.

    Args:
        raw: the format of a file without a header.
        name: of the file in messages; by default its path.

    Raises:
        AudioError: there is no such file, or nothing of it can be read.

    Warns:
        AudioWarning: some of it cannot be read.
    """
    import soundfile

    name, path = name or str(path), Path(path)
    if path.is_dir():
        raise AudioError(f"{name} is a folder; give the files in it, such as {path / '*.wav'}")
    if not path.exists() and _URL.match(name):
        raise AudioError(f"{name} is a URL: download it first, and give the file")
    if not path.is_file():
        raise AudioError(f"there is no audio file at {name}")
    if not path.stat().st_size:
        return
    try:
        file = _opened(path, raw, name)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a file that ends in .raw
        yield from _by_ffmpeg(path, name)
        return
    check_rate(file.samplerate, name)
    n_samples, rate, expected = 0, file.samplerate, file.frames
    with file:
        for wav in _pieces(file):
            n_samples += len(wav)
            yield wav, rate
    if n_samples >= expected - LACKING * rate:
        return
    place = f"{name} is damaged: what follows {n_samples / rate:.1f} s"
    if shutil.which("ffmpeg"):
        warnings.warn(f"{place} is read by ffmpeg, as far as it can", AudioWarning, stacklevel=2)
        yield from _by_ffmpeg(path, name, rate, n_samples)
    elif n_samples:
        warnings.warn(f"{place} is left out; ffmpeg, where it is installed, may read it", AudioWarning, stacklevel=2)
    else:
        raise AudioError(f"{name} cannot be read as audio: it is damaged; ffmpeg, where it is installed, may read it")


def path_for_libsndfile(path: Path) -> bytes | Path:
    """Return a path as soundfile takes it: on POSIX as bytes, which need not be UTF-8."""
    return os.fsencode(path) if os.name == "posix" else path


def _opened(path: Path, raw: RawFormat | None, name: str) -> SoundFile:
    import soundfile

    given = path_for_libsndfile(path)
    if raw:
        subtype, endian = ENCODINGS[raw.encoding]
        return soundfile.SoundFile(given, "r", raw.sample_rate, raw.channels, subtype, endian, "RAW")
    file = soundfile.SoundFile(given)
    if not file.frames and (place := _place_of_length(path)):
        file.close()
        if path.stat().st_size > place + 4:
            warnings.warn(f"{name} lacks its length: it is read to its end", AudioWarning, stacklevel=3)
        return soundfile.SoundFile(_WithLength(path, place))
    return file


def _pieces(file: SoundFile) -> Iterator[np.ndarray]:
    """Yield (T_wav,) float32 up to the end of the file, or to its first damage."""
    import soundfile

    while True:
        wav = np.full((READ // file.channels, file.channels), np.nan, np.float32)
        try:
            wav = file.read(out=wav)
        except (soundfile.LibsndfileError, OSError):
            n_decoded = int(np.argmax(np.isnan(wav[:, 0])))
            if n_decoded:
                yield _mixed(wav[:n_decoded])
            return
        if not len(wav):
            return
        yield _mixed(wav)


def _mixed(wav: np.ndarray) -> np.ndarray:
    """Return the mean over channels of (T_wav, C); of samples that are infinite or not a number, without a warning."""
    with np.errstate(invalid="ignore", over="ignore"):
        return wav.mean(axis=1)


class _WithLength(io.FileIO):
    """A WAV file whose header lacks the length of its samples, as if that were up to the end of the file."""

    def __init__(self, path: Path, place: int) -> None:
        super().__init__(path)
        self._place = range(place, place + 4)

    def readinto(self, buffer: Any) -> int:
        start = self.tell()
        count = super().readinto(buffer) or 0
        for offset in self._place:
            if start <= offset < start + count:
                buffer[offset - start : offset - start + 1] = b"\xff"
        return count


def _place_of_length(path: Path) -> int | None:
    """Return the offset of the four bytes of a WAV file that should be the length of its samples and are 0."""
    with open(path, "rb") as file:
        head = file.read(4096)
    place = head.find(b"data\0\0\0\0", 12)
    return place + 4 if head[:4] == b"RIFF" and head[8:12] == b"WAVE" and place > 0 else None


def _by_ffmpeg(path: Path, name: str, rate: int = VIDEO_RATE, skipped: int = 0) -> Decoded:
    """Decode the first audio track of any file that ffmpeg reads, without the given number of samples at its start."""
    with open(path, "rb") as file:
        head = file.read(16)
    if head.startswith(_PICTURES):
        raise AudioError(f"{name} is a picture, without sound")
    if path.suffix.lower() in _RAW_NAMES:
        raise AudioError(f"{name} has no header: say how it was recorded, such as --raw 16000 (RawFormat in Python)")
    if not shutil.which("ffmpeg"):
        raise AudioError(
            f"{name} cannot be read as audio; convert it to WAV or FLAC, or install ffmpeg for video and more"
        )
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", f"file:{path}", "-vn", "-ac", "1", "-f", "f32le"]
    silence = f"aresample={rate}:async=1:first_pts=0"  # before the first sample and in gaps
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([*command, "-af", silence, "-"], stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout
        n_samples = 0
        try:
            while data := process.stdout.read(4 * READ):
                wav = np.frombuffer(data[: len(data) // 4 * 4], np.float32)
                n_samples += len(wav)
                kept = wav[max(len(wav) - max(n_samples - skipped, 0), 0) :]
                if len(kept):
                    yield kept, rate
            failed = process.wait()
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
        if failed and not n_samples:
            errors.seek(0)
            raise AudioError(_refusal(name, errors.read().decode(errors="replace")))
        if failed:
            warnings.warn(f"{name} is damaged: it was read up to {n_samples / rate:.1f} s", AudioWarning, stacklevel=2)


def _refusal(name: str, told: str) -> str:
    """Say in a sentence why ffmpeg could not read a file, from what it told."""
    if "does not contain any stream" in told:
        return f"{name} has no sound: it is a video without an audio track, or a picture"
    if "moov atom not found" in told:
        return f"{name} cannot be read as audio: its end is missing, without which an MP4 file cannot be read"
    return f"{name} cannot be read as audio, neither by libsndfile nor by ffmpeg (raw samples need --raw)"
