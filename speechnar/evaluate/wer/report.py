"""Error rates as tables, JSON and plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from speechnar.evaluate.stats import record
from speechnar.evaluate.stats.plot import Panel, plot_intervals
from speechnar.evaluate.stats.statistics import Difference, Interval
from speechnar.evaluate.stats.table import format_interval, format_number, format_p, format_table
from speechnar.evaluate.wer.alignment import KINDS, kind_of
from speechnar.evaluate.wer.error_rate import Counts, Report
from speechnar.evaluate.wer.written import WrittenReport

TOP = 10  # errors that a table shows
RATE = {"word": "WER", "character": "CER"}


def format_systems(report: Report) -> str:
    """Format a line for each system: its rate, the interval and the kinds of errors."""
    rows = [["system", f"{RATE[report.unit]} %", "95 % interval", "S", "D", "I", f"{report.unit}s"]]
    for system in report.systems:
        rate = system.rate
        rows.append([system.total.name, f"{100 * rate.value:.2f}", format_interval(rate, 100), *_errors(system.total)])
    return format_table(rows)


def format_comparisons(report: Report) -> str:
    """Format a line for each pair of systems: the difference of their rates, its interval and p."""
    matched = ["p (MAPSSWE)", "segments"] if report.unit == "word" else []
    rows = [["difference", "points", "95 % interval", "p (bootstrap)", *matched]]
    for pair in report.comparisons:
        difference = pair.difference
        row = [f"{pair.second} - {pair.first}", f"{100 * difference.value:+.2f}"]
        row += [format_interval(difference, 100), format_p(difference.p)]
        rows.append(row + ([format_p(pair.matched.p), str(pair.matched.segments)] if pair.matched else []))
    return format_table(rows)


def format_details(report: Report) -> Iterator[str]:
    """Yield tables for each system: by speaker, by length, and of its most frequent errors."""
    for system in report.systems:
        for label, groups in (("speaker", system.speakers), ("words in the reference", system.lengths)):
            if groups:
                yield _by_group(f"{system.total.name}: {label}", groups, report)
        for kind, name in KINDS.items():
            rows = [[f"{system.total.name}: {name}s", "heard", "times"]]
            found = [error for error in system.confusions if kind_of(error.reference, error.hypothesis) == kind]
            rows += [[_shown(error.reference), _shown(error.hypothesis), str(error.count)] for error in found[:TOP]]
            yield format_table(rows)


def _by_group(label: str, groups: Sequence[Counts], report: Report) -> str:
    rows = [[label, "utterances", f"{RATE[report.unit]} %", "S", "D", "I", f"{report.unit}s"]]
    for group in groups:
        rows.append([group.name, str(group.utterances), format_number(100 * group.rate), *_errors(group)])
    return format_table(rows)


def _shown(unit: str) -> str:
    return f"'{unit}'" if unit.isspace() else unit or "-"


def _errors(counts: Counts) -> list[str]:
    return [str(count) for count in (counts.substitutions, counts.deletions, counts.insertions, counts.length)]


def format_written(report: WrittenReport) -> str:
    """Format a line for each kind of writing of a system: precision, recall, and F1 with its interval."""
    rows = [[f"{report.system}: written", "in reference", "precision %", "recall %", "F1 %", "95 % interval"]]
    for score in report.scores:
        metrics = (score.precision, score.recall, score.f1)
        values = [format_number(100 * metric.value) for metric in metrics]
        rows.append([score.kind, str(score.reference), *values, format_interval(score.f1, 100)])
    return format_table(rows)


def write_json(
    path: str | Path, settings: Mapping[str, Any], reports: Sequence[Report], written: Sequence[WrittenReport] = ()
) -> None:
    """Write the inputs of the metrics and all metrics; `written` only where there is any.

    Raises:
        FileError: the file cannot be written.
    """
    record.write_json(path, {**settings, "reports": reports, **({"written": written} if written else {})})


def plot(path: str | Path, reports: Sequence[Report]) -> None:
    """Plot the rates of systems and their differences, in percent, with their intervals.

    Raises:
        SpeechError: the ending is unknown, or matplotlib is missing.
        FileError: the file cannot be written.
    """
    panels = []
    for report in reports:
        name = RATE[report.unit]
        rates = {system.total.name: _percent(system.rate) for system in report.systems}
        panels.append(Panel(f"{name}, %, and its 95 % interval", rates))
        pairs = {f"{pair.second} - {pair.first}": _percent(pair.difference) for pair in report.comparisons}
        if pairs:
            panels.append(Panel(f"difference in {name}, percentage points", pairs, zero=True))
    plot_intervals(path, panels)


def _percent(metric: Interval | Difference) -> Interval:
    return Interval(100 * metric.value, 100 * metric.low, 100 * metric.high)
