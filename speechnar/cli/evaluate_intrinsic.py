"""`speechnar evaluate intrinsic`: how far speech is from recordings of the same words."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from speechnar.extras import needing


def add_kind(kinds: Any) -> None:
    """Adds the kind to the subparsers of `speechnar evaluate`."""
    intrinsic = kinds.add_parser(
        "intrinsic",
        help="distance from recordings: MCD, F0, voicing, duration; STOI and PESQ of copies",
        description="Compares recordings with references of the same names. Sources are as for `evaluate mos`.",
        allow_abbrev=False,
    )
    intrinsic.set_defaults(verb=_intrinsic)
    intrinsic.add_argument("source", nargs="+", metavar="SOURCE", help="one for each system")
    intrinsic.add_argument("--ref", required=True, metavar="SOURCE", help="recordings of the same words")
    intrinsic.add_argument(
        "--copy", action="store_true", help="the sources are copies (copy-synthesis): no warping, and STOI and PESQ too"
    )
    intrinsic.add_argument("--json", metavar="FILE", help="write every figure, the means and the comparisons")
    intrinsic.add_argument("--plot", metavar="FILE", help="draw means and differences: .png, .svg or .pdf")


def _intrinsic(args: argparse.Namespace) -> None:
    with needing("evaluate intrinsic", "eval"):
        import librosa  # noqa: F401
        import pystoi  # noqa: F401
        import swift_f0  # noqa: F401
        from tqdm import tqdm

        from speechnar.evaluate.quality import intrinsic
        from speechnar.evaluate.quality.recordings import clips, in_one_only, systems_of
        from speechnar.evaluate.stats import metrics as figures
        from speechnar.runtime import plot

        if args.plot:
            plot.check(args.plot)
        references = {clip.name: clip for clip in clips(args.ref)}
        sources = {name: clips(source) for name, source in systems_of(args.source).items()}
    for name, found in sources.items():
        odd = in_one_only((clip.name for clip in found), references)
        if odd:
            raise ValueError(f"only one of {name} and {args.ref} has {odd}; compare the same recordings")
    if args.copy and not intrinsic.has_pesq():
        print("speechnar: PESQ is left out: the package pesq is not installed", file=sys.stderr)
    measured = [
        intrinsic.measure(name, references, tqdm(found, name, unit=" recordings", disable=None), args.copy)
        for name, found in sources.items()
    ]
    figures.report(measured, args.json, args.plot, reference=args.ref)
