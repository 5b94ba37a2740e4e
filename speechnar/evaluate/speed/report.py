"""Tables of a benchmark's result, a comparison with an older result, and a plot."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator
from pathlib import Path

from speechnar.evaluate.speed.bench import Result, Row
from speechnar.evaluate.stats.table import format_table
from speechnar.files import atomic_write
from speechnar.runtime.plot import check

PERCENTILES = (50, 90, 99)
Key = tuple[int, float, int]  # threads, length, batch


def format_header(result: Result) -> str:
    """Format the system, the computer and the time of a measurement."""
    where = dataclasses.asdict(result.header)
    threads = sorted({row.threads for row in result.rows} | {one.threads for one in result.starts})
    where |= {"threads": ", ".join(map(str, threads))}
    what = {"model": f"{result.model}, {result.model_bytes / 1e6:.1f} MB", "provider": result.provider}
    return "\n".join(f"{name}: {value}" for name, value in {**what, "dtype": result.dtype, **where}.items())


def format_rows(result: Result) -> str:
    """Format a line for each number of threads, length and batch."""
    percentiles = [f"latency p{percent}, ms" for percent in PERCENTILES]
    table = [[result.unit, "threads", "batch", "audio, s", "RTF", *percentiles, "peak MB"]]
    for row in result.rows:
        latencies = [f"{1e3 * row.latency(percent):.1f}" for percent in PERCENTILES]
        cells = [f"{row.length:g}", str(row.threads), str(row.batch), f"{row.audio:.2f}", f"{row.median_rtf:.4f}"]
        table.append([*cells, *latencies, f"{row.peak_bytes / 1e6:.0f}"])
    return format_table(table)


def format_starts(result: Result) -> str:
    """Format a line for each number of threads: the medians of cold starts."""
    table = [["cold start", "threads", "total, s", "load, s", "first, ms", "warm, ms", "peak MB"]]
    for threads in sorted({one.threads for one in result.starts}):
        some = [one for one in result.starts if one.threads == threads]
        medians = [statistics.median(getattr(one, name) for one in some) for name in ("total", "load", "first", "warm")]
        total, load, first, warm = medians
        peak = statistics.median(one.peak_bytes for one in some) / 1e6
        cells = [str(threads), f"{total:.2f}", f"{load:.2f}", f"{1e3 * first:.1f}", f"{1e3 * warm:.1f}", f"{peak:.0f}"]
        table.append([f"median of {len(some)}", *cells])
    return format_table(table)


def format_comparison(old: Result, new: Result) -> str:
    """Format the cases that both results have, side by side, after all other differences between them."""
    before = _by_key(old)
    table = [[new.unit, "threads", "batch", "RTF old", "new", "ratio", "latency p50 old, ms", "new", "ratio"]]
    for key, row in _by_key(new).items():
        if key in before:
            cells = [f"{row.length:g}", str(row.threads), str(row.batch)]
            for then, now, form, scale in (
                (before[key].median_rtf, row.median_rtf, ".4f", 1.0),
                (before[key].latency(50), row.latency(50), ".1f", 1e3),
            ):
                cells += [format(then * scale, form), format(now * scale, form), f"{now / then:.2f}"]
            table.append(cells)
    return "\n".join([*_differences(old, new), "", format_table(table)])


def _by_key(result: Result) -> dict[Key, Row]:
    return {(row.threads, row.length, row.batch): row for row in result.rows}


def _differences(old: Result, new: Result) -> Iterator[str]:
    for name in ("model", "model_bytes", "provider", "dtype"):
        then, now = getattr(old, name), getattr(new, name)
        if then != now:
            yield f"{name}: {then} -> {now}"
    then, now = dataclasses.asdict(old.header), dataclasses.asdict(new.header)
    yield from (f"{name}: {then[name]} -> {now[name]}" for name in then if then[name] != now[name])


def plot(path: str | Path, result: Result) -> None:
    """Plot RTF and latency against length, a line for each number of threads and batch, bands from best to worst.

    Raises:
        SpeechError: the ending is unknown, or matplotlib is missing.
        FileError: the file cannot be written.
    """
    check(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.4), layout="constrained")
    factor, latency = figure.subplots(1, 2)
    lines: dict[tuple[int, int], list[Row]] = {}
    for row in result.rows:
        lines.setdefault((row.threads, row.batch), []).append(row)
    for (threads, batch), some in lines.items():
        lengths = [row.length for row in some]
        for axis, values in ((factor, [row.rtf for row in some]), (latency, [row.latencies for row in some])):
            label = f"{threads} thread(s), batch {batch}"
            (line,) = axis.plot(lengths, [statistics.median(one) for one in values], "o-", label=label)
            best, worst = ([extreme(one) for one in values] for extreme in (min, max))
            axis.fill_between(lengths, best, worst, color=line.get_color(), alpha=0.15)
    factor.set(ylabel="RTF, seconds of work a second of audio")
    latency.set(ylabel="latency, s")
    for axis in (factor, latency):
        axis.set(xscale="log", yscale="log", xlabel=result.unit)
        axis.grid(True, alpha=0.3)
    factor.legend()
    where = result.header
    title = f"{result.model}: {where.machine}; {result.provider}, {result.dtype}; {where.date[:10]}"
    figure.suptitle(title, fontsize=9)
    with atomic_write(path) as part:
        figure.savefig(part, format=Path(path).suffix[1:].lower(), dpi=120)
