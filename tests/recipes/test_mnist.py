"""The code of the recipe mnist: idx files by hand, and the measures of images whose classes are known."""

from __future__ import annotations

import gzip
import importlib.util
import struct
import sys
from pathlib import Path
from types import ModuleType

import matplotlib.image
import numpy as np
import pytest
import torch

LOCAL = Path(__file__).parents[2] / "recipes" / "mnist" / "local"


def loaded(name: str, known_as: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(known_as, LOCAL / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[known_as] = module
    spec.loader.exec_module(module)
    return module


prepare = loaded("prepare", "mnist_prepare")
classifier = loaded("classifier", "classifier")  # as evaluate.py imports it
evaluate = loaded("evaluate", "mnist_evaluate")


def test_idx_files_are_read_packed_or_not(tmp_path: Path) -> None:
    content = struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 1, 3) + bytes([1, 2, 3, 4, 5, 255])
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(content))
    for name in ("plain", "packed"):
        assert prepare.read_idx(tmp_path, name).tolist() == [[[1, 2, 3]], [[4, 5, 255]]]


@pytest.mark.parametrize("change", [lambda x: x[:-1], lambda x: b"\0\0\x0d" + x[3:], lambda x: b"\x01" + x[1:]])
def test_what_is_no_idx_file_is_refused(change, tmp_path: Path) -> None:
    content = struct.pack(">BBBBI", 0, 0, 8, 1, 2) + b"ab"
    assert prepare.read_idx(written(tmp_path / "a", content), "a").tolist() == [97, 98]
    with pytest.raises(SystemExit, match="not a whole idx file"):
        prepare.read_idx(written(tmp_path / "a", change(content)), "a")
    with pytest.raises(SystemExit, match="has no b or b.gz"):
        prepare.read_idx(tmp_path, "b")


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path.parent


def test_accuracy_and_fid_of_images_whose_classes_are_known() -> None:
    torch.manual_seed(0)
    model = classifier.Classifier(8, 3).eval()
    images = torch.rand(40, 8, 8)
    with torch.no_grad():
        classes = model(images).argmax(1)
    judge = evaluate.Judge(model, images)
    labels = classes.clone()
    labels[:4] = (labels[:4] + 1) % 3
    found = judge.measure(images, labels)
    assert found["accuracy"] == pytest.approx(90) and found["fid"] == pytest.approx(0, abs=1e-6)
    assert found["interval"] == pytest.approx(100 * 1.96 * (0.9 * 0.1 / 40) ** 0.5)
    assert judge.measure(1 - images, labels)["fid"] > found["fid"]


def test_a_picture_has_its_images_side_by_side(tmp_path: Path) -> None:
    images = torch.zeros(6, 2, 2)
    images[4] = 1.0  # second row, second column of three
    evaluate.save_picture(tmp_path / "a.png", images, 3)
    shown = matplotlib.image.imread(tmp_path / "a.png")[:, :, 0]
    assert shown.shape == (8, 12)  # with margins
    assert np.argwhere(shown == 0).tolist() == [[5, 5], [5, 6], [6, 5], [6, 6]]
