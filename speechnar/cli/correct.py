"""The verb `correct`: lines of recognized English text to better lines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from speechnar.cli.parser import VerbParser


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    verb = add(
        _correct,
        "correct",
        "correct lines of text that a recognizer wrote",
        "Repairs misspelled English words such as `speechnar transcribe --iterations 0` writes, and leaves out a small "
        "letter that the next word begins with (`f frost`). All else stays as it is: words that a lexicon has, and "
        "words with capitals, digits or other signs inside. Jargon that no lexicon has may be changed, so this is not "
        "for text that is right already.",
    )
    verb.add_argument("-f", "--file", type=Path, metavar="FILE", help="UTF-8, a text a line (stdin)")
    verb.add_argument("-o", "--output", type=Path, metavar="FILE", help="a line for each line (stdout)")
    verb.add_argument("--corrector", type=Path, metavar="DIR", help="of recipes/correction (the package's)")
    verb.reads("file", "corrector")
    verb.writes("output")


def _correct(args: argparse.Namespace) -> None:
    from speechnar.decode.corrector import ENGLISH, Corrector
    from speechnar.files import atomic_write, utf8_lines

    text = sys.stdin.buffer.read() if args.file is None else args.file.read_bytes()
    lines = utf8_lines(text, args.file or "stdin")
    correct = Corrector(args.corrector or ENGLISH)
    written = "\n".join(map(correct, lines))
    if args.output is None:
        sys.stdout.buffer.write(written.encode())
    else:
        with atomic_write(args.output) as part:
            part.write_bytes(written.encode())
