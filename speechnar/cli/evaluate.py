"""The verb `evaluate`: each kind of evaluation has a file of its own, which adds its command."""

from __future__ import annotations

from collections.abc import Callable

from speechnar.cli import (
    evaluate_boundaries,
    evaluate_intrinsic,
    evaluate_listen,
    evaluate_mos,
    evaluate_singing,
    evaluate_tts,
    evaluate_wer,
)
from speechnar.cli.parser import VerbParser

KINDS = (
    evaluate_wer,
    evaluate_mos,
    evaluate_intrinsic,
    evaluate_boundaries,
    evaluate_tts,
    evaluate_singing,
    evaluate_listen,
)
"""Modules with a function `add_kind(kinds)`."""


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    evaluate = add(None, "evaluate", "measure the quality of systems and test whether one is better than another")
    kinds = evaluate.add_subparsers(title="kinds", metavar="KIND", required=True)
    for kind in KINDS:
        kind.add_kind(kinds)
