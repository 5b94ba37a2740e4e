#!/usr/bin/env python3
"""Draw images with MaskGIT and its twin, judge them by the classifier, and print the table; write a picture of them.

    python local/evaluate.py DATA_DIR EXP_DIR [--count N] [--guidance X]

The table goes to EXP_DIR/images.json too, the picture to EXP_DIR/images.png. Accuracy is the share of images that the
classifier gives the class that was asked for. FID is the Fréchet distance in the classifier's features, of N drawn
images from all test images; its floor is that of N training images. Times are CPU time of one thread for 100 images,
tokens to pixels included: all at once, and one after another.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import matplotlib.image
import numpy as np
import torch
import torch.nn.functional as F
from classifier import Classifier, load_classifier
from torch import Tensor

from speechnar.data.images import load_images
from speechnar.evaluate.quality.frechet import frechet_distance
from speechnar.files import atomic_write
from speechnar.infer.images import SamplingOptions, encode_images, generate, load_image_model

STEPS = (1, 2, 4, 8, 12)
GUIDED_STEPS = (4, 8, 12)
AT_ONCE = 100
ONE_BY_ONE = 10
"""Images that are drawn one after another to measure the time of one."""
PICTURED = 10
"""Images of each class in the picture."""


class Judge:
    """The classifier and the features of the test images."""

    def __init__(self, classifier: Classifier, test: Tensor) -> None:
        self.classifier = classifier
        self.features = self.run(test)[0]

    @torch.no_grad()
    def run(self, images: Tensor) -> tuple[np.ndarray, Tensor]:
        """Return the features and the classes of images."""
        features = torch.cat([self.classifier.features(part) for part in images.split(500)])
        return features.numpy(), self.classifier.out(features).argmax(1)

    def measure(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """Return accuracy, the half-width of its 95 % interval, both in %, and FID."""
        features, classes = self.run(images)
        right = float((classes == labels).float().mean())
        spread = 1.96 * (right * (1 - right) / len(labels)) ** 0.5
        fid = frechet_distance(features, self.features)
        return {"accuracy": 100 * right, "interval": 100 * spread, "fid": fid}


@dataclass(frozen=True)
class System:
    """A model, its folder, and how it draws."""

    name: str
    folder: str
    options: SamplingOptions


def systems(guidance: float) -> list[System]:
    """Return the rows of the table in its order."""
    found = [
        System("raster-order twin", "image_transformer", SamplingOptions()),
        System(f"raster-order twin, guidance {guidance:g}", "image_transformer", SamplingOptions(guidance=guidance)),
    ]
    for schedule in ("cosine", "linear"):
        found += [System(f"MaskGIT, {n} x {schedule}", "maskgit", SamplingOptions(n, schedule)) for n in STEPS]
    found += [
        System(f"MaskGIT, {n} x cosine, guidance {guidance:g}", "maskgit", SamplingOptions(n, guidance=guidance))
        for n in GUIDED_STEPS
    ]
    return found


def seconds(draw: Callable[[Tensor], Tensor], labels: Tensor) -> tuple[float, float]:
    """Return the CPU seconds of 100 images, at once and one after another; the less of two measurements each."""
    at_once, single = [], []
    for _ in range(2):
        start = time.process_time()
        draw(labels)
        middle = time.process_time()
        for label in labels[:ONE_BY_ONE]:
            draw(label[None])
        at_once.append(middle - start)
        single.append((time.process_time() - middle) * len(labels) / ONE_BY_ONE)
    return min(at_once), min(single)


def save_picture(path: Path, images: Tensor, columns: int) -> None:
    """Write images (N, H, W) as a PNG: `columns` in a row, a margin of a pixel around each, ink black."""
    rows = F.pad(images, (1, 1, 1, 1)).unflatten(0, (-1, columns)).permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
    with atomic_write(path) as part:
        matplotlib.image.imsave(part, 1 - rows.numpy(), cmap="gray", vmin=0, vmax=1, format="png")


def cells(measured: dict[str, float]) -> str:
    """Return a row of the table."""
    written = [f"{measured['accuracy']:.1f} ± {measured['interval']:.1f} %", f"{measured['fid']:.2f}"]
    written += [f"{measured[name]:.2f}" if name in measured else "" for name in ("at_once", "one_by_one")]
    return " | ".join(written)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("exp", type=Path)
    parser.add_argument("--count", type=int, default=2000, help="images of each system (2000)")
    parser.add_argument("--guidance", type=float, default=1.0, help="of the guided systems (1)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    train, test = (load_images(args.data / f"{name}.npz") for name in ("train", "test"))
    judge = Judge(load_classifier(args.exp / "classifier.safetensors", test.images.shape[1]), test.images)
    n_classes = 1 + int(train.labels.max())
    labels = torch.arange(args.count) % n_classes
    folders = ("maskgit", "image_transformer")
    trained = [name for name in folders if (args.exp / name / "model.safetensors").exists()]
    if "maskgit" not in trained:
        parser.error(f"{args.exp} holds no trained MaskGIT: run the stages before")
    models = {name: load_image_model(args.exp / name) for name in trained}
    vqvae = models["maskgit"][2]

    order = torch.Generator().manual_seed(0)
    of_train, of_test = (torch.randperm(len(data), generator=order)[: args.count] for data in (train, test))
    with torch.no_grad():
        again = vqvae.decode(encode_images(vqvae, test).tokens[of_test])
    table = {
        "training images": judge.measure(train.images[of_train], train.labels[of_train]),
        "test images, from their tokens": judge.measure(again, test.labels[of_test]),
    }
    for system in systems(args.guidance):
        if system.folder not in models:
            continue
        model, spec, _ = models[system.folder]
        parts = [
            generate(model, spec, vqvae, part, replace(system.options, seed=number))
            for number, part in enumerate(labels.split(AT_ONCE))
        ]
        draw = partial(generate, model, spec, vqvae, options=system.options)
        at_once, one_by_one = seconds(draw, labels[:AT_ONCE])
        table[system.name] = judge.measure(torch.cat(parts), labels)
        table[system.name] |= {"at_once": at_once, "one_by_one": one_by_one}

    print("| images | accuracy | FID | s for 100, at once | s for 100, one after another |")
    print("| --- | --- | --- | --- | --- |")
    for name, measured in table.items():
        print(f"| {name} | {cells(measured)} |")
    with atomic_write(args.exp / "images.json") as part:
        part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    model, spec, _ = models["maskgit"]
    pictured = torch.arange(n_classes).repeat(PICTURED)
    save_picture(args.exp / "images.png", generate(model, spec, vqvae, pictured, SamplingOptions()), n_classes)


if __name__ == "__main__":
    main()
