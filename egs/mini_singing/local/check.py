#!/usr/bin/env python3
"""Check the results of the run against the expected figures; exit with 1 where one is missed.

python local/check.py EXP_DIR
"""

import argparse
import json
import math
from pathlib import Path

FIGURES = {  # upper bounds; README.md has what was measured
    "F0 error against notes, median, cents": 15.0,
    "vowel onset, 95th percentile of the absolute error, ms": 60.0,
    "WER, %": 50.0,
}
MEL = 0.75  # mean absolute error of ln magnitude on the songs held out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exp", type=Path)
    exp = parser.parse_args().exp
    lines = map(json.loads, (exp / "acoustic" / "log.jsonl").read_text(encoding="utf-8").splitlines())
    mel = [line["validation/mel"] for line in lines if "validation/mel" in line][-1]
    found = json.loads((exp / "tune" / "report.json").read_text(encoding="utf-8"))["systems"][0]["metrics"]
    figures = [("mel loss on dev", mel, MEL), *((name, found[name]["value"], bound) for name, bound in FIGURES.items())]
    missed = 0
    for name, value, bound in figures:
        good = value is not None and math.isfinite(value) and value < bound
        missed += not good
        print(f"{'ok    ' if good else 'MISSED'} {name}: {value:.3f}, expected below {bound}")
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
