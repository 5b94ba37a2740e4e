#!/usr/bin/env python3
"""Print one table of what was measured of a voice, of its vocoder's copy-synthesis and of the recordings.

python voice_table.py ALIGNED_CUTS EVALUATION_DIR
"""

import argparse
import json
from pathlib import Path

from speechnar.data.manifest import load_cuts
from speechnar.evaluate.stats.table import format_table
from speechnar.text.symbols import PAUSES, WORD_BREAK

SYSTEMS = ("recordings", "copies", "voice")
REPORTS = {"report": ("voice",), "mos": ("recordings", "copies"), "intrinsic": ("copies", "voice")}
LEAST = 1
"""Frames of the shortest duration, which an aligner gives to phones that are not in the audio."""


def squeezed(cuts: Path) -> float:
    """Return the share of phones that have one frame or none, in percent."""
    frames = [
        duration
        for cut in load_cuts(cuts)
        for phone, duration in zip(cut.supervisions[0].custom["phones"], cut.supervisions[0].custom["durations"])
        if phone not in (*PAUSES, WORD_BREAK)
    ]
    return 100 * sum(duration <= LEAST for duration in frames) / len(frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cuts", type=Path)
    parser.add_argument("evaluation", type=Path)
    args = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    for name, systems in REPORTS.items():
        report = json.loads((args.evaluation / f"{name}.json").read_text(encoding="utf-8"))
        for system, found in zip(systems, report["systems"]):
            for figure, interval in found["metrics"].items():
                figures.setdefault(figure, {})[system] = interval["value"]
    rows = [["figure", *SYSTEMS], ["alignment: phones of one frame, %", f"{squeezed(args.cuts):.1f}", "-", "-"]]
    for figure, of in figures.items():
        rows.append([figure, *("-" if of.get(name) is None else f"{of[name]:.3g}" for name in SYSTEMS)])
    table = format_table(rows)
    print(table)
    (args.evaluation / "table.txt").write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
