"""Make images of classes with a trained model, and tokens of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from speechnar.data.images import ImageBatch, ImageTokens
from speechnar.decode.interface import Decoder, DecoderInput, refine
from speechnar.decode.maskgit import MaskGITDecoder
from speechnar.decode.result import DecodeError
from speechnar.decode.sampling import SamplingDecoder
from speechnar.models.folder import load_model
from speechnar.models.specs import ModelSpec

VQVAE_FOLDER = "vqvae"
"""The folder, in that of an image model, of the model that makes images of its tokens."""

AT_ONCE = 256
"""Images that are encoded together."""


@dataclass(frozen=True)
class SamplingOptions:
    """Options of drawing images.

    Attributes:
        iterations, schedule, noise: of MaskGIT; see `speechnar.decode.maskgit`.
        temperature: of the tokens; below 1 images are more typical and less varied.
        guidance: how far predictions are moved away from those without a class; 0 reads the model once and not twice.
        seed: of the draws.
    """

    iterations: int = 8
    schedule: str = "cosine"
    temperature: float = 1.0
    noise: float = 4.5
    guidance: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.guidance < 0:
            raise DecodeError(f"guidance is {self.guidance} but should be 0 or more")


class Guided:
    """The labels that a model is given, and the mixture of what it predicts with them and without.

    Source: Ho and Salimans 2022, "Classifier-Free Diffusion Guidance", equation 6, on the logits of tokens as in Muse
        (Chang et al. 2023), section 2.7.
    """

    def __init__(self, labels: Tensor, no_class: int, guidance: float) -> None:
        self.guidance = guidance
        self.copies = 2 if guidance else 1
        self.labels = torch.cat([labels, torch.full_like(labels, no_class)]) if guidance else labels

    def tokens(self, tokens: np.ndarray) -> Tensor:
        """Return tokens (B, N) for each of the labels."""
        return torch.from_numpy(tokens).to(self.labels.device).repeat(self.copies, 1)

    def log_probs(self, logits: Tensor) -> np.ndarray:
        """Return natural log-probabilities (B, ..., V) of logits for each of the labels."""
        if self.guidance:
            known, unknown = logits.chunk(2)
            logits = known + self.guidance * (known - unknown)
        array: np.ndarray = logits.log_softmax(-1).cpu().numpy()
        return array


class GridReader:
    """A masked reader, with `predict` alone, of a model that is called as `MaskGIT`."""

    def __init__(self, model: Any, guided: Guided) -> None:
        self._model, self._guided = model, guided

    def predict(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        return self._guided.log_probs(self._model(self._guided.labels, self._guided.tokens(tokens)))


class RasterReader:
    """A `CausalReader` of a model with `extend` as in `ImageTransformer`; it reads every row's class first."""

    def __init__(self, model: Any, guided: Guided) -> None:
        self._model, self._guided = model, guided

    def predict(self, tokens: np.ndarray, past: Any, rows: np.ndarray) -> tuple[np.ndarray, Any]:
        logits, present = self._model.extend(self._guided.labels, self._guided.tokens(tokens[:, None]), past)
        return self._guided.log_probs(logits), present


def _maskgit(model: Any, options: SamplingOptions) -> MaskGITDecoder:
    return MaskGITDecoder(
        model.mask_id, options.iterations, options.schedule, options.temperature, options.noise, options.seed
    )


def _sampling(model: Any, options: SamplingOptions) -> SamplingDecoder:
    return SamplingDecoder(model.config.n_tokens, options.temperature, options.seed)


METHODS: dict[str, tuple[Callable[[Any, SamplingOptions], Decoder[Any]], type]] = {
    "maskgit": (_maskgit, GridReader),
    "sampling": (_sampling, RasterReader),
}
"""The decoder and the reader of each method that the spec of an image model can name."""


@torch.no_grad()
def generate_tokens(model: Any, spec: ModelSpec, labels: Tensor, options: SamplingOptions) -> Tensor:
    """Return tokens (B, N) of an image of each of the labels (B,), by the method that the model's spec names."""
    make, reader = METHODS[spec.decoders[0]]
    device = next(model.parameters()).device
    guided = Guided(labels.to(device), model.transformer.no_class, options.guidance)
    lengths = np.full(len(labels), model.config.n_tokens)
    none = np.zeros((len(labels), 0, 0), np.float32)
    state = refine(make(model, options), DecoderInput(none, lengths, reader(model, guided)))
    return torch.from_numpy(state.tokens).to(device)


@torch.no_grad()
def generate(model: Any, spec: ModelSpec, vqvae: Any, labels: Tensor, options: SamplingOptions) -> Tensor:
    """Return images (B, H, W) in [0, 1] of the labels (B,)."""
    images: Tensor = vqvae.decode(generate_tokens(model, spec, labels, options))
    return images


@torch.no_grad()
def encode_images(vqvae: Any, data: ImageBatch) -> ImageTokens:
    """Return the tokens of images."""
    tokens = [vqvae.encode(images) for images in data.images.split(AT_ONCE)]
    return ImageTokens(torch.cat(tokens), data.labels)


def load_image_model(folder: Path) -> tuple[Any, ModelSpec, Any]:
    """Return a model of a folder of `train image`, its spec, and the model that makes images of its tokens."""
    model, config = load_model(folder)
    return model, config.spec, load_model(folder / VQVAE_FOLDER)[0]
