"""Show progress bars on stderr, where that is a terminal, and keep out of it what libraries in C print."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any


def progress_over(items: Iterable[Any], unit: str) -> Iterable[Any]:
    """Yield the items and count them."""
    from tqdm import tqdm

    return tqdm(items, unit=unit, disable=None)


def progress_of_audio(files: Sequence[str], shortest: float = 0.0) -> Any:
    """Return a bar of the seconds of audio in files, with the time that is left.

    Args:
        shortest: seconds below which there is no bar; audio of unknown length always has one.
    """
    import soundfile
    from tqdm import tqdm

    total = 0.0
    for file in files:
        if not os.path.isfile(file):  # of stdin and pipes, libsndfile would take what is still to be read
            continue
        with contextlib.suppress(soundfile.LibsndfileError, OSError, TypeError, ValueError):  # video and bad files
            total += soundfile.info(file).duration
    of = f"/{total:.0f}" if total else ""
    return tqdm(
        total=total or None,
        disable=None if not total or total > shortest else True,
        bar_format="{l_bar}{bar}| {n:.0f}" + of + " s [{elapsed}<{remaining}]",
        leave=False,
    )


@contextlib.contextmanager
def only_own_words() -> Iterator[None]:
    """Keep what libraries in C print out of stderr, such as decoders' notes on MP3; what Python prints stays."""
    try:
        shown = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        with contextlib.ExitStack() as stack:
            if _is_stderr(sys.stderr):
                encoding, errors = sys.stderr.encoding, sys.stderr.errors
                own = stack.enter_context(open(shown, "w", 1, encoding, errors, closefd=False))
                stack.enter_context(contextlib.redirect_stderr(own))
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(shown, 2)
        os.close(shown)


def _is_stderr(stream: Any) -> bool:
    try:
        return stream.fileno() == 2
    except (OSError, ValueError, AttributeError):  # a stand-in that has no descriptor
        return False
