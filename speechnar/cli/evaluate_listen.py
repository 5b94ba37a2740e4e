"""The kind `listen` of `speechnar evaluate`: make, serve and report a listening test."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from speechnar.extras import needing

if TYPE_CHECKING:
    from speechnar.evaluate.listen.make import ListenConfig

FLAGS = ("method", "reference", "title", "rounds", "training", "catch", "sample_rate", "seed")


def add_kind(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the kind to those of `speechnar evaluate`."""
    summary = "listening tests: MOS, CMOS, ABX and MUSHRA"
    verbs = kinds.add_parser("listen", help=summary, description=summary, allow_abbrev=False).add_subparsers(
        title="verbs", metavar="VERB", required=True
    )

    summary = "make a test of folders of wavs (needs speechnar[eval])"
    make = verbs.add_parser("make", help=summary, description=summary, allow_abbrev=False)
    make.set_defaults(verb=_make)
    make.add_argument("out", type=Path, metavar="TEST_DIR", help="the folder to make")
    make.add_argument("--config", type=Path, metavar="FILE", help="YAML: all settings; flags go before it")
    make.add_argument("--method", metavar="NAME", help="mos, cmos, abx or mushra")
    make.add_argument("--system", action="append", metavar="NAME=DIR", help="a system's wavs; once a system")
    make.add_argument("--reference", type=Path, metavar="DIR", help="the reference's wavs, for mushra")
    make.add_argument("--title", metavar="TEXT", help="what raters read at the top")
    make.add_argument("--rounds", type=int, metavar="N", help="in how many systems a rater hears each item (1)")
    make.add_argument("--training", type=int, metavar="N", help="practice trials (2)")
    make.add_argument("--catch", type=int, metavar="N", help="trials whose answer is known (2)")
    make.add_argument("--sample-rate", type=int, metavar="HZ", help="bring all wavs to this rate")
    make.add_argument("--seed", type=int, metavar="N", help="of the order (0)")

    summary = "serve a test to raters until Ctrl-C (needs speechnar[serve])"
    serve = verbs.add_parser("serve", help=summary, description=summary, allow_abbrev=False)
    serve.set_defaults(verb=_serve)
    serve.add_argument("test_dir", type=Path, metavar="TEST_DIR")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="0.0.0.0 for other machines, too")
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="(8000)")
    serve.add_argument("--raters", type=int, default=1000, metavar="N", help="take no more than these (1000)")

    summary = "tell what a test found (needs speechnar[eval])"
    report = verbs.add_parser("report", help=summary, description=summary, allow_abbrev=False)
    report.set_defaults(verb=_report)
    report.add_argument("test_dir", type=Path, metavar="TEST_DIR")
    report.add_argument("--out", type=Path, metavar="DIR", help="for CSV, JSON and plots (TEST_DIR/report)")


def _make(args: argparse.Namespace) -> None:
    with needing("listen make", "eval"):
        from speechnar.evaluate.listen.make import make_test
        from speechnar.evaluate.listen.plan import plan

        settings = _settings(args)  # reads YAML
    test = make_test(settings, args.out)
    print(f"{len(plan(test, 0))} trials a rater, all at {test.loudness:g} LUFS")
    print(f"serve it: speechnar evaluate listen serve {args.out}")


def _settings(args: argparse.Namespace) -> ListenConfig:
    """The settings of the file, if any, with those of the flags in their place."""
    from speechnar import config
    from speechnar.evaluate.listen.make import ListenConfig

    given = {name: value for name in FLAGS if (value := getattr(args, name)) is not None}
    if args.system:
        named = [text.partition("=")[::2] for text in args.system]
        for text, (name, folder) in zip(args.system, named):
            if not name or not folder:
                raise ValueError(f"--system is {text!r} but should be NAME=DIR")
        if len(dict(named)) < len(named):
            raise ValueError("two of the --system have the same name; give each its own")
        given["systems"] = {name: Path(folder) for name, folder in named}
    if args.config:
        return dataclasses.replace(config.load(ListenConfig, args.config), **given)
    if not {"method", "systems"} <= set(given):
        raise ValueError("a test needs --method and --system, or a --config that has them")
    return ListenConfig(**given)


def _serve(args: argparse.Namespace) -> None:
    with needing("listen serve", "serve"):
        from speechnar.evaluate.listen.serve import listener, serve

    with listener(args.host, args.port) as connections:
        host = f"[{args.host}]" if ":" in args.host else args.host
        print(f"http://{host}:{connections.getsockname()[1]}/", flush=True)
        serve(args.test_dir, connections, args.raters)


def _report(args: argparse.Namespace) -> None:
    with needing("listen report", "eval"):
        from speechnar.evaluate.listen.report import make_report, table

    out = args.out or args.test_dir / "report"
    print(table(make_report(args.test_dir, out)))
    print(f"\n{out}: ratings.csv, report.json, report.png, report.svg")
