"""Options that had another name: they work for one version more, and say what they are called now."""

from __future__ import annotations

import argparse
import sys
from typing import Any


class Former(argparse.Action):
    """Take the value of an option under its former name, with a notice on stderr; `--help` does not list it.

        parser.add_argument("--lag", action=Former, now="--boundary-offset", type=float)

    Args:
        now: the option's name, which is declared by itself.
        note: what the notice adds, such as how to convert a value.
    """

    def __init__(self, option_strings: list[str], dest: str, now: str, note: str = "", **options: Any) -> None:
        self.now, self.note = now, note
        dest = now.lstrip("-").replace("-", "_")
        super().__init__(option_strings, dest, **options | {"help": argparse.SUPPRESS, "default": argparse.SUPPRESS})

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        print(f"speechnar: {option} is now called {self.now}{self.note}", file=sys.stderr)
        for action in parser._actions:
            if self.now in action.option_strings:
                action.required = False  # it has its value
        setattr(namespace, self.dest, values)
