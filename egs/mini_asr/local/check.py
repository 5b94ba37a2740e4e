#!/usr/bin/env python3
"""Check the word error rates against the expected figures; exit with 1 where one is missed.

python local/check.py WER_JSON
"""

import argparse
import json
from pathlib import Path

EXPECTED = {"ctc": 0.5, "mask_ctc": 0.5}  # README.md has what they were


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    report = json.loads(parser.parse_args().report.read_text(encoding="utf-8"))
    rates = {system["total"]["name"]: system["rate"]["value"] for system in report["reports"][0]["systems"]}
    missed = 0
    for name, highest in EXPECTED.items():
        good = rates[name] <= highest
        missed += not good
        print(f"{'ok    ' if good else 'MISSED'} WER by {name}: {rates[name]:.1%}, expected {highest:.0%} or less")
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
