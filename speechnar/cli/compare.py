"""The verb `compare`: systems on one test set in one table, with quality, tests, speed, memory and size."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from speechnar.cli.parser import VerbParser
from speechnar.extras import needing
from speechnar.files import utf8_lines

DETAILS = (
    "Transcripts are of the formats of `speechnar evaluate wer`; translations have a line for each line of the "
    "reference. `decode --measure` and `translate --measure` write NAME.speed.json beside their output NAME.txt: its "
    "speed, memory and size. Those of other programs may be written by hand, with any of the keys latency and "
    "decoder_latency (ms), throughput_8 and throughput_32 (outputs a second), iterations, peak_memory (bytes), "
    "parameters, decoder_parameters, clock, family and label. p is of the paired bootstrap against the baseline."
)


def add_verbs(add: Callable[..., VerbParser]) -> None:
    """Add the verb through the command line's `add(verb, name, summary, details)`."""
    summary = "compare systems on one test set: quality, latency, throughput, memory (needs speechnar[eval])"
    verb = add(_compare, "compare", summary, DETAILS)
    verb.add_argument("outputs", type=Path, nargs="+", metavar="FILE", help="the output of a system")
    verb.add_argument("--ref", type=Path, required=True, metavar="FILE", help="the reference of all systems")
    verb.add_argument("--metric", choices=("wer", "bleu"), default="wer", help="of transcripts or translations (wer)")
    verb.add_argument("--baseline", type=Path, metavar="FILE", help="one of the outputs (the first)")
    verb.add_argument("--normalizer", default="none", metavar="NAME|FILE", help="of wer, as in `evaluate wer` (none)")
    verb.add_argument("--utt2spk", type=Path, metavar="FILE", help="of wer: intervals by speaker")
    verb.add_argument("--markdown", action="store_true", help="print a Markdown table")
    verb.add_argument("--json", type=Path, metavar="FILE", help="write all values as JSON")
    verb.add_argument("--plot", type=Path, metavar="FILE", help="draw quality against latency: .png, .svg or .pdf")
    verb.reads("outputs", "ref", "baseline", "utt2spk")
    verb.writes("json", "plot")


def _compare(args: argparse.Namespace) -> None:
    with needing("compare", "eval"):
        from speechnar.evaluate.compare import measurements
        from speechnar.evaluate.compare.quality import transcript_quality, translation_quality
        from speechnar.evaluate.compare.table import Row, format_comparison, plot_comparison
        from speechnar.evaluate.stats.record import write_json
        from speechnar.evaluate.wer import transcripts
        from speechnar.evaluate.wer.normalizers import normalizer
        from speechnar.runtime import plot

        normalize = normalizer(args.normalizer)
    if args.plot:
        plot.check(args.plot)
    baseline = args.baseline or args.outputs[0]
    if baseline not in args.outputs:
        raise ValueError(
            f"--baseline {baseline} is none of the outputs: give one of {', '.join(map(str, args.outputs))}"
        )
    measured = []
    for output in args.outputs:
        path = measurements.measurements_path(output)
        measured.append(measurements.read(path) if path.exists() else measurements.Measurements())
    if args.plot and not any(one.latency for one in measured):
        raise ValueError("--plot needs a latency: decode with --measure, or write NAME.speed.json beside NAME.txt")
    labels = [one.label or output.stem for one, output in zip(measured, args.outputs)]
    names = dict(zip(args.outputs, labels if len(set(labels)) == len(labels) else map(str, args.outputs)))
    if len(names) < len(args.outputs):
        raise ValueError(f"{max(args.outputs, key=args.outputs.count)} is given twice: give each system once")
    if args.metric == "wer":
        reference = transcripts.read(args.ref)
        systems = {names[output]: transcripts.read(output) for output in args.outputs}
        for output in args.outputs:
            transcripts.same_utterances(reference, systems[names[output]], str(output))
        speakers = transcripts.read_speakers(args.utt2spk, list(reference)) if args.utt2spk else None
        found = transcript_quality(reference, systems, names[baseline], normalize, speakers)
    else:
        lines = {names[output]: _lines(output) for output in args.outputs}
        found = translation_quality(_lines(args.ref), lines, names[baseline])
    rows = [Row(names[output], found[names[output]], one) for output, one in zip(args.outputs, measured)]
    metric = args.metric.upper()
    print(format_comparison(rows, metric, names[baseline], args.markdown))
    if args.json:
        write_json(args.json, {"ref": str(args.ref), "metric": metric, "baseline": names[baseline], "systems": rows})
    if args.plot:
        plot_comparison(args.plot, rows, metric)


def _lines(path: Path) -> Sequence[str]:
    """Return the lines of a text file, without line ends."""
    lines = utf8_lines(path.read_bytes(), path)  # a line may hold other ends of lines
    return [line.rstrip("\r") for line in (lines if lines[-1] else lines[:-1])]
