#!/usr/bin/env python3
"""Train a small classifier of images, the judge of the samples; print its accuracy on the dev set.

    python local/classifier.py TRAIN_NPZ DEV_NPZ OUT_FILE [--steps N]

It shares nothing with the models that it judges, and is not trained on what they make.
"""

import argparse
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from speechnar.data.images import load_images, shuffled_batches
from speechnar.files import atomic_write

BATCH = 128


class Classifier(nn.Module):
    """Convolutions, then a layer of 64 features, then the classes; images are (B, H, W) in [0, 1]."""

    def __init__(self, size: int, n_classes: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.3),
        )  # fmt: skip
        self.hidden = nn.Linear(32 * (size // 4) ** 2, 64)
        self.out = nn.Linear(64, n_classes)

    def features(self, images: Tensor) -> Tensor:
        """Return (B, 64) features."""
        return F.relu(self.hidden(self.convs(images[:, None])))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, n_classes)."""
        return self.out(self.features(images))


def load_classifier(path: Path, size: int) -> Classifier:
    """Return the classifier of a file, for images of `size` pixels each way, in evaluation mode."""
    weights = load_file(path)
    model = Classifier(size, len(weights["out.bias"]))
    model.load_state_dict(weights)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("dev", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    train, dev = load_images(args.train), load_images(args.dev)
    model = Classifier(train.images.shape[1], 1 + int(train.labels.max()))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    step = 0
    while step < args.steps:
        for items in shuffled_batches(len(train), BATCH, 1, step):
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * 0.5 * (1 + math.cos(math.pi * step / args.steps))
            optimizer.zero_grad()
            F.cross_entropy(model(train.images[items]), train.labels[items]).backward()
            optimizer.step()
            step += 1
            if step == args.steps:
                break
    model.eval()
    with torch.no_grad():
        right = torch.cat([model(x).argmax(1) for x in dev.images.split(500)]) == dev.labels
    print(f"classifier: {100 * float(right.float().mean()):.2f} % of {len(dev)} dev images right")
    with atomic_write(args.out) as part:
        save_file(model.state_dict(), part)


if __name__ == "__main__":
    main()
