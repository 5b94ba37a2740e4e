"""Text as written to text as spoken."""

from __future__ import annotations

from collections.abc import Collection


def normalise(text: str, keep: Collection[str] = ()) -> str:
    """The words that a reader would say."""
    return " ".join(text.split())
