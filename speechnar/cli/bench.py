"""The verb `bench`: measure the speed of a voice or a recognizer on this computer."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from speechnar.cli.parser import VerbParser
from speechnar.extras import needing


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    bench = add(None, "bench", "measure speed and memory of a voice or a recognizer on this computer")
    kinds = bench.add_subparsers(title="kinds", metavar="KIND", required=True)
    tts = kinds.add_parser("tts", help="a voice: RTF, latency, cold start, memory")
    tts.add_argument("model", nargs="?", default="heart", metavar="NAME|DIR", help="a voice (heart)")
    asr = kinds.add_parser("asr", help="a recognizer: RTF, latency, cold start, memory")
    asr.add_argument("model", nargs="?", default="english_base", metavar="NAME|DIR", help="a recognizer (english_base)")
    for kind, sub, unit, lengths in (("tts", tts, "characters", [20, 100, 500]), ("asr", asr, "seconds", [2, 10, 60])):
        sub.set_defaults(verb=_bench, kind=kind)
        usual = " ".join(map(str, lengths))
        sub.add_argument("--lengths", type=float, nargs="+", default=lengths, metavar="N", help=f"{unit} ({usual})")
        sub.add_argument("--batch", type=int, nargs="+", default=[1], metavar="N", help="requests at once (1)")
        sub.add_argument("--threads", type=int, nargs="+", default=[1], metavar="N", help="CPU threads (1)")
        sub.add_argument("--repeats", type=int, default=10, metavar="N", help="repetitions of each case (10)")
        sub.add_argument(
            "--starts", type=int, default=3, metavar="N", help="cold starts for each number of threads (3)"
        )
        sub.add_argument("--json", metavar="FILE", help="write the result as JSON")
        sub.add_argument("--plot", metavar="FILE", help="draw it: .png, .svg or .pdf")
        sub.add_argument("--compare", metavar="FILE", help="a result of --json to compare with")
        sub.reads("model", "compare")
        sub.writes("json", "plot")


def _bench(args: argparse.Namespace) -> None:
    with needing("bench", "eval"):
        import dataclasses

        from tqdm import tqdm

        from speechnar import config
        from speechnar.evaluate.speed import bench
        from speechnar.evaluate.speed import report as bench_report
        from speechnar.runtime import plot

    _check(args)
    if args.plot:
        plot.check(args.plot)
    old = config.load(bench.Result, args.compare) if args.compare else None
    if old and old.kind != args.kind:
        raise ValueError(f"{args.compare} is a result of bench {old.kind}: compare it with another of those")
    result = bench.describe(args.kind, _folder(args.kind, args.model), max(args.threads))
    cases = [bench.Case(length, batch) for length in sorted(args.lengths) for batch in sorted(args.batch)]
    given = bench.input_of(args.kind, cases[0].length, 0)
    rows, starts = [], []
    with tqdm(total=len(args.threads) * (args.starts + len(cases)), unit=" cases", disable=None) as progress:
        for threads in args.threads:
            system = bench.System(args.kind, args.model, threads)
            for _ in range(args.starts):
                starts.append(system.start(given))
                progress.update()
            for row in system.rows(cases, args.repeats):
                rows.append(row)
                progress.update()
    result = dataclasses.replace(result, rows=tuple(rows), starts=tuple(starts))
    print(bench_report.format_header(result))
    print(f"\n{bench_report.format_rows(result)}")
    if starts:
        print(f"\n{bench_report.format_starts(result)}")
    if old:
        print(f"\n{bench_report.format_comparison(old, result)}")
    if args.json:
        config.save(result, args.json)
    if args.plot:
        bench_report.plot(args.plot, result)


def _check(args: argparse.Namespace) -> None:
    for name, values, least in (
        ("lengths", args.lengths, 1),
        ("batch", args.batch, 1),
        ("repeats", [args.repeats], 1),
        ("starts", [args.starts], 0),
    ):
        if min(values) < least:
            raise ValueError(f"--{name} is {min(values):g} but should be {least} or more")
    if args.json and Path(args.json).suffix != ".json":
        raise ValueError(f"{args.json} should end in .json")


def _folder(kind: str, model: str) -> Path:
    from speechnar.runtime.recognizer_folder import find_recognizer
    from speechnar.runtime.voice_folder import find_voice

    return find_voice(model)[0] if kind == "tts" else find_recognizer(model)
