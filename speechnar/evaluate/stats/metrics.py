"""Metrics with one number an utterance: means with intervals, comparisons of systems, tables and plots."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from speechnar.evaluate.quality.recordings import in_one_only
from speechnar.evaluate.stats.plot import Panel, plot_intervals
from speechnar.evaluate.stats.record import write_json
from speechnar.evaluate.stats.statistics import Difference, Interval, bootstrap_interval, paired_difference
from speechnar.evaluate.stats.table import format_interval, format_number, format_p, format_table

SMALL = 0.2  # below it, two decimals are too few


class MetricsError(ValueError):
    """A metric that could not be computed; the message says which and why."""


@dataclass(frozen=True)
class Measured:
    """The measurements of one system.

    Attributes:
        utterances: utterance to metric to value; nan where an utterance has none.
        failed: utterance to why nothing could be measured of it.
    """

    system: str
    utterances: Mapping[str, Mapping[str, float]]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Return the names of the metrics."""
        return list(next(iter(self.utterances.values()), ()))

    def of(self, metric: str, utterances: Sequence[str] | None = None) -> np.ndarray:
        """Return the (N,) values of one metric, by default of all utterances."""
        return np.array([self.utterances[name][metric] for name in utterances or self.utterances])


@dataclass(frozen=True)
class Means:
    """The metrics of one system; the ends of an interval are nan where there is none."""

    system: str
    utterances: int
    metrics: Mapping[str, Interval]


@dataclass(frozen=True)
class MetricComparison:
    """Differences of two systems on the same utterances, by metric: the second minus the first."""

    first: str
    second: str
    metrics: Mapping[str, Difference]


def means(measured: Measured) -> Means:
    """Return the means over the utterances that have a metric, with their intervals."""
    metrics = {}
    for name in measured.names:
        values = measured.of(name)
        values = values[np.isfinite(values)]
        metrics[name] = bootstrap_interval(values) if values.size else Interval(np.nan, np.nan, np.nan)
    return Means(measured.system, len(measured.utterances), metrics)


def compare(systems: Sequence[Measured]) -> list[MetricComparison]:
    """Compare systems that were measured on the same utterances, over those where both have the metric."""
    found = []
    for first, second in combinations(systems, 2):
        if first.utterances.keys() != second.utterances.keys():
            continue
        metrics = {}
        for name in first.names:
            before, after = first.of(name), second.of(name, list(first.utterances))
            both = np.isfinite(before) & np.isfinite(after)
            if both.any():
                metrics[name] = paired_difference(before[both], after[both])
        found.append(MetricComparison(first.system, second.system, metrics))
    return found


def format_means(systems: Sequence[Means]) -> str:
    """Format a line for each metric of each system."""
    rows = [["metric", "system", "mean", "95 % interval", "utterances"]]
    for name in systems[0].metrics:
        for system in systems:
            metric = system.metrics[name]
            digits = _digits(metric)
            interval = format_interval(metric, digits=digits)
            value = format_number(metric.value, f".{digits}f")
            rows.append([name, system.system, value, interval, str(system.utterances)])
    return format_table(rows)


def format_comparisons(comparisons: Sequence[MetricComparison]) -> str:
    """Format a line for each metric of each pair of systems: the difference, its interval and p."""
    rows = [["metric", "difference", "mean", "95 % interval", "p"]]
    for pair in comparisons:
        for name, metric in pair.metrics.items():
            digits = _digits(metric)
            interval = format_interval(metric, digits=digits)
            value = format_number(metric.value, f"+.{digits}f")
            rows.append([name, f"{pair.second} - {pair.first}", value, interval, format_p(metric.p)])
    return format_table(rows)


def _digits(metric: Interval | Difference) -> int:
    """Return the number of decimals: more for small values, such as real-time factors."""
    return 4 if 0 < abs(metric.value) < SMALL else 2


def plot(path: str | Path, systems: Sequence[Means], comparisons: Sequence[MetricComparison]) -> None:
    """Plot the metrics of systems and their differences with their intervals, a panel for each metric.

    Raises:
        SpeechError: the ending is unknown, or matplotlib is missing.
        FileError: the file cannot be written.
    """
    plot_intervals(path, list(_panels(systems, comparisons)))


def _panels(systems: Sequence[Means], comparisons: Sequence[MetricComparison]) -> Iterator[Panel]:
    for name in systems[0].metrics:
        yield Panel(name, {system.system: system.metrics[name] for system in systems})
        pairs = {f"{pair.second} - {pair.first}": pair.metrics[name] for pair in comparisons if name in pair.metrics}
        if pairs:
            yield Panel(f"difference in {name}", pairs, zero=True)


def report(measured: Sequence[Measured], json: str | None, picture: str | None, **settings: object) -> None:
    """Print means and comparisons, and write them to the files that are given.

    Args:
        settings: what else stands in the JSON file.

    Raises:
        MetricsError: after all this, when something could not be measured.
        SpeechError, FileError: a file cannot be written.
    """
    some = [one for one in measured if one.utterances]
    systems, comparisons = [means(one) for one in some], compare(some)
    if systems:
        print(format_means(systems))
    if comparisons:
        print(f"\n{format_comparisons(comparisons)}")
    for sentence in _uncompared(some):
        print(f"speechnar: {sentence}", file=sys.stderr)
    if json:
        write_json(json, settings | {"systems": systems, "comparisons": comparisons, "measured": measured})
    if picture and systems:
        plot(picture, systems, comparisons)
    failed = [f"{one.system}: {why}" for one in measured for why in one.failed.values()]
    if failed:
        total = len(failed) + sum(len(one.utterances) for one in measured)
        raise MetricsError(f"{len(failed)} of {total} utterances could not be measured; the first is {failed[0]}")


def _uncompared(measured: Sequence[Measured]) -> Iterator[str]:
    for first, second in combinations(measured, 2):
        odd = in_one_only(first.utterances, second.utterances)
        if odd:
            yield f"{first.system} and {second.system} are not compared, for only one of them has {odd}"
