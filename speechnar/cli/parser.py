"""The parser of the command line: usage of the verb, options of other tools explained, inputs kept from overwriting."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HABITS: dict[str, tuple[str, ...]] = {
    "--batch-size": ("--batch",),
    "--beam-size": ("--beam",),
    "--checkpoint": ("--init", "--vocoder"),
    "--cuda": ("--device",),
    "--epochs": ("--max-steps",),
    "--exp-dir": ("--out",),
    "--file": ("-f",),
    "--gpu": ("--device",),
    "--hot-words": ("--hotwords",),
    "--hypothesis": ("--hyp",),
    "--initial-prompt": ("--hotwords",),
    "--input": ("-f", "--in"),
    "--input-file": ("-f", "--in"),
    "--lang": ("--recognizer", "--voice"),
    "--language": ("--recognizer", "--voice"),
    "--length-scale": ("--speed",),
    "--lexicon-file": ("--lexicon",),
    "--model": ("--recognizer", "--voice", "--vocoder"),
    "--model-name": ("--recognizer", "--voice", "--vocoder"),
    "--n-jobs": ("--jobs", "--threads", "--workers"),
    "--nj": ("--jobs", "--threads", "--workers"),
    "--num-beams": ("--beam",),
    "--num-threads": ("--threads",),
    "--num-workers": ("--jobs", "--threads", "--workers"),
    "--out": ("-o",),
    "--out-dir": ("-o", "--out"),
    "--out-file": ("-o", "--out"),
    "--outdir": ("-o", "--out"),
    "--output": ("--out",),
    "--output-dir": ("-o", "--out"),
    "--output-file": ("-o", "--out"),
    "--output-format": ("--format", "-o"),
    "--pretrained": ("--init",),
    "--rate": ("--speed", "--sample-rate"),
    "--reference": ("--ref",),
    "--resume": ("--out",),
    "--sid": ("--speaker",),
    "--speaker-id": ("--speaker",),
    "--subtitles": ("--timings", "--format"),
    "--text-file": ("-f",),
    "--word-timestamps": ("--format", "--timings"),
    "-i": ("-f", "--in"),
    "-j": ("--jobs", "--threads"),
    "-l": ("--recognizer", "--voice"),
    "-m": ("--recognizer", "--voice", "--vocoder"),
    "-t": ("--threads",),
}
"""Options of other tools, written with hyphens, and the options here that do the same, the first that a verb has."""

MOST_THREADS = 9999
"""Above it, ONNX Runtime fails or needs minutes to start."""


class VerbParser(argparse.ArgumentParser):
    """Parse the arguments of a verb; an error shows the usage of this verb.

    A verb names its options that are read and written by `reads` and `writes`. No file that is written may be one that
    is read, an option with an empty value is refused, and `--threads` is kept to the cores of the computer.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "allow_abbrev": False})
        self.read_from: list[str] = []
        self.written_to: list[str] = []

    def reads(self, *names: str) -> None:
        """Declare options or arguments, by their `dest`, whose values are files or folders to read."""
        self.read_from += names

    def writes(self, *names: str) -> None:
        """Declare options or arguments, by their `dest`, whose values are files or folders to write."""
        self.written_to += names

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does; a verb refuses here what it does not know.

        Raises:
            ValueError: a value is empty, a number of threads is out of range, or an output is an input.
        """
        found, unknown = super().parse_known_args(args, namespace)
        if self._subparsers is None:
            if unknown:
                self.error(self._unknown(unknown))
            self._limit_threads(found)
            inputs = [(self._label(n), p) for n in self.read_from for p in _values(getattr(found, n, None))]
            outputs = [(self._label(n), p) for n in self.written_to for p in _values(getattr(found, n, None))]
            refuse_overwriting(inputs, outputs)
        return found, unknown

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        takes_empty = action.nargs == argparse.PARSER or (action.dest == "text" and not action.option_strings)
        if "" in arg_strings and not takes_empty:
            optional = bool(action.option_strings) and not action.required
            raise ValueError(f"{_name(action)} is empty: give it a value{' or leave it out' if optional else ''}")
        return super()._get_values(action, arg_strings)

    def _label(self, dest: str) -> str:
        return next(_name(action) for action in self._actions if action.dest == dest)

    def _unknown(self, unknown: Sequence[str]) -> str:
        """Return the error for arguments that the verb does not have, with the option that may have been meant."""
        options = [text.split("=")[0] for text in unknown if text.startswith("-") and text != "-"]
        if not options:
            return f"unrecognized arguments: {' '.join(unknown)}"
        meant = self._meant(options[0])
        if meant is None:
            return f"there is no option {options[0]}; {self.prog} --help lists them all"
        names, help_text = _name(meant), (meant.help or "").replace("%%", "%")
        usage = f"{names} {meant.metavar}" if meant.metavar else names
        return f"there is no option {options[0]}; did you mean {usage} ({help_text})?"

    def _meant(self, option: str) -> argparse.Action | None:
        shown = [action for action in self._actions if action.help != argparse.SUPPRESS]
        known = {name: action for action in shown for name in action.option_strings}
        hyphens = option.lower().replace("_", "-")
        for name in (hyphens, *HABITS.get(hyphens, ())):
            if name in known:
                return known[name]
        near = difflib.get_close_matches(hyphens, known, n=1, cutoff=0.7)
        return known[near[0]] if near else None

    @staticmethod
    def _limit_threads(found: argparse.Namespace) -> None:
        given = getattr(found, "threads", None)
        if given is None:
            return
        limited = [usable_threads(n) for n in (given if isinstance(given, list) else [given])]
        found.threads = limited if isinstance(given, list) else limited[0]


def usable_threads(threads: int) -> int:
    """Return a number of threads, at most as many as there are cores; say so on stderr where it was more.

    Raises:
        ValueError: it is below 1 or above `MOST_THREADS`.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not 1 <= threads <= MOST_THREADS:
        raise ValueError(f"--threads is {threads} but should be from 1 to the number of cores, here {cores}")
    if threads > cores:
        print(f"speechnar: --threads {threads} is more than the {cores} cores here: {cores} are used", file=sys.stderr)
    return min(threads, cores)


def refuse_overwriting(inputs: Iterable[tuple[str, str | Path]], outputs: Iterable[tuple[str, str | Path]]) -> None:
    """Check that no file or folder to write is one that is read, or is written twice, through links too.

    Args:
        inputs, outputs: what the command line calls it, such as `-o/--output`, and the path.

    Raises:
        ValueError: an output is an input, or two outputs are one file.
    """
    taken: dict[tuple[int, int], str] = {}
    for label, path in inputs:
        if (identity := _identity(path)) is not None:
            taken.setdefault(identity, f"{label} {path}, which is read")
    for label, path in outputs:
        if (identity := _identity(path)) is not None:
            if identity in taken:
                raise ValueError(f"{label} {path} is the same as {taken[identity]}: write to another place")
            taken[identity] = f"{label} {path}"


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Return device and inode of a file or folder that exists; None for others, such as pipes and /dev/null."""
    try:
        if not (os.path.isfile(path) or os.path.isdir(path)):
            return None
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _values(value: Any) -> list[str | Path]:
    """Return the paths of an argument that may be missing, one or several."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _name(action: argparse.Action) -> str:
    """Return what the usage calls an option or argument."""
    return "/".join(action.option_strings) or str(action.metavar or action.dest)
