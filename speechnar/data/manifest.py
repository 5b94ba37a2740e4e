"""Read and write Lhotse manifests, read the audio of cuts, and map over cuts in several processes."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from lhotse import CutSet
from lhotse.audio.backend import audio_backend
from lhotse.cut import Cut
from tqdm import tqdm

from speechnar.audio import resample
from speechnar.files import atomic_write

Item = TypeVar("Item")
Result = TypeVar("Result")


class DataError(ValueError):
    """Report a corpus, a manifest or features that cannot be used; the message names the utterance and the cure."""


def load_cuts(path: Path) -> list[Cut]:
    """Return all cuts of a manifest, in its order.

    Args:
        path: `.jsonl` or `.jsonl.gz`; or a folder of Lhotse Shar, whose audio, as it is compressed, is then in memory.

    Raises:
        DataError: there is no such file, it is not a manifest, or it is empty.
    """
    if not path.exists():
        raise DataError(f"there is no manifest at {path}: run the stage that prepares the data")
    try:
        cuts = list(CutSet.from_shar(in_dir=path) if path.is_dir() else CutSet.from_jsonl_lazy(path))
    except Exception as error:  # whatever JSON, gzip and Lhotse make of a broken file
        cause = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path} cannot be read as a manifest ({type(error).__name__}: {cause}): make it again"
        ) from None
    if not cuts:
        raise DataError(f"{path} holds no utterances")
    return cuts


def save_cuts(cuts: Iterable[Cut], path: Path) -> None:
    """Write a manifest, whole or not at all: the same cuts give the same bytes.

    Raises:
        DataError: the name does not end in `.jsonl` or `.jsonl.gz`.
        FileError: the file cannot be written.
    """
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise DataError(f"{path} should end in .jsonl.gz or .jsonl")
    lines = "".join(json.dumps(cut.to_dict(), ensure_ascii=False) + "\n" for cut in cuts).encode()
    if path.suffix == ".gz":
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
            file.write(lines)
        lines = packed.getvalue()
    with atomic_write(path) as part:
        part.write_bytes(lines)


def read_wav(cut: Cut, sample_rate: int) -> np.ndarray:
    """Return the audio of a cut, all channels mixed, at `sample_rate`: (T_wav,) float32.

    Raises:
        DataError: it cannot be read, or has samples that are infinite or not a number.
    """
    try:
        with _reader_of(cut):
            wav = np.asarray(cut.load_audio(), dtype=np.float32).mean(axis=0)
    except Exception as error:  # Lhotse's audio backends share no class of their own
        cause = " ".join(str(error).split())[:200]
        raise DataError(
            f"the audio of {cut.id} cannot be read ({cause}): `speechnar corpus check` finds all such"
        ) from None
    if not np.isfinite(wav).all():
        files = ", ".join(str(source.source) for source in cut.recording.sources if source.type == "file")
        raise DataError(
            f"the audio of {cut.id} ({files or 'in memory'}) has samples that are infinite or not a number: write it"
            " again, or leave it out with `speechnar corpus check --fix`"
        )
    return wav if cut.sampling_rate == sample_rate else resample(wav, cut.sampling_rate, sample_rate)


def _reader_of(cut: Cut) -> contextlib.AbstractContextManager[object]:
    """Return a context in which Lhotse reads audio that is in memory with libsndfile, which needs no torchaudio."""
    in_memory = cut.has_recording and all(source.type == "memory" for source in cut.recording.sources)
    return audio_backend("LibsndfileBackend") if in_memory else contextlib.nullcontext()


def processes(jobs: int | None) -> int:
    """Return the number of processes that `--jobs` asks for; None is one for each core of this process.

    Raises:
        DataError: it is below 1.
    """
    if jobs is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if jobs < 1:
        raise DataError(f"--jobs is {jobs} but should be 1 or more")
    return jobs


def mapped(
    work: Callable[[Item], Result], items: Sequence[Item], jobs: int, what: str, unit: str = "utt"
) -> Iterator[Result]:
    """Yield `map(work, items)` in order, in `jobs` processes, with a progress bar.

    Ctrl-C and errors end it after what the processes have in hand.
    """
    if jobs <= 1 or len(items) < 2:
        yield from tqdm(map(work, items), total=len(items), desc=what, unit=unit)
        return
    with ProcessPoolExecutor(jobs, initializer=_leave_interrupts_to_the_parent) as pool:
        chunk = max(1, min(16, len(items) // (4 * jobs)))
        try:
            yield from tqdm(pool.map(work, items, chunksize=chunk), total=len(items), desc=what, unit=unit)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 file, with or without a BOM, whatever ends them.

    Raises:
        DataError: there is no such file, or it is not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"there is no {path}: is {path.parent} the right folder?") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
