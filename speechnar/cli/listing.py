"""The verbs that list what is here: `voices` and `recognizers`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechnar.runtime import RecognizerInfo, VoiceInfo


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the verbs through the command line's `add(verb, name, summary, details)`."""
    add(_voices, "voices", "list the voices that are here")
    add(_recognizers, "recognizers", "list the recognisers that are here")


def _voices(args: argparse.Namespace) -> None:
    from speechnar.runtime.voice import VoiceInfo, bundled

    _print([(folder, VoiceInfo.load(folder)) for folder in bundled().values()])


def _recognizers(args: argparse.Namespace) -> None:
    from speechnar.runtime.recognizer import RecognizerInfo, bundled

    _print([(folder, RecognizerInfo.load(folder)) for folder in bundled().values()])


def _print(found: Sequence[tuple[Path, VoiceInfo | RecognizerInfo]]) -> None:
    rows = [("name", "language", "licence", "size", "measured")]
    for folder, info in found:
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        measured = ", ".join(f"{name} {value:g}" for name, value in info.measured.items())
        rows.append((info.name, info.language, info.licence, f"{size:.1f} MB", measured))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
