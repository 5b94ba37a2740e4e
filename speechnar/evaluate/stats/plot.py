"""Plots of metrics and their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechnar.evaluate.stats.statistics import Difference, Interval
from speechnar.files import atomic_write
from speechnar.runtime.plot import check


@dataclass(frozen=True)
class Panel:
    """One axis of metrics.

    Attributes:
        label: what is measured, with its unit.
        metrics: name to metric, the first on top.
        zero: whether to draw a line at 0, which the interval of a difference holds or not.
    """

    label: str
    metrics: Mapping[str, Interval | Difference]
    zero: bool = False


def plot_intervals(path: str | Path, panels: Sequence[Panel]) -> None:
    """Plot each metric as a point on its 95 % interval into a `.png`, `.svg` or `.pdf` file, panels one above another.

    Raises:
        SpeechError: the ending is unknown, or matplotlib is missing.
        FileError: the file cannot be written.
    """
    check(path)
    from matplotlib.figure import Figure

    rows = [len(panel.metrics) for panel in panels]
    figure = Figure(figsize=(8.0, sum(0.8 + 0.35 * row for row in rows)), layout="constrained")
    for axis, panel in zip(figure.subplots(len(panels), 1, height_ratios=rows, squeeze=False)[:, 0], panels):
        for row, shown in enumerate(panel.metrics.values()):
            axis.plot([shown.low, shown.high], [row, row], color="tab:blue", linewidth=2)
            axis.plot([shown.value], [row], "o", color="tab:blue")
        if panel.zero:
            axis.axvline(0.0, color="gray", linewidth=0.8, linestyle="dashed")
        axis.set_yticks(range(len(panel.metrics)), list(panel.metrics), parse_math=False)
        axis.set(xlabel=panel.label, ylim=(len(panel.metrics) - 0.5, -0.5))
        axis.grid(axis="x", alpha=0.3)
    with atomic_write(path) as part:
        figure.savefig(part, format=Path(path).suffix[1:].lower(), dpi=120)
