"""Read and write files of bulk work: at local paths, and at any URL that fsspec knows (s3://, gs://, hdfs://)."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from speechnar.files import FileError, atomic_write


def is_url(path: str) -> bool:
    """Return True if a path is a URL for fsspec rather than a local path."""
    return "://" in path


def join(folder: str, name: str) -> str:
    """Return the path or URL of a file in a folder."""
    return f"{folder.rstrip('/')}/{name}"


def read(path: str) -> bytes:
    """Read a whole file.

    Raises:
        FileNotFoundError: there is none.
        FileError: a bucket refuses.
    """
    if not is_url(path):
        return Path(path).read_bytes()
    with _system(path, "read") as (system, name):
        data: bytes = system.cat_file(name)
        return data


def write(path: str, data: bytes) -> None:
    """Write a whole file, or none: beside the target and renamed, or as one object of a bucket.

    Raises:
        FileError: it cannot be written.
    """
    if not is_url(path):
        with atomic_write(path) as part:
            part.write_bytes(data)
        return
    with _system(path, "write") as (system, name):
        system.makedirs(name.rsplit("/", 1)[0], exist_ok=True)
        system.pipe_file(name, data)


def remove(folder: str) -> None:
    """Delete a folder and all files below it, if it is there."""
    if not is_url(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    with _system(folder, "delete") as (system, name):
        if system.exists(name):
            system.rm(name, recursive=True)


def names_in(folder: str) -> set[str]:
    """Return the paths of all files below a folder, relative to it, with forward slashes; empty if there is none."""
    if not is_url(folder):
        top = Path(folder)
        return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}
    with _system(folder, "list") as (system, name):
        prefix = name.rstrip("/") + "/"
        found = system.find(name) if system.exists(name) else []
        return {path.removeprefix(prefix) for path in found}


@contextlib.contextmanager
def _system(url: str, doing: str) -> Iterator[tuple[Any, str]]:
    """Give the file system of a URL and the path in it; turn what goes wrong into one sentence.

    Raises:
        FileNotFoundError: there is no such file.
        FileError: any other error; each package of a kind of bucket has errors of its own.
    """
    try:
        import fsspec

        yield fsspec.core.url_to_fs(url)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise FileError(f"cannot {doing} {url}: {' '.join(str(error).split()) or type(error).__name__}") from None


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[Path]:
    """Give a file as one on this machine: itself, or for the time of the block a copy of what a URL holds."""
    if not is_url(path):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="speechnar-") as folder:
        copy = Path(folder, PurePosixPath(path).name)
        copy.write_bytes(read(path))
        yield copy
