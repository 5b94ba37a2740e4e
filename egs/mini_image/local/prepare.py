#!/usr/bin/env python3
"""Make train.npz and test.npz of scikit-learn's digits, 1,797 images of 8 x 8 pixels.

python local/prepare.py DATA_DIR
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from speechnar.data.images import save_images

TEST = 397


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    digits = load_digits()
    images = np.round(digits.images * 255 / 16).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(images))
    for name, chosen in (("test", order[:TEST]), ("train", order[TEST:])):
        save_images(data / f"{name}.npz", images[chosen], digits.target[chosen])


if __name__ == "__main__":
    main()
