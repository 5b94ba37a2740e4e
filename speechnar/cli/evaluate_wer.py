"""`speechnar evaluate wer`: error rates of transcripts with intervals, and paired tests of systems."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechnar.cli.former import Former
from speechnar.extras import needing

if TYPE_CHECKING:
    from speechnar.evaluate.wer.error_rate import Report
    from speechnar.evaluate.wer.written import WrittenReport


def add_kind(kinds: Any) -> None:
    """Add the kind to the subparsers of `speechnar evaluate`."""
    wer = kinds.add_parser(
        "wer",
        help="word error rates with intervals, and paired tests of systems",
        description="Compare transcripts with a reference. Reads Kaldi text, *.trn, *.tsv, *.ctm, *.json and *.jsonl.",
    )
    wer.set_defaults(verb=_wer)
    wer.add_argument("--ref", required=True, metavar="FILE", help="reference transcripts")
    wer.add_argument(
        "--hyp", required=True, action="append", metavar="FILE", help="transcripts of a system; repeatable"
    )
    wer.add_argument("--cer", action="store_true", help="character error rates too")
    wer.add_argument(
        "--written",
        action="store_true",
        help="also capitals, marks and numbers, each apart from the words: precision, recall and F1 of each",
    )
    choices = "none, basic, whisper (English), or a file of rules"
    add_normalizer(wer, None, f"applied to both before words are compared: {choices} (none; with --written, whisper)")
    wer.add_argument("--utt2spk", metavar="FILE", help="utterance and speaker a line: intervals by speaker")
    wer.add_argument("--missing-as-empty", action="store_true", help="take utterances that a --hyp lacks as empty")
    wer.add_argument("--tables", action="store_true", help="also by speaker and by length, and the top confusions")
    wer.add_argument("--alignments", metavar="FILE", help="write transcripts aligned with the reference: .txt or .html")
    wer.add_argument("--json", metavar="FILE", help="write all metrics as JSON")
    wer.add_argument("--plot", metavar="FILE", help="draw rates and differences with intervals: .png, .svg or .pdf")
    wer.reads("ref", "hyp", "utt2spk")
    wer.writes("alignments", "json", "plot")


def add_normalizer(parser: argparse.ArgumentParser, default: str | None, summary: str) -> None:
    """Add the option `--normalizer`, which was `--normaliser` in earlier versions."""
    parser.add_argument("--normalizer", default=default, metavar="NAME|FILE", help=summary)
    parser.add_argument("--normaliser", action=Former, now="--normalizer")


def _wer(args: argparse.Namespace) -> None:
    with needing("evaluate wer", "eval"):
        from speechnar.evaluate.wer import alignment, transcripts
        from speechnar.evaluate.wer import report as wer_report
        from speechnar.evaluate.wer.error_rate import report, score
        from speechnar.evaluate.wer.normalizers import normalizer
        from speechnar.evaluate.wer.written import written_report
        from speechnar.runtime import plot

        args.normalizer = args.normalizer or ("whisper" if args.written else "none")
        normalize = normalizer(args.normalizer)
    if args.alignments:
        alignment.check(args.alignments)
    if args.plot:
        plot.check(args.plot)
    reference = transcripts.read(args.ref)
    hypotheses = {}
    for system, path in zip(_names(args.hyp), args.hyp):
        hypothesis = transcripts.read(path)
        if args.missing_as_empty:
            hypothesis = dict.fromkeys(reference, "") | hypothesis
        transcripts.same_utterances(reference, hypothesis, path)
        hypotheses[system] = hypothesis
    speakers = transcripts.read_speakers(args.utt2spk, list(reference)) if args.utt2spk else None
    scores, reports = [], []
    for unit in ("word", "character") if args.cer else ("word",):
        scores.append([score(name, reference, heard, normalize, unit) for name, heard in hypotheses.items()])
        reports.append(report(scores[-1], speakers))
    written = [written_report(name, reference, heard, speakers) for name, heard in hypotheses.items() if args.written]
    _print(reports, written, speakers, args)
    if args.alignments:
        alignment.write(args.alignments, scores[0])
    if args.json:
        settings = {name: getattr(args, name) for name in ("ref", "hyp", "normalizer", "utt2spk", "missing_as_empty")}
        wer_report.write_json(args.json, settings, reports, written)
    if args.plot:
        wer_report.plot(args.plot, reports)


def _names(paths: Sequence[str]) -> list[str]:
    """Return the name of each system: that of its file, or the whole path where two names are the same."""
    stems = [Path(path).stem for path in paths]
    names = stems if len(set(stems)) == len(stems) else list(paths)
    if len(set(names)) < len(names):
        raise ValueError(f"--hyp {max(names, key=names.count)} is given twice; give each system once")
    return names


def _print(
    reports: Sequence[Report],
    written: Sequence[WrittenReport],
    speakers: Sequence[str] | None,
    args: argparse.Namespace,
) -> None:
    from speechnar.evaluate.wer import report as wer_report

    total, drawn = reports[0].systems[0].total, reports[0].drawn
    number = f", {len(set(speakers))} speakers" if speakers else ""
    print(f"{total.utterances} utterances, {total.length} words{number}; normalizer: {args.normalizer}")
    few = " (too few speakers to draw those)" if speakers and drawn == "utterance" else ""
    print(f"intervals and p (bootstrap) by {drawn}{few}")
    for report in reports:
        print(f"\n{wer_report.format_systems(report)}")
        if report.comparisons:
            print(f"\n{wer_report.format_comparisons(report)}")
        for table in wer_report.format_details(report) if args.tables else ():
            print(f"\n{table}")
    for found in written:
        print(f"\n{wer_report.format_written(found)}")
