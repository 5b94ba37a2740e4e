"""`speechnar evaluate intrinsic`: measure the distance of speech from recordings of the same words."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from speechnar.extras import needing


def add_kind(kinds: Any) -> None:
    """Add the kind to the subparsers of `speechnar evaluate`."""
    intrinsic = kinds.add_parser(
        "intrinsic",
        help="distance from recordings: MCD, F0, voicing, duration; STOI and PESQ of copies",
        description="Compare recordings with references of the same names. Sources are as for `evaluate mos`.",
    )
    intrinsic.set_defaults(verb=_intrinsic)
    intrinsic.add_argument("source", nargs="+", metavar="SOURCE", help="one for each system")
    intrinsic.add_argument("--ref", required=True, metavar="SOURCE", help="recordings of the same words")
    intrinsic.add_argument(
        "--copy", action="store_true", help="the sources are copies (copy-synthesis): no warping, and STOI and PESQ too"
    )
    intrinsic.add_argument("--json", metavar="FILE", help="write every value, the means and the comparisons as JSON")
    intrinsic.add_argument("--plot", metavar="FILE", help="draw means and differences: .png, .svg or .pdf")
    intrinsic.reads("source", "ref")
    intrinsic.writes("json", "plot")


def _intrinsic(args: argparse.Namespace) -> None:
    with needing("evaluate intrinsic", "eval"):
        import librosa  # noqa: F401
        import pystoi  # noqa: F401
        import swift_f0  # noqa: F401
        from tqdm import tqdm

        from speechnar.evaluate.quality import intrinsic
        from speechnar.evaluate.quality.recordings import in_one_only, recordings_of, systems_of
        from speechnar.evaluate.stats import metrics
        from speechnar.runtime import plot

        if args.plot:
            plot.check(args.plot)
        references = {recording.name: recording for recording in recordings_of(args.ref)}
        sources = {name: recordings_of(source) for name, source in systems_of(args.source).items()}
    for name, found in sources.items():
        odd = in_one_only((recording.name for recording in found), references)
        if odd:
            raise ValueError(f"only one of {name} and {args.ref} has {odd}; compare the same recordings")
    if args.copy and not intrinsic.has_pesq():
        print("speechnar: PESQ is left out: the package pesq is not installed", file=sys.stderr)
    measured = [
        intrinsic.measure(name, references, tqdm(found, name, unit=" recordings", disable=None), args.copy)
        for name, found in sources.items()
    ]
    metrics.report(measured, args.json, args.plot, reference=args.ref)
