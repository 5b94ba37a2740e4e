"""Recordings to be evaluated, named so that those of two systems can be paired.

| source | recordings | names |
| --- | --- | --- |
| an audio file | that one | its name without the ending |
| a folder | all audio in it and below | paths from there, without the ending |
| `*.jsonl`, `*.jsonl.gz` | Lhotse's recordings or cuts | their ids |
| any other file | Kaldi's `wav.scp` (`name path` a line), or a path a line | the names, or as for an audio file |

Paths in a list count from the working directory.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speechnar import audio
from speechnar.evaluate.wer import transcripts

SHOWN = 5  # recordings that a message names
ENDINGS = {".wav", ".flac", ".ogg", ".opus", ".mp3"}


class RecordingError(ValueError):
    """A source without recordings; the message says what it should be."""


@dataclass(frozen=True)
class Recording:
    """One recording.

    Attributes:
        read: given a rate in Hz, its (T_wav,) float32 in [-1, 1]; raises ValueError where it cannot.
    """

    name: str
    read: Callable[[int], np.ndarray]


def recordings_of(source: str | Path) -> list[Recording]:
    """Return the recordings of a source, at least one.

    Raises:
        RecordingError: there is nothing at the path, no recording in it, or two of one name.
        TranscriptError: a list that is not UTF-8.
        ModuleNotFoundError: a Lhotse manifest without Lhotse.
    """
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
        found = [of_file(file, file.relative_to(path).with_suffix("").as_posix()) for file in files]
    elif not path.is_file():
        raise RecordingError(f"there is no file or folder at {path}")
    elif path.suffix.lower() in ENDINGS:
        found = [of_file(path, path.stem)]
    elif path.name.endswith((".jsonl", ".jsonl.gz")):
        found = _of_manifest(path)
    else:
        found = [_of_line(path, *entry) for entry in transcripts.read(path).items()]
    if not found:
        raise RecordingError(f"{path} holds no recordings ({', '.join(sorted(ENDINGS))})")
    names = [recording.name for recording in found]
    if len(set(names)) < len(names):
        raise RecordingError(f"{path} has two recordings named {max(names, key=names.count)}; name them apart")
    return found


def of_file(path: Path, name: str) -> Recording:
    """Return the recording of a file."""
    return Recording(name, lambda sample_rate: audio.read(path, sample_rate)[0])


def _of_line(source: Path, name: str, path: str) -> Recording:
    if path.endswith("|"):
        raise RecordingError(f"{source} has a command for {name} ({path}); only files are read, so run it first")
    return of_file(Path(path), name) if path else of_file(Path(name), Path(name).stem)


def _of_manifest(path: Path) -> list[Recording]:
    from lhotse import load_manifest_lazy

    return [Recording(item.id, functools.partial(_of_lhotse, item)) for item in load_manifest_lazy(path)]


def _of_lhotse(item: Any, sample_rate: int) -> np.ndarray:
    from lhotse.audio.utils import AudioLoadingError

    try:
        wav = item.load_audio().mean(axis=0)
    except (AudioLoadingError, OSError) as error:
        raise RecordingError(f"{item.id} cannot be read ({' '.join(str(error).split())})") from None
    return audio.resample(wav, item.sampling_rate, sample_rate)


def systems_of(sources: Sequence[str]) -> dict[str, str]:
    """Return sources by the name of their system: the last part of the path, or all of it where two are the same."""
    names = [Path(source).name for source in sources]
    if len(set(names)) < len(names):
        names = list(sources)
    if len(set(names)) < len(names):
        raise RecordingError(f"{max(names, key=names.count)} is given twice; give each system once")
    return dict(zip(names, sources))


def in_one_only(first: Iterable[str], second: Iterable[str]) -> str:
    """Return the names that only one of two systems has, for a message; empty if there is none."""
    odd = sorted({*first} ^ {*second})
    return ", ".join(odd[:SHOWN]) + (f" and {len(odd) - SHOWN} more" if len(odd) > SHOWN else "")
