#!/usr/bin/env python3
"""Check the results of the run against the expected figures; exit with 1 where one is missed.

python local/check.py IMAGES_JSON
"""

import argparse
import json
from pathlib import Path

ACCURACY = {  # lower bounds, %; README.md has what was measured
    "test images, from their tokens": 85.0,
    "MaskGIT, 8 x cosine": 85.0,
    "MaskGIT, 8 x cosine, guidance 1": 90.0,
    "raster-order twin": 80.0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    found = json.loads(parser.parse_args().images.read_text(encoding="utf-8"))
    figures = [(name, found[name]["accuracy"], bound) for name, bound in ACCURACY.items()]
    # Eight steps are nearer to the real images than one, in which tokens do not know of each other.
    one, eight = (found[f"MaskGIT, {n} x cosine"]["accuracy"] for n in (1, 8))
    figures.append(("MaskGIT, accuracy of 8 steps above that of 1", eight - one, 5.0))
    missed = 0
    for name, value, bound in figures:
        good = value > bound
        missed += not good
        print(f"{'ok    ' if good else 'MISSED'} {name}: {value:.1f}, expected above {bound}")
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
