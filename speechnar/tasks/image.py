"""Train a model that writes the tokens of an image of a class, such as MaskGIT or its autoregressive twin."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from speechnar.audio import AudioConfig
from speechnar.config import Choice, one_of
from speechnar.data.images import ImageTokens, load_images, shuffled_batches
from speechnar.infer.images import VQVAE_FOLDER, SamplingOptions, encode_images, generate
from speechnar.losses.mean import Mean, Means
from speechnar.models.folder import ModelConfig, ModelError, build, load_model, save_model
from speechnar.models.specs import configs_of
from speechnar.train.loop import LoopConfig, Phase, train
from speechnar.train.provenance import provenance_of, settings_of

SHOWN = 2
"""Images of each class that TensorBoard shows."""


@dataclasses.dataclass(frozen=True)
class ImageTraining:
    """A training config: an image model of `MODELS` under its own key, the loop, and images in a batch."""

    model: Choice = one_of(lambda: configs_of("image"))
    loop: LoopConfig = LoopConfig()
    batch_size: int = 64


class ImageTask:
    """The training of a model of image tokens, as the loop needs it.

    Args:
        vqvae_dir: the model folder whose model makes the tokens; it is copied into that of the new model.
    """

    def __init__(self, config: ImageTraining, vqvae_dir: Path, train_images: Path, dev_images: Path) -> None:
        self.training = config
        self.vqvae, self.vqvae_config = load_model(vqvae_dir)
        if self.vqvae_config.spec.task != "vqvae":
            raise ModelError(f"{vqvae_dir} holds {self.vqvae_config.model.name}: give a folder of `train vqvae`")
        self.data, self.dev = (encode_images(self.vqvae, load_images(path)) for path in (train_images, dev_images))
        sizes = self.vqvae_config.model.value
        n_classes = 1 + int(max(self.data.labels.max(), self.dev.labels.max()))
        model = dataclasses.replace(
            config.model.value, n_codes=sizes.n_codes, n_tokens=sizes.grid_size**2, n_classes=n_classes
        )
        self.config = ModelConfig(AudioConfig(), Choice(config.model.name, model))  # nothing reads the audio config
        self.model = build(self.config)
        self.modules: dict[str, nn.Module] = {"model": self.model}

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("image", ("model",), self.loss),)

    def batches(self, epoch: int) -> list[list[int]]:
        return shuffled_batches(len(self.data), self.training.batch_size, self.training.loop.seed, epoch)

    def load(self, items: Sequence[int]) -> ImageTokens:
        return ImageTokens(self.data.tokens[items], self.data.labels[items])

    def loss(self, batch: ImageTokens, step: int) -> dict[str, Tensor | Mean]:
        return self._terms(self.model, batch)

    def _terms(self, model: nn.Module, batch: ImageTokens) -> dict[str, Tensor | Mean]:
        """Return the loss terms of the model's spec."""
        terms: dict[str, Tensor | Mean] = {}
        for loss in self.config.spec.losses:
            terms |= loss(model, batch)
        return terms

    def validate(self, modules: dict[str, nn.Module], writer: SummaryWriter, step: int) -> dict[str, float]:
        """Return the loss terms of the dev set; show images of each class."""
        model = modules["model"].eval()
        device = next(model.parameters()).device
        means = Means()
        for tokens, labels in zip(self.dev.tokens.split(256), self.dev.labels.split(256)):
            means.add(self._terms(model, ImageTokens(tokens, labels).to(device)), len(labels))
        labels = torch.arange(self.config.model.value.n_classes).repeat(SHOWN)
        images = generate(model, self.config.spec, self.vqvae.to(device), labels, SamplingOptions())
        rows = images.unflatten(0, (SHOWN, -1)).permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
        writer.add_image("images of each class", rows[None], step)
        return means.values()

    def save(self, folder: Path, modules: dict[str, nn.Module]) -> None:
        save_model(folder, self.config, modules["model"])
        save_model(folder / VQVAE_FOLDER, self.vqvae_config, self.vqvae)


def train_image(config: ImageTraining, vqvae_dir: Path, train_images: Path, dev_images: Path, out: Path) -> None:
    """Train until the config's end, from the checkpoint in `out` if there is one; write a model folder there."""
    torch.manual_seed(config.loop.seed)
    provenance = provenance_of(
        {"training config": settings_of(config), "training images": train_images, "VQ-VAE": vqvae_dir}
    )
    train(ImageTask(config, vqvae_dir, train_images, dev_images), config.loop, out, provenance=provenance)
