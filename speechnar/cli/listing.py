"""The verbs that list what is here: `voices`."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the verbs through the command line's `add(verb, name, summary, details)`."""
    add(_voices, "voices", "list the voices that are here")


def _voices(args: argparse.Namespace) -> None:
    from speechnar.runtime.voice import VoiceInfo, bundled

    rows = [("name", "language", "licence", "size", "measured")]
    for folder in bundled().values():
        info = VoiceInfo.load(folder)
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        measured = ", ".join(f"{name} {value:g}" for name, value in info.measured.items())
        rows.append((info.name, info.language, info.licence, f"{size:.1f} MB", measured))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
