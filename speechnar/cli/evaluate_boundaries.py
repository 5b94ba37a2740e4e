"""`speechnar evaluate boundaries`: measure the distance of alignments from a reference."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from speechnar.extras import needing


def add_kind(kinds: Any) -> None:
    """Add the kind to the subparsers of `speechnar evaluate`."""
    boundaries = kinds.add_parser(
        "boundaries",
        help="distance of aligned phones from those of a reference",
        description="Compare the durations in a manifest with those in another of the same utterances.",
    )
    boundaries.set_defaults(verb=_boundaries)
    boundaries.add_argument("cuts", type=Path, metavar="CUTS", help="a manifest with durations")
    boundaries.add_argument(
        "--ref",
        type=Path,
        required=True,
        metavar="CUTS",
        help="a manifest of the same utterances with reference durations",
    )
    boundaries.add_argument(
        "--audio",
        type=Path,
        required=True,
        metavar="FILE",
        help="YAML of an AudioConfig: the frames that durations count",
    )
    boundaries.add_argument(
        "--ref-audio", type=Path, metavar="FILE", help="the same for the reference, where it differs"
    )
    boundaries.add_argument("--json", type=Path, metavar="FILE", help="write the metrics as JSON")
    boundaries.reads("cuts", "ref", "audio", "ref_audio")
    boundaries.writes("json")


def _boundaries(args: argparse.Namespace) -> None:
    with needing("evaluate boundaries", "eval"):
        from speechnar import config
        from speechnar.audio import AudioConfig
        from speechnar.data.manifest import load_cuts
        from speechnar.evaluate.quality import boundaries
        from speechnar.evaluate.stats.record import write_json
        from speechnar.evaluate.stats.table import format_number, format_table

    audio = config.load(AudioConfig, args.audio)
    reference_audio = config.load(AudioConfig, args.ref_audio) if args.ref_audio else audio
    errors = boundaries.compare(load_cuts(args.cuts), load_cuts(args.ref), audio, reference_audio)
    metrics = errors.metrics()
    print(f"median error, later is positive: {errors.offset:+.1f} ms")
    rows = [["", *next(iter(metrics.values()))]]
    rows += [[name, *(format_number(v, ".1f") for v in row.values())] for name, row in metrics.items()]
    print(format_table(rows))
    if args.json:
        write_json(args.json, {"median error, ms": errors.offset, **metrics})
