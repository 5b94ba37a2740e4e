"""Train a model that turns images into tokens and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from speechnar.audio import AudioConfig
from speechnar.config import Choice, one_of
from speechnar.data.images import ImageBatch, load_images, shuffled_batches
from speechnar.data.manifest import DataError
from speechnar.losses.mean import Mean, Means
from speechnar.models.folder import ModelConfig, build, save_model
from speechnar.models.specs import configs_of
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import provenance_of, settings_of

SHOWN = 8
"""Dev images that TensorBoard shows, above what the model makes of their tokens."""


@dataclasses.dataclass(frozen=True)
class VQVAETraining:
    """A training config: the model under its own key, the loop, images in a batch, and weights of the loss terms."""

    model: Choice = one_of(lambda: configs_of("vqvae"), default="vqvae")
    loop: LoopConfig = LoopConfig()
    batch_size: int = 64
    weights: dict[str, float] = dataclasses.field(default_factory=lambda: {"commitment": 0.25})


class VQVAETask:
    """The training of a VQ-VAE, as the loop needs it."""

    def __init__(self, config: VQVAETraining, train_images: Path, dev_images: Path) -> None:
        self.training = config
        self.data, self.dev = load_images(train_images), load_images(dev_images)
        self.config = ModelConfig(AudioConfig(), config.model)  # nothing reads the audio config
        size = config.model.value.image_size
        for path, data in ((train_images, self.data), (dev_images, self.dev)):
            if data.images.shape[1:] != (size, size):
                height, width = data.images.shape[1:]
                raise DataError(f"{path} holds images of {height} x {width} pixels: image_size is {size}")
        self.model = build(self.config)
        self.modules: dict[str, nn.Module] = {"model": self.model}

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("vqvae", ("model",), self.loss, self.training.weights),)

    def batches(self, epoch: int) -> list[list[int]]:
        return shuffled_batches(len(self.data), self.training.batch_size, self.training.loop.seed, epoch)

    def load(self, items: Sequence[int]) -> ImageBatch:
        return ImageBatch(self.data.images[items], self.data.labels[items])

    def loss(self, batch: ImageBatch, step: int) -> dict[str, Tensor | Mean]:
        return self._terms(self.model, batch.images)

    def _terms(self, model: nn.Module, images: Tensor) -> dict[str, Tensor | Mean]:
        """Return the loss terms of the model's spec."""
        terms: dict[str, Tensor | Mean] = {}
        for loss in self.config.spec.losses:
            terms |= loss(model, images)
        return terms

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the loss terms of the dev set and the number of codes that its tokens use; show a few images."""
        model = modules["model"].eval()
        device = next(model.parameters()).device
        means, used = Means(), set()
        for images in self.dev.images.to(device).split(256):
            means.add(self._terms(model, images), len(images))
            used |= set(model.encode(images).unique().tolist())  # type: ignore[operator]
        shown = self.dev.images[:SHOWN].to(device)
        again = model.decode(model.encode(shown))  # type: ignore[operator]
        writer.add_image("images, and from their tokens", torch.stack([shown, again]).permute(0, 2, 1, 3).flatten(2)
                         .flatten(0, 1)[None], step)  # fmt: skip
        return means.values() | {"codes": float(len(used))}

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        save_model(folder, self.config, modules["model"])


def train_vqvae(config: VQVAETraining, train_images: Path, dev_images: Path, out: Path) -> None:
    """Train until the config's end, from the checkpoint in `out` if there is one; write a model folder there."""
    torch.manual_seed(config.loop.seed)
    provenance = provenance_of({"training config": settings_of(config), "training images": train_images})
    train(VQVAETask(config, train_images, dev_images), config.loop, out, provenance=provenance)
