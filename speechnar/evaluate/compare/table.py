"""The table of a comparison, and quality drawn against latency."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechnar.evaluate.compare.measurements import Measurements
from speechnar.evaluate.compare.quality import Quality
from speechnar.evaluate.stats.table import format_interval, format_number, format_p, format_table
from speechnar.files import atomic_write
from speechnar.runtime.plot import check


@dataclass(frozen=True)
class Row:
    """One system of a comparison: its name in the table, its quality and what was measured of it."""

    system: str
    quality: Quality
    measured: Measurements = Measurements()


def format_comparison(rows: Sequence[Row], metric: str, baseline: str, markdown: bool = False) -> str:
    """Format a line for each system; columns of which no system has a value are left out.

    Args:
        metric: "WER" or "BLEU".
        baseline: the name of the row that p and relative times refer to.
        markdown: whether to write a Markdown table, in place of one for a terminal.
    """
    one = next(row.measured for row in rows if row.system == baseline)
    decoders = all(row.measured.decoder_latency is not None for row in rows)

    def times(row: Row) -> str:
        mine, base = (m.decoder_latency if decoders else m.latency for m in (row.measured, one))
        if not mine or not base:
            return ""
        return f"1/{base / mine:.1f}" if mine <= base else f"{mine / base:.1f}"

    percent = " %" if metric == "WER" else ""
    columns: dict[str, Callable[[Row], str]] = {
        "system": lambda row: row.system.replace("|", "\\|") if markdown else row.system,
        "family": lambda row: row.measured.family,
        metric: lambda row: f"{row.quality.value.value:.1f}{percent}",
        "95 % interval": lambda row: format_interval(row.quality.value, digits=1),
        "p": lambda row: "" if math.isnan(row.quality.p) else format_p(row.quality.p),
        "chrF": lambda row: _number(row.quality.chrf, ".1f"),
        "iterations": lambda row: _number(row.measured.iterations, ".1f"),
        "latency, ms": lambda row: _number(row.measured.latency, ".1f"),
        "decoder, ms": lambda row: _number(row.measured.decoder_latency, ".1f"),
        f"{'decoder' if decoders else 'latency'}, {baseline} = 1": times,
        "a second, batch 8": lambda row: _number(row.measured.throughput_8, ".1f"),
        "a second, batch 32": lambda row: _number(row.measured.throughput_32, ".1f"),
        "peak memory, MB": lambda row: _number(row.measured.peak_memory, ".0f", 1e-6),
        "parameters, M": lambda row: _number(row.measured.parameters, ".2f", 1e-6),
        "of the decoder, M": lambda row: _number(row.measured.decoder_parameters, ".2f", 1e-6),
    }
    cells = [[head, *map(cell, rows)] for head, cell in columns.items()]
    table = list(zip(*(column for column in cells if any(column[1:]))))
    if not markdown:
        return format_table([[cell or "-" for cell in line] for line in table])
    rule = ["---"] * len(table[0])
    return "\n".join(f"| {' | '.join(line)} |" for line in (table[0], rule, *table[1:]))


def _number(value: float | None, form: str, scale: float = 1.0) -> str:
    return "" if value is None else format_number(value * scale, form)


def plot_comparison(path: str | Path, rows: Sequence[Row], metric: str) -> None:
    """Plot the quality of systems, with intervals, against their latency at batch 1, into `.png`, `.svg` or `.pdf`.

    Systems without a latency are left out. Those of a family have one color; numbers lead to the names beside the plot.

    Raises:
        SpeechError: the ending is unknown, or matplotlib is missing.
        FileError: the file cannot be written.
    """
    check(path)
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    shown = [(row.measured.latency, row) for row in rows if row.measured.latency]
    families = list(dict.fromkeys(row.measured.family for _, row in shown))
    figure = Figure(figsize=(10.0, max(4.5, 1.0 + 0.26 * len(shown))), layout="constrained")
    axis = figure.subplots()
    for number, (latency, row) in enumerate(shown, 1):
        value = row.quality.value
        color = f"C{families.index(row.measured.family) % 10}"
        if not math.isnan(value.low):
            axis.plot([latency, latency], [value.low, value.high], color=color, linewidth=1.5, alpha=0.5)
        family = f" ({row.measured.family})" if row.measured.family else ""
        axis.plot([latency], [value.value], "o", color=color, label=f"{number}  {row.system}{family}")
        axis.annotate(str(number), (latency, value.value), (5, 3), textcoords="offset points", fontsize=9)
    axis.set_xscale("log")
    for formatted in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
        formatted(LogFormatter(minor_thresholds=(2, 0.5)))  # 20 and not 2 x 10^1
    clocks = " and ".join(dict.fromkeys(f"{row.measured.clock} time" for _, row in shown))
    axis.set(xlabel=f"latency at batch 1, ms ({clocks})" if shown else "latency, ms", ylabel=_axis(metric))
    axis.grid(alpha=0.3, which="both")
    if shown:
        figure.legend(loc="outside right upper", fontsize=9)
    with atomic_write(path) as part:
        figure.savefig(part, format=Path(path).suffix[1:].lower(), dpi=120)


def _axis(metric: str) -> str:
    return f"{metric}, %, and its 95 % interval" if metric == "WER" else f"{metric} and its 95 % interval"
