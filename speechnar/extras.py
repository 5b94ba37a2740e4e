"""Say what to install where a package is missing."""

from __future__ import annotations

import contextlib
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
