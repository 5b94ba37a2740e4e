"""The command line: one function a verb, and what a verb needs is imported when it runs.

Results go to stdout, progress and errors to stderr. Exit codes: 0; 1 after an error, which is one sentence; 2 for a
command that cannot be understood; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import speechnar
from speechnar.cli import bench, bulk, corpus, evaluate, export, lm, synth, train, transcribe, vocode, voices


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit code."""
    args = _parser().parse_args(argv)
    try:
        with _warnings_in_a_line():
            args.verb(args)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        print("speechnar: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has had enough
        return _failed("")
    except OSError as error:
        return _failed(f"{error.filename or 'stdout'}: {error.strerror}" if error.strerror else str(error))
    except ValueError as error:
        return _failed(str(error))


@contextlib.contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """Print this package's own warnings as it prints its errors: one sentence on stderr."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def print_own(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
            if category.__module__.startswith("speechnar."):
                print(f"speechnar: {message}", file=sys.stderr)
            else:
                show(message, category, *rest, **named)

        warnings.showwarning = print_own
        yield


def _failed(sentence: str) -> int:
    if sentence:
        print(f"speechnar: {sentence}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # what could not be written now could not be at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _parser() -> argparse.ArgumentParser:
    description = "Speech synthesis and recognition, offline."
    parser = argparse.ArgumentParser(prog="speechnar", description=description, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"speechnar {speechnar.__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def add(verb: Callable[[argparse.Namespace], None] | None, name: str, summary: str, details: str = "") -> Any:
        sub = verbs.add_parser(name, help=summary, description=summary, epilog=details, allow_abbrev=False)
        sub.set_defaults(verb=verb)
        return sub

    for noun in (synth, transcribe, vocode, voices, corpus, train, lm, evaluate, bench, export, bulk):
        noun.add_verbs(add)
    return parser
