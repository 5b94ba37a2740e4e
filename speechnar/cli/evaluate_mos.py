"""`speechnar evaluate mos`: predict mean opinion scores, with intervals, and compare systems."""

from __future__ import annotations

import argparse
from typing import Any

from speechnar.extras import needing


def add_kind(kinds: Any) -> None:
    """Add the kind to the subparsers of `speechnar evaluate`."""
    mos = kinds.add_parser(
        "mos",
        help="predicted mean opinion scores by DistillMOS and DNSMOS, offline",
        description="Predict what listeners would say of recordings, 1 to 5; this is not a listening test. A SOURCE "
        "is an audio file, a folder of them, a Lhotse manifest (*.jsonl, *.jsonl.gz), or a list: Kaldi's wav.scp, or a "
        "path a line. Sources whose recordings have the same names are compared.",
    )
    mos.set_defaults(verb=_mos)
    mos.add_argument("source", nargs="+", metavar="SOURCE", help="one for each system")
    mos.add_argument("--predictor", action="append", metavar="NAME", help="distillmos or dnsmos; repeatable (both)")
    mos.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (1)")
    mos.add_argument("--json", metavar="FILE", help="write every score, the means and the comparisons as JSON")
    mos.add_argument("--plot", metavar="FILE", help="draw means and differences with intervals: .png, .svg or .pdf")
    mos.reads("source")
    mos.writes("json", "plot")


def _mos(args: argparse.Namespace) -> None:
    with needing("evaluate mos", "eval"):
        from tqdm import tqdm

        from speechnar.evaluate.quality import mos
        from speechnar.evaluate.quality.recordings import recordings_of, systems_of
        from speechnar.evaluate.stats import metrics
        from speechnar.runtime import plot

        if args.plot:
            plot.check(args.plot)
        sources = {name: recordings_of(source) for name, source in systems_of(args.source).items()}
        loaded = mos.predictors(args.predictor or list(mos.PREDICTORS), args.threads)
    measured = [
        mos.measure(name, tqdm(found, name, unit=" recordings", disable=None), loaded)
        for name, found in sources.items()
    ]
    print(f"{mos.NO_TEST}\n")
    metrics.report(measured, args.json, args.plot, note=mos.NO_TEST)
