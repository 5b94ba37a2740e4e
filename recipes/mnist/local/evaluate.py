#!/usr/bin/env python3
"""Draw images with MaskGIT and its twin, judge them by the classifier, and print the table; write a picture of them.

    python local/evaluate.py DATA_DIR EXP_DIR [--count N] [--guidance X] [--json FILE]

Accuracy is the share of images that the classifier gives the class that was asked for. FID is the Fréchet distance in
the classifier's features, of N drawn images from all test images; its floor is that of N training images. Times are CPU
time of one thread for 100 images, tokens to pixels included: all at once, and one after another.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import torch
from classifier import Classifier, load_classifier
from torch import Tensor

from speechnar.data.images import load_images
from speechnar.evaluate.quality.frechet import frechet_distance
from speechnar.files import atomic_write
from speechnar.infer.images import SamplingOptions, encode_images, generate, load_image_model

STEPS = (1, 2, 4, 6, 8, 12)
TIMED = 100
ONE_BY_ONE = 10
"""Images that are drawn one after another to measure the time of one."""
SHOWN = 8
"""Iterations of the images in the picture."""


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


def seconds(draw: Callable[[Tensor], Tensor], labels: Tensor) -> tuple[float, float]:
    """Return the CPU seconds of 100 images, drawn at once and one after another; the less of two measurements each."""
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
    """Write images (N, H, W), `columns` side by side in a row, as a PNG in which ink is black."""
    rows = images.unflatten(0, (-1, columns)).permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
    with atomic_write(path) as part:
        matplotlib.image.imsave(part, 1 - rows.numpy(), cmap="gray", vmin=0, vmax=1, format="png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("exp", type=Path)
    parser.add_argument("--count", type=int, default=2000, help="images of each system (2000)")
    parser.add_argument("--guidance", type=float, default=1.0, help="of the guided systems (1)")
    parser.add_argument("--json", type=Path, help="write the table there too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    train, test = (load_images(args.data / f"{name}.npz") for name in ("train", "test"))
    n_classes = 1 + int(train.labels.max())
    judge = Judge(load_classifier(args.exp / "classifier.safetensors", test.images.shape[1]), test.images)
    count = args.count - args.count % n_classes
    labels, timed = torch.arange(n_classes).repeat(count // n_classes), torch.arange(TIMED) % n_classes

    maskgit, twin = (load_image_model(args.exp / name) for name in ("maskgit", "image_transformer"))
    vqvae = maskgit[2]
    rows: list[tuple[str, dict[str, float]]] = []
    real = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[: len(labels)]
    rows.append(("training images", judge.measure(train.images[real], train.labels[real])))
    with torch.no_grad():
        tokens = encode_images(vqvae, test)
        again = torch.cat([vqvae.decode(part) for part in tokens.tokens.split(500)])
    kept = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[: len(labels)]
    rows.append(("test images, from their tokens", judge.measure(again[kept], test.labels[kept])))

    systems = [("raster-order twin", twin, SamplingOptions(guidance=x)) for x in (0.0, args.guidance)]
    for schedule in ("cosine", "linear"):
        systems += [(f"MaskGIT, {n} x {schedule}", maskgit, SamplingOptions(n, schedule)) for n in STEPS]
    systems += [(f"MaskGIT, {n} x cosine", maskgit, SamplingOptions(n, guidance=args.guidance)) for n in STEPS]
    for name, (model, spec, _), options in systems:

        def draw(labels: Tensor) -> Tensor:
            return generate(model, spec, vqvae, labels, options)

        images = torch.cat([draw_part(draw, part, number) for number, part in enumerate(labels.split(TIMED))])
        ...


if __name__ == "__main__":
    main()
