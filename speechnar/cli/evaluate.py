"""The verb `evaluate`: each kind of evaluation adds its own command, and imports what it needs when that runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from speechnar.cli import (
    evaluate_boundaries,
    evaluate_intrinsic,
    evaluate_listen,
    evaluate_mos,
    evaluate_tts,
    evaluate_wer,
)

# Each has `add_kind(kinds)`.
KINDS = (evaluate_wer, evaluate_mos, evaluate_intrinsic, evaluate_boundaries, evaluate_tts, evaluate_listen)


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the verb through the command line's `add(verb, name, summary, details)`."""
    evaluate = add(None, "evaluate", "tell how good a system is, and whether it is better than another")
    kinds = evaluate.add_subparsers(title="kinds", metavar="KIND", required=True)
    for kind in KINDS:
        kind.add_kind(kinds)
