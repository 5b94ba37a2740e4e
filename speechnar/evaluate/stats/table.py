"""Tables for a terminal: aligned columns, metrics and their intervals; `-` where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence

from speechnar.evaluate.stats.statistics import Difference, Interval


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as aligned columns, the first column to the left, the others to the right; row 0 is the header."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:])]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def format_number(value: float, form: str = ".2f") -> str:
    """Format a number; `-` for nan."""
    return "-" if math.isnan(value) else format(value, form)


def format_interval(metric: Interval | Difference, scale: float = 1.0, digits: int = 2) -> str:
    """Format the ends of an interval, such as `3.10 to 4.25`."""
    if math.isnan(metric.low):
        return "-"
    return f"{metric.low * scale:.{digits}f} to {metric.high * scale:.{digits}f}"


def format_p(p: float) -> str:
    """Format a p-value with three digits, or as `<0.001`."""
    return "<0.001" if p < 0.001 else format_number(p, ".3f")
