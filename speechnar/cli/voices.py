"""The verbs that list the installed models: `voices` and `recognizers`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from speechnar.cli.parser import VerbParser


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verbs through the command line's `add(verb, name, summary, details)`."""
    voices = add(_voices, "voices", "list the installed voices and their speakers")
    voices.add_argument(
        "voice", nargs="*", type=Path, metavar="DIR", help="folders of voices, in place of the installed ones"
    )
    voices.reads("voice")
    add(_recognizers, "recognizers", "list the installed recognizers")


def _voices(args: argparse.Namespace) -> None:
    from speechnar.runtime.voice_folder import VoiceInfo, bundled

    found = [(folder, VoiceInfo.load(folder)) for folder in args.voice or bundled().values()]
    rows = [("name", "language", "license", "size", "speakers", "measured")]
    for folder, info in found:
        speakers = ", ".join(info.speakers) or "1"
        rows.append((info.name, info.language, info.license, _size(folder), speakers, _metrics(info.measured)))
    _print(rows)


def _recognizers(args: argparse.Namespace) -> None:
    from speechnar.runtime.recognizer_folder import RecognizerInfo, bundled

    found = [(folder, RecognizerInfo.load(folder)) for folder in bundled().values()]
    rows = [(info.name, info.language, info.license, _size(folder), _metrics(info.measured)) for folder, info in found]
    _print([("name", "language", "license", "size", "measured"), *rows])


def _size(folder: Path) -> str:
    return f"{sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.1f} MB"


def _metrics(measured: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in measured.items())


def _print(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
