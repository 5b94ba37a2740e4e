"""Read images with their classes from a file `.npz`, and batch them.

The file holds `images` (N, H, W) uint8, from 0, black, to 255, and `labels` (N,) of whole numbers from 0. It is
read without pickle.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from speechnar.data.batch import Batch
from speechnar.data.manifest import DataError
from speechnar.files import atomic_write


@dataclass(frozen=True)
class ImageBatch(Batch):
    """Images (B, H, W) float32 in [0, 1] and their classes, labels (B,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageTokens(Batch):
    """Tokens (B, N) int64 of images, row by row, and their classes, labels (B,) int64."""

    tokens: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def token_lengths(self) -> Tensor:
        """Return N for each image, (B,): there is no padding."""
        return torch.full_like(self.labels, self.tokens.shape[1])


def load_images(path: Path) -> ImageBatch:
    """Read all images of a file.

    Raises:
        DataError: there is no such file, it holds something else, or it holds no image.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except FileNotFoundError:
        raise DataError(f"there is no file of images at {path}") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile):
        raise DataError(f"{path} is not a .npz file with the arrays images and labels") from None
    if images.ndim != 3 or images.dtype != np.uint8 or not len(images):
        raise DataError(f"{path}: images are {images.dtype} {images.shape} but should be uint8 (N, H, W), N at least 1")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise DataError(f"{path}: labels are {labels.dtype} {labels.shape} but should be one number from 0 an image")
    return ImageBatch(torch.from_numpy(images).float() / 255, torch.from_numpy(labels.astype(np.int64)))


def save_images(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write images (N, H, W) uint8 and labels (N,), as `load_images` reads them."""
    with atomic_write(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, images=images, labels=labels)


def shuffled_batches(count: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the numbers 0 to `count` - 1 in batches, in an order that depends on the seed and the epoch alone."""
    if batch_size < 1:
        raise DataError(f"batch_size is {batch_size} but should be 1 or more")
    order: Sequence[int] = np.random.default_rng((seed, epoch)).permutation(count).tolist()
    return [list(order[start : start + batch_size]) for start in range(0, count, batch_size)]
