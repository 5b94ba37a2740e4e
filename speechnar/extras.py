"""Say what to install where a package is missing, and find numba a cache where it has none."""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def needing(verb: str, extra: str) -> Iterator[None]:
    """Turn a missing package inside the block into one sentence.

    Raises:
        ValueError: one of them is not installed; the message names the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(f"{verb} needs {error.name}: pip install 'speechnar[{extra}]'") from None


@functools.cache
def provide_numba_cache() -> None:
    """Let numba keep what librosa compiles in a temporary folder, where it has no folder that it can write.

    In a read-only install without a cache of the user's, `import librosa` fails otherwise. The folder is removed at
    exit: its files are pickles, which nobody else may have written.

    Raises:
        OSError: there is no temporary folder either.
    """
    import numba

    try:
        numba.njit(cache=True)(_to_be_cached)
    except RuntimeError:
        folder = tempfile.mkdtemp(prefix="speechnar-numba-")
        numba.config.CACHE_DIR = folder  # type: ignore[attr-defined]
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _to_be_cached() -> None:
    """Do nothing; numba looks for a cache when it is given this."""
