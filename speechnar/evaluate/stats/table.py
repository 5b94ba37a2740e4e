"""Results as people read them in a terminal: aligned columns, metrics and their intervals; `-` where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence

from speechnar.evaluate.stats.statistics import Difference, Interval


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Lines of aligned columns, the first to the left and the others to the right; the first row is the header."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:])]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def format_number(value: float, form: str = ".2f") -> str:
    """A metric in a format of Python's."""
    return "-" if math.isnan(value) else format(value, form)


def format_interval(metric: Interval | Difference, scale: float = 1.0, digits: int = 2) -> str:
    """The ends of an interval, as `3.10 to 4.25`."""
    if math.isnan(metric.low):
        return "-"
    return f"{metric.low * scale:.{digits}f} to {metric.high * scale:.{digits}f}"


def format_p(p: float) -> str:
    """A p-value with three digits, or `<0.001`."""
    return "<0.001" if p < 0.001 else format_number(p, ".3f")
