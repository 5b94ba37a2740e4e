"""The verb `evaluate`: each kind of evaluation adds its own command, and imports what it needs when that runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from speechnar.evaluate import boundaries_cli, intrinsic_cli, mos_cli, tts_cli, wer_cli
from speechnar.evaluate.listen import cli as listen_cli

KINDS = (wer_cli, mos_cli, intrinsic_cli, boundaries_cli, tts_cli, listen_cli)  # each has `add_kind(kinds)`


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the verb through the command line's `add(verb, name, summary, details)`."""
    evaluate = add(None, "evaluate", "tell how good a system is, and whether it is better than another")
    kinds = evaluate.add_subparsers(title="kinds", metavar="KIND", required=True)
    for kind in KINDS:
        kind.add_kind(kinds)
