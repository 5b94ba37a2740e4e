"""The command line: one file a noun, one function a verb; a verb imports what it needs when it runs.

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
from speechnar.cli import (
    bench,
    bulk,
    compare,
    corpus,
    correct,
    distill,
    evaluate,
    export,
    listen,
    lm,
    recognition,
    score,
    serve,
    sing,
    synth,
    train,
    transcribe,
    translate,
    vocode,
    voices,
)
from speechnar.cli.parser import VerbParser

NOUNS = (
    synth,
    sing,
    transcribe,
    listen,
    correct,
    translate,
    vocode,
    score,
    voices,
    corpus,
    train,
    recognition,
    distill,
    lm,
    evaluate,
    compare,
    bench,
    export,
    bulk,
    serve,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    if hasattr(sys.stdout, "reconfigure"):  # file names that are not UTF-8 are printed as they are
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        args = build_parser().parse_args(argv)
        with _warnings_in_a_line():
            args.verb(args)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        print("speechnar: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has closed it
        return _failed("")
    except OSError as error:
        return _failed(f"{error.filename or 'stdout'}: {error.strerror}" if error.strerror else str(error))
    except UnicodeEncodeError as error:
        character = ascii(error.object[error.start])
        return _failed(
            f"the encoding {error.encoding} has no {character}: set PYTHONIOENCODING=utf-8 or rename the file"
        )
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


def build_parser() -> VerbParser:
    """Return the parser of all verbs."""
    parser = VerbParser(prog="speechnar", description="Speech synthesis and recognition, offline.")
    parser.add_argument("--version", action="version", version=f"speechnar {speechnar.__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def add(
        verb: Callable[[argparse.Namespace], None] | None, name: str, summary: str, details: str = ""
    ) -> VerbParser:
        sub = verbs.add_parser(name, help=summary, description=summary, epilog=details)
        sub.set_defaults(verb=verb)
        return sub

    for noun in NOUNS:
        noun.add_verbs(add)
    return parser
