"""`speechnar evaluate listen`: make, serve and report a listening test."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechnar.extras import needing

if TYPE_CHECKING:
    from speechnar.evaluate.listen.make import ListenConfig

FLAGS = ("method", "reference", "title", "rounds", "training", "catch", "sample_rate", "seed")


def add_kind(kinds: Any) -> None:
    """Add the kind to those of `speechnar evaluate`."""
    summary = "listening tests: MOS, CMOS, ABX and MUSHRA"
    verbs = kinds.add_parser("listen", help=summary, description=summary).add_subparsers(
        title="verbs", metavar="VERB", required=True
    )

    summary = "make a test from folders of wavs (needs speechnar[eval])"
    make = verbs.add_parser("make", help=summary, description=summary)
    make.set_defaults(verb=_make)
    make.add_argument("out", type=Path, metavar="TEST_DIR", help="the folder to make")
    make.add_argument("--config", type=Path, metavar="FILE", help="YAML with all settings; options take precedence")
    make.add_argument("--method", metavar="NAME", help="mos, cmos, abx or mushra")
    make.add_argument("--system", action="append", metavar="NAME=DIR", help="a system's wavs; once a system")
    make.add_argument("--reference", type=Path, metavar="DIR", help="the reference's wavs, for mushra")
    make.add_argument("--title", metavar="TEXT", help="what raters read at the top")
    make.add_argument("--rounds", type=int, metavar="N", help="systems in which a rater hears each item (1)")
    make.add_argument("--training", type=int, metavar="N", help="practice trials (2)")
    make.add_argument("--catch", type=int, metavar="N", help="trials whose answer is known (2)")
    make.add_argument("--sample-rate", type=int, metavar="HZ", help="bring all wavs to this rate")
    make.add_argument("--seed", type=int, metavar="N", help="seed of the order of trials (0)")
    make.reads("config", "reference")
    make.writes("out")

    summary = "serve a test to raters until Ctrl-C (needs speechnar[serve])"
    serve = verbs.add_parser("serve", help=summary, description=summary)
    serve.set_defaults(verb=_serve)
    serve.add_argument("test_dir", type=Path, metavar="TEST_DIR")
    serve.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="0.0.0.0 for other computers, too (127.0.0.1)"
    )
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="(8000)")
    serve.add_argument("--raters", type=int, default=1000, metavar="N", help="most raters to accept (1000)")

    summary = "report the results of a test (needs speechnar[eval])"
    report = verbs.add_parser("report", help=summary, description=summary)
    report.set_defaults(verb=_report)
    report.add_argument("test_dir", type=Path, metavar="TEST_DIR")
    report.add_argument("--out", type=Path, metavar="DIR", help="folder for CSV, JSON and plots (TEST_DIR/report)")
    report.reads("test_dir")
    report.writes("out")


def _make(args: argparse.Namespace) -> None:
    with needing("evaluate listen make", "eval"):
        from speechnar.evaluate.listen.make import make_test
        from speechnar.evaluate.listen.plan import plan

        settings = _settings(args)  # reads YAML
    test = make_test(settings, args.out)
    print(f"{len(plan(test, 0))} trials a rater, all at {test.loudness:g} LUFS")
    print(f"serve it: speechnar evaluate listen serve {args.out}")


def _settings(args: argparse.Namespace) -> ListenConfig:
    """Return the settings of the file, if any, replaced by those of the options."""
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
    with needing("evaluate listen serve", "serve"):
        from speechnar.evaluate.listen.serve import listener, serve

    with listener(args.host, args.port) as connections:
        host = f"[{args.host}]" if ":" in args.host else args.host
        print(f"http://{host}:{connections.getsockname()[1]}/", flush=True)
        serve(args.test_dir, connections, args.raters)


def _report(args: argparse.Namespace) -> None:
    with needing("evaluate listen report", "eval"):
        from speechnar.evaluate.listen.report import make_report, table

    out = args.out or args.test_dir / "report"
    print(table(make_report(args.test_dir, out)))
    print(f"\n{out}: ratings.csv, report.json, report.png, report.svg")
