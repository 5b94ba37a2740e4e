"""Progress bars on stderr, where that is a terminal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
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
