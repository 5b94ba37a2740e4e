"""The verb for large corpora: `bulk synth|transcribe|align|features`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speechnar.cli.parser import VerbParser
from speechnar.extras import needing

TEXT_FORMATS = ("txt", "json", "srt", "vtt", "ctm", "TextGrid", "parquet")
SOUND_FORMATS = ("wav", "flac", "ogg", "mp3", "parquet", "shar")
PART_ROWS = 200
"""Rows of a part where a part is a table, a manifest or a Shar part: a few minutes of work, lost if a worker dies."""


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    bulk = add(
        None,
        "bulk",
        "synthesize, transcribe, align or compute features of a large corpus (needs speechnar[ray])",
        "Finished rows are not computed again: run the same command to continue after a stop. Rows that fail are "
        "listed in OUT/_failures.tsv, and the exit code is 1.",
    )
    kinds = bulk.add_subparsers(title="kinds of work", metavar="WORK", required=True)

    transcribe = kinds.add_parser("transcribe", help="recordings to transcripts")
    transcribe.set_defaults(verb=_transcribe)
    transcribe.add_argument(
        "--format", default="txt", choices=TEXT_FORMATS, help="a file a row, or parquet tables (txt)"
    )
    transcribe.add_argument("--recognizer", default="english_base", metavar="NAME|DIR", help="(english_base)")
    transcribe.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu or cuda (cpu)")

    synth = kinds.add_parser("synth", help="texts to speech")
    synth.set_defaults(verb=_synth)
    synth.add_argument(
        "--format", default="flac", choices=SOUND_FORMATS, help="a file a row, tables, or Lhotse Shar (flac)"
    )
    synth.add_argument("--voice", default="heart", metavar="NAME|DIR", help="(heart)")
    synth.add_argument(
        "--speaker", metavar="NAME", help="of a voice with several, or a blend such as heart:0.6,michael:0.4"
    )
    synth.add_argument("--speed", type=float, default=1.0, metavar="X", help="1 is normal, 2 is twice as fast (1)")

    align = kinds.add_parser("align", help="times of the phones of a manifest")
    align.set_defaults(verb=_align)
    align.add_argument("--aligner", required=True, metavar="DIR", help="of `speechnar train aligner`")
    align.add_argument("--boundary-offset", type=float, default=0.0, metavar="MS", help="add to every boundary (0)")
    align.reads("aligner")

    features = kinds.add_parser("features", help="the features of a manifest, for training")
    features.set_defaults(verb=_features)

    for kind in (align, features):
        kind.add_argument("--audio", type=Path, required=True, metavar="FILE", help="YAML: sample rate, hop, mel bands")
    for kind in (transcribe, synth, align, features):
        kind.add_argument("--in", dest="source", required=True, metavar="SOURCE", help=_source_help(kind))
        kind.add_argument("--out", required=True, metavar="OUT", help="a folder, or a URL that fsspec knows")
        kind.add_argument("--workers", type=int, metavar="N", help="processes, one thread each (all cores)")
        kind.reads("source", *(["audio"] if kind in (align, features) else []))
        kind.writes("out")
        kind.add_argument("--ray", metavar="ADDRESS", help="of a Ray cluster, such as auto; this machine without it")
    for kind in (transcribe, synth, align):
        kind.add_argument(
            "--part-rows", type=int, default=PART_ROWS, metavar="N", help=f"rows of a table ({PART_ROWS})"
        )


def _source_help(kind: VerbParser) -> str:
    name = kind.prog.split()[-1]
    if name in ("align", "features"):
        return "a manifest of Lhotse, .jsonl.gz"
    what, value = ("recordings", "FILE") if name == "transcribe" else ("text files", "TEXT")
    return f"a folder or bucket of {what}, a manifest .jsonl.gz, or a list .tsv of ID<TAB>{value}"


def _transcribe(args: argparse.Namespace) -> None:
    with needing("bulk", "ray"):
        from speechnar.infer.bulk_jobs import TABLE, TranscribeJob
    job = TranscribeJob(args.recognizer, args.format, device=args.device)
    _run(args, job, "audio", args.part_rows if args.format == TABLE else None)


def _synth(args: argparse.Namespace) -> None:
    with needing("bulk", "ray"):
        from speechnar.infer.bulk_jobs import SOUNDS, SynthJob
    job = SynthJob(args.voice, args.format, args.speaker, args.speed)
    _run(args, job, "text", None if args.format in SOUNDS else args.part_rows)


def _align(args: argparse.Namespace) -> None:
    with needing("bulk", "ray"), needing("bulk align", "train"):
        from speechnar import config
        from speechnar.audio import AudioConfig
        from speechnar.infer.bulk_jobs import AlignJob
    job = AlignJob(args.aligner, config.load(AudioConfig, args.audio), args.boundary_offset / 1000)
    _run(args, job, "cuts", args.part_rows)


def _features(args: argparse.Namespace) -> None:
    with needing("bulk", "ray"), needing("bulk features", "train"):
        from lhotse import CutSet

        from speechnar import config
        from speechnar.audio import AudioConfig
        from speechnar.data.features import compute_features, prepare_folder
        from speechnar.data.manifest import load_cuts
        from speechnar.infer.bulk import BulkError
        from speechnar.infer.bulk_jobs import FeaturesJob
        from speechnar.infer.storage import is_url
    if is_url(args.out):
        raise BulkError(f"features are written to a folder that training reads, not to {args.out}: mount it")
    folder, audio = Path(args.out), config.load(AudioConfig, args.audio)
    cuts = CutSet.from_cuts(load_cuts(Path(args.source)))
    prepare_folder(folder, cuts, audio)
    _run(args, FeaturesJob(str(folder.resolve())), "cuts", None, prefix="utterances/")
    stats = compute_features(cuts, folder, audio, jobs=args.workers or os.cpu_count() or 1)
    print(f"{stats.utterances} utterances, {stats.seconds / 3600:.2f} h to train on")


def _run(args: argparse.Namespace, job: Any, kind: str, size: int | None, prefix: str = "") -> None:
    from speechnar.infer.bulk import FAILURES, BulkError, Row, run
    from speechnar.infer.bulk_sources import rows_of
    from speechnar.infer.storage import join

    rows = [Row(prefix + row.id, row.value) for row in rows_of(args.source, kind)]
    workers = (os.cpu_count() or 1) if args.workers is None else args.workers
    failed = run(job, rows, args.out, size, workers, args.ray)
    if failed:
        raise BulkError(f"{failed} of {len(rows)} failed; {join(args.out, FAILURES)} says why")
