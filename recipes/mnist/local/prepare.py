#!/usr/bin/env python3
"""Make train.npz, dev.npz and test.npz of MNIST's idx files; dev is the last 5,000 images of the training files.

python local/prepare.py CORPUS_DIR DATA_DIR
"""

import argparse
import gzip
from pathlib import Path

import numpy as np

from speechnar.data.images import save_images

DEV = 5000
BYTES = 0x08
"""Code of unsigned bytes in the header of an idx file."""


def read_idx(folder: Path, name: str) -> np.ndarray:
    """Return the array of an idx file, which may be packed by gzip."""
    path = folder / name
    if not path.exists():
        path = folder / f"{name}.gz"
    if not path.exists():
        raise SystemExit(f"{folder} has no {name} or {name}.gz: give the folder of MNIST's four files as --corpus")
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    kind, n_dimensions = content[2], content[3]
    shape = np.frombuffer(content, ">u4", n_dimensions, 4)
    start = 4 + 4 * n_dimensions
    if content[:2] != b"\0\0" or kind != BYTES or len(content) - start != shape.prod():
        raise SystemExit(f"{path} is not a whole idx file of bytes: download it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("data", type=Path)
    args = parser.parse_args()
    images, labels = (read_idx(args.corpus, f"train-{kind}") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"))
    save_images(args.data / "train.npz", images[:-DEV], labels[:-DEV])
    save_images(args.data / "dev.npz", images[-DEV:], labels[-DEV:])
    save_images(
        args.data / "test.npz",
        read_idx(args.corpus, "t10k-images-idx3-ubyte"),
        read_idx(args.corpus, "t10k-labels-idx1-ubyte"),
    )


if __name__ == "__main__":
    main()
