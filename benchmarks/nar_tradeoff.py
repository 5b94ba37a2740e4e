#!/usr/bin/env python3
"""Draw what parallel systems keep of their twin's quality against how much faster they are, for every task.

    python benchmarks/nar_tradeoff.py        # docs/nar_tradeoff.tsv to docs/nar_tradeoff.png

The table has a line for each parallel system: its task, its name, the twin or peer that it is compared with, the
measure of quality (a "WER" in % counts as the share of right words, 100 less it; of others higher is better), its value
of the system and of the peer, how many times faster the system is, and the file where the figures stand as they were
measured.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

from speechnar.files import atomic_write

DOCS = Path(__file__).resolve().parents[1] / "docs"


@dataclass(frozen=True)
class System:
    """A line of the table."""

    task: str
    system: str
    peer: str
    measure: str
    quality: float
    peer_quality: float
    speed: float
    source: str

    @property
    def kept(self) -> float:
        """The share of the peer's quality, in %."""
        right, of_peer = self.quality, self.peer_quality
        if self.measure == "WER":
            right, of_peer = 100 - right, 100 - of_peer
        return 100 * right / of_peer


def read(path: Path) -> list[System]:
    """Read the table.

    Raises:
        ValueError: a line lacks a column, or has no number where one should be.
    """
    found = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t"), 2):
            numbers = {}
            for name in ("quality", "peer_quality", "speed"):
                try:
                    numbers[name] = float(row[name])
                except (KeyError, TypeError, ValueError):
                    raise ValueError(f"{path}, line {number}: {name} should be a number") from None
            found.append(
                System(row["task"], row["system"], row["peer"], row["measure"], source=row["source"], **numbers)
            )
    return found


def plot(systems: list[System], path: Path) -> None:
    """Draw one point for each system, one color for each task."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    tasks = list(dict.fromkeys(system.task for system in systems))
    figure = Figure(figsize=(10.5, 5.5), layout="constrained")
    axis = figure.subplots()
    for number, one in enumerate(systems, 1):
        color = f"C{tasks.index(one.task)}"
        label = f"{number}  {one.task}: {one.system}, {one.measure}\n     beside {one.peer}"
        axis.plot([one.speed], [one.kept], "o", color=color, label=label)
        axis.annotate(str(number), (one.speed, one.kept), (5, 4), textcoords="offset points", fontsize=9)
    for line in (axis.axhline, axis.axvline):
        line(100 if line == axis.axhline else 1, color="gray", linewidth=0.8, linestyle="dashed")
    axis.set_xscale("log")
    slowest, fastest = min(1.0, *(one.speed for one in systems)), max(1.0, *(one.speed for one in systems))
    axis.set(xlim=(0.8 * slowest, 1.3 * fastest))
    axis.set_xticks([tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if slowest <= tick <= fastest])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set(xlabel="times as fast as the twin or peer", ylabel="quality, % of that of the twin or peer")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    with atomic_write(path) as part:
        figure.savefig(part, format="png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=DOCS / "nar_tradeoff.tsv", metavar="FILE")
    parser.add_argument("--out", type=Path, default=DOCS / "nar_tradeoff.png", metavar="FILE")
    args = parser.parse_args()
    systems = read(args.table)
    if not systems:
        parser.error(f"{args.table} has no systems: write a line for each below the names of the columns")
    plot(systems, args.out)
    for one in systems:
        print(f"{one.task}: {one.system}, {one.kept:.1f} % of {one.measure}, {one.speed:g} times as fast as {one.peer}")


if __name__ == "__main__":
    main()
