"""Live audio: from a microphone, and from a pipe of raw samples, of WAV, or of any container that ffmpeg reads.

A microphone is read by the package sounddevice where it is installed, else by ffmpeg.
"""

from __future__ import annotations

import queue
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from speechnar.audio import AudioError

RATE = 16000  # Hz, at which ffmpeg and the microphone are asked for samples
BLOCK = 0.1  # seconds of audio that are passed on at once, at most
WAITING = 300  # blocks of a microphone that may wait, half a minute; then audio is lost
SIZES_UNKNOWN = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""Lengths of the data of a WAV file that programs write to a pipe, where they do not know it."""

NO_MICROPHONE = (
    "no microphone can be opened ({}): name another with --microphone, or pipe audio in: ... | speechnar listen -"
)

MICROPHONES: dict[str, list[tuple[str, str, str | None]]] = {
    "linux": [("pulse", "{name}", "default"), ("alsa", "{name}", "default")],
    "darwin": [("avfoundation", ":{name}", "default")],
    "win32": [("dshow", "audio={name}", None)],
}
"""Formats of ffmpeg that read a microphone, with the form of its name and the name to take where none is given."""


@dataclass(frozen=True)
class Source:
    """Live audio.

    Attributes:
        sample_rate: Hz.
        blocks: (T_wav,) or (T_wav, C) samples while they come.
    """

    sample_rate: int
    blocks: Iterator[np.ndarray]


def microphone(name: str | None = None) -> Source:
    """Open a microphone.

    Args:
        name: as sounddevice or ffmpeg calls it, or its number in sounddevice; by default the system's choice.

    Raises:
        AudioError: there is no microphone, or nothing that can read it.
    """
    try:
        import sounddevice
    except ImportError:
        return _by_ffmpeg(name)
    except OSError as error:  # PortAudio is missing
        if shutil.which("ffmpeg"):
            return _by_ffmpeg(name)
        raise AudioError(f"sounddevice cannot be used: {error}; install PortAudio, or ffmpeg") from None
    return _by_sounddevice(sounddevice, name)


def _by_sounddevice(sounddevice: Any, name: str | None) -> Source:
    device = int(name) if name is not None and name.isdigit() else name
    waiting: queue.Queue[np.ndarray] = queue.Queue(WAITING)
    lost = threading.Event()

    def take(samples: np.ndarray, *_: object) -> None:
        try:
            waiting.put_nowait(samples[:, 0].copy())
        except queue.Full:
            if not lost.is_set():
                print("speechnar: this machine is too slow for live audio: some is lost", file=sys.stderr)
            lost.set()

    try:
        size = round(BLOCK * RATE)
        stream = sounddevice.InputStream(
            samplerate=RATE, blocksize=size, device=device, channels=1, dtype="float32", callback=take
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(NO_MICROPHONE.format(error)) from None

    def blocks() -> Iterator[np.ndarray]:
        with stream:
            while True:
                try:
                    yield waiting.get(timeout=1.0)
                except queue.Empty:
                    if not stream.active:
                        raise AudioError("the microphone has stopped: is it still connected?") from None

    return Source(RATE, blocks())


def _by_ffmpeg(name: str | None) -> Source:
    if not shutil.which("ffmpeg"):
        raise AudioError("a microphone needs sounddevice or ffmpeg: pip install 'speechnar[listen]', or install ffmpeg")
    causes = []
    for form, spelling, default in MICROPHONES.get(sys.platform, []):
        given = name or default
        if given is None:
            raise AudioError(
                "name the microphone with --microphone; ffmpeg -list_devices true -f dshow -i x lists them"
            )
        process = _ffmpeg(["-fflags", "nobuffer", "-f", form, "-i", spelling.format(name=given)], subprocess.DEVNULL)
        first = _read(process, round(BLOCK * RATE) * 2)
        if first:
            return Source(RATE, _blocks_of(process, first))
        causes.append(_cause(process))
    raise AudioError(NO_MICROPHONE.format("; ".join(causes) or f"ffmpeg has none on {sys.platform}"))


def piped(stream: IO[bytes], sample_rate: int | None = None) -> Source:
    """Read audio from a pipe while it is written.

    Args:
        sample_rate: Hz of raw 16-bit little-endian samples of one channel; None for audio with a header: WAV of 16
            bits, or whatever ffmpeg reads.

    Raises:
        AudioError: there is no audio, or it needs ffmpeg, which is not installed.
    """
    read = getattr(stream, "read1", stream.read)
    if sample_rate is not None:
        return Source(sample_rate, _pcm(read, b"", 1, round(BLOCK * sample_rate)))
    begin = b""
    while len(begin) < 12 and (data := read(12 - len(begin))):
        begin += data
    if not begin:
        raise AudioError("stdin holds no audio (0 bytes)")
    if begin[:4] == b"RIFF" and begin[8:12] == b"WAVE":
        return _wav(stream, begin)
    if not shutil.which("ffmpeg"):
        raise AudioError(
            "stdin is not WAV: give --rate HZ if it is raw 16-bit samples of one channel, or install ffmpeg for others"
        )
    return _through_ffmpeg(read, begin)


def _wav(stream: IO[bytes], begin: bytes) -> Source:
    """Read WAV whose length need not be known; what is not 16-bit PCM goes through ffmpeg."""
    header, form = begin, b""
    while True:
        chunk = stream.read(8)
        header += chunk
        if len(chunk) < 8:
            raise AudioError("stdin ends within the header of a WAV file")
        kind, size = struct.unpack("<4sI", chunk)
        if kind == b"data":
            break
        if size > 2**20:
            raise AudioError("stdin has a damaged WAV header")
        content = stream.read(size + size % 2)
        header += content
        if kind == b"fmt ":
            form = content
    read = getattr(stream, "read1", stream.read)
    if len(form) < 16:
        raise AudioError("stdin has a damaged WAV header")
    coding, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
    if (coding not in (1, 0xFFFE) or bits != 16) and shutil.which("ffmpeg"):
        return _through_ffmpeg(read, header)
    if coding not in (1, 0xFFFE) or bits != 16 or not 1 <= channels <= 64 or not rate:
        raise AudioError(f"stdin is WAV of {bits} bits (format {coding}): write 16-bit PCM, or install ffmpeg")
    return Source(rate, _pcm(read, b"", channels, round(BLOCK * rate), None if size in SIZES_UNKNOWN else size))


def _pcm(read: Any, begin: bytes, channels: int, block: int, size: int | None = None) -> Iterator[np.ndarray]:
    """Yield 16-bit samples, (T_wav, channels), up to the end, or `size` bytes."""
    held, width, taken = begin, 2 * channels, 0
    while data := read(block * width):
        data = data if size is None else data[: size - taken]
        taken += len(data)
        held += data
        whole = len(held) // width * width
        if whole:
            yield np.frombuffer(held[:whole], "<i2").reshape(-1, channels)
            held = held[whole:]
        if size is not None and taken >= size:
            return


def _through_ffmpeg(read: Any, begin: bytes) -> Source:
    """Pass a pipe of any container on to ffmpeg."""
    process = _ffmpeg(["-i", "pipe:0"], subprocess.PIPE)

    def feed() -> None:
        sink = process.stdin
        assert sink
        try:
            sink.write(begin)
            while data := read(65536):
                sink.write(data)
                sink.flush()
        except OSError:  # ffmpeg has ended
            pass
        finally:
            try:
                sink.close()
            except OSError:
                pass

    threading.Thread(target=feed, daemon=True).start()
    first = _read(process, round(BLOCK * RATE) * 2)
    if not first:
        raise AudioError(f"stdin cannot be read as audio (ffmpeg: {_cause(process)})")
    return Source(RATE, _blocks_of(process, first))


def _ffmpeg(source: list[str], stdin: int) -> subprocess.Popen[bytes]:
    """Begin to read a source, whose samples come as 16 bits of one channel at `RATE`."""
    command = ["ffmpeg", "-v", "error", *source, "-vn", "-ac", "1", "-ar", str(RATE)]
    return subprocess.Popen([*command, "-f", "s16le", "-"], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _read(process: subprocess.Popen[bytes], size: int) -> bytes:
    assert process.stdout
    return process.stdout.read1(size)  # type: ignore[attr-defined, no-any-return]


def _blocks_of(process: subprocess.Popen[bytes], first: bytes) -> Iterator[np.ndarray]:
    try:
        yield from _pcm(lambda size: _read(process, size), first, 1, round(BLOCK * RATE))
    finally:
        process.kill()
        process.wait()


def _cause(process: subprocess.Popen[bytes]) -> str:
    """Return what a process that has ended says on stderr, in a line."""
    assert process.stderr
    errors = process.stderr.read()  # not `communicate`, which needs a stdin that nobody else has closed
    process.wait()
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {process.returncode}"
