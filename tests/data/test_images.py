"""Files of images: round trips, and what is refused; batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from speechnar.data.images import load_images, save_images, shuffled_batches
from speechnar.data.manifest import DataError


def test_round_trip(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5), np.uint8)
    save_images(tmp_path / "a.npz", images, np.array([2, 0, 1], np.uint8))
    read = load_images(tmp_path / "a.npz")
    assert torch.equal((read.images * 255).round().to(torch.uint8), torch.from_numpy(images))
    assert read.labels.tolist() == [2, 0, 1] and read.labels.dtype == torch.int64 and read.images.max() <= 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((2, 3, 3), np.uint8)}, "not a .npz file with the arrays"),
        ({"images": np.zeros((2, 3, 3)), "labels": np.zeros(2, np.int64)}, "images are float64"),
        ({"images": np.zeros((2, 3), np.uint8), "labels": np.zeros(2, np.int64)}, r"uint8 \(2, 3\)"),
        ({"images": np.zeros((0, 3, 3), np.uint8), "labels": np.zeros(0, np.int64)}, "N at least 1"),
        ({"images": np.zeros((2, 3, 3), np.uint8), "labels": np.zeros(3, np.int64)}, r"labels are int64 \(3,\)"),
        ({"images": np.zeros((2, 3, 3), np.uint8), "labels": np.array([0, -1])}, "one number from 0"),
        ({"images": np.zeros((2, 3, 3), np.uint8), "labels": np.array([{}, 1], object)}, "not a .npz file"),
    ],
)
def test_other_arrays_are_refused(arrays: dict, message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_images(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="is not a .npz file"):
        load_images(tmp_path / "a.npz")
    with pytest.raises(DataError, match="there is no file of images at"):
        load_images(tmp_path / "b.npz")


def test_an_array_alone_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(DataError, match="is not a .npz file"):
        load_images(tmp_path / "a.npy")


def test_batches_hold_every_image_once_in_an_order_of_the_epoch() -> None:
    batches = shuffled_batches(10, 4, 0, 1)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(sum(batches, [])) == list(range(10)) != sum(batches, [])
    assert batches == shuffled_batches(10, 4, 0, 1) != shuffled_batches(10, 4, 0, 2)
    with pytest.raises(DataError, match="batch_size is 0"):
        shuffled_batches(10, 0, 0, 0)
