"""Read interval tiers of Praat TextGrids in the long and the short text format, and write them in the long one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from speechnar.data.manifest import DataError
from speechnar.files import atomic_write


class Interval(NamedTuple):
    """The label from `start` to `end`, in seconds; empty where nothing is said."""

    text: str
    start: float
    end: float


def read_textgrid(path: Path) -> dict[str, list[Interval]]:
    """Return the interval tiers of a file, by name; tiers of points are left out.

    Raises:
        DataError: there is no such file, or it is no TextGrid.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"there is no {path}: is the folder the right one?") from None
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is neither UTF-8 nor UTF-16: save it as UTF-8") from None
    # What carries meaning in both formats: quoted strings, numbers that stand alone, and <exists>.
    found = re.finditer(r'"((?:[^"]|"")*)"|(?<![\w\[.])(-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?![\w\].])|<(exists)>', text)
    values = [m[1].replace('""', '"') if m[1] is not None else m[2] or m[3] for m in found]
    try:
        if values[:2] != ["ooTextFile", "TextGrid"] or values[4] != "exists":
            raise ValueError
        tiers: dict[str, list[Interval]] = {}
        at = 6
        for _ in range(int(values[5])):
            kind, name, count = values[at], values[at + 1], int(values[at + 4])
            at += 5
            width = 3 if kind == "IntervalTier" else 2
            rows = [values[at + width * n : at + width * (n + 1)] for n in range(count)]
            at += width * count
            if kind == "IntervalTier":
                tiers[name] = [Interval(label.strip(), float(start), float(end)) for start, end, label in rows]
    except (ValueError, IndexError):
        raise DataError(f"{path} is not a TextGrid that can be read: open it in Praat and save it as text") from None
    return tiers


def write_textgrid(path: Path, tiers: Mapping[str, Sequence[Interval]], end: float) -> None:
    """Write tiers whose intervals cover 0 to `end` without a gap; the file is replaced whole or not at all."""
    head = f"xmin = 0\nxmax = {end:.6f}\n"
    lines = ['File type = "ooTextFile"\nObject class = "TextGrid"\n\n', head]
    lines.append(f"tiers? <exists>\nsize = {len(tiers)}\nitem []:\n")
    for number, (name, rows) in enumerate(tiers.items(), 1):
        lines.append(
            f'item [{number}]:\nclass = "IntervalTier"\nname = "{name}"\n{head}intervals: size = {len(rows)}\n'
        )
        for n, row in enumerate(rows, 1):
            label = row.text.replace('"', '""')
            lines.append(f'intervals [{n}]:\nxmin = {row.start:.6f}\nxmax = {row.end:.6f}\ntext = "{label}"\n')
    with atomic_write(path) as part:
        part.write_text("".join(lines), encoding="utf-8")
