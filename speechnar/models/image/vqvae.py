"""A VQ-VAE, which turns an image into a grid of tokens and tokens into an image.

    image (H, W) -> strided convolutions -> (H / s, W / s) vectors -> nearest codes -> transposed convolutions -> image

Source: van den Oord et al. 2017, "Neural Discrete Representation Learning", sections 3 and 4.1.
Differs: pixels are independent Bernoulli variables, which suits images that are nearly black and white; one residual
    block in place of two; the codebook as in `speechnar.layers.vector_quantizer`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.layers.vector_quantizer import Quantized, VectorQuantizer


@dataclass(frozen=True)
class VQVAEConfig:
    """Sizes of the VQ-VAE.

    Attributes:
        image_size: pixels in a row and in a column.
        halvings: convolutions of stride 2: a token stands for 2 ** halvings pixels each way.
        n_codes, d_code: number of codes, and their width.
        channels: of the convolutions beside the tokens; those beside the image have half as many.
        decay: of the codebook's moving average, per batch.
    """

    image_size: int = 28
    halvings: int = 2
    n_codes: int = 128
    d_code: int = 16
    channels: int = 64
    decay: float = 0.99

    def __post_init__(self) -> None:
        if self.halvings < 1 or self.image_size % 2**self.halvings:
            raise ValueError(
                f"image_size is {self.image_size} but should be a multiple of 2 ** halvings, with {self.halvings}"
                " halvings of 1 or more"
            )

    @property
    def grid_size(self) -> int:
        """Return the number of tokens in a row and in a column."""
        return self.image_size // 2**self.halvings


@dataclass(frozen=True)
class VQVAEOutput:
    """logits (B, H, W) of the pixels, and what was quantized."""

    logits: Tensor
    quantized: Quantized


class VQVAE(nn.Module):
    """`encode` and `decode` turn images into tokens (B, N), row by row, and back; `forward` does both."""

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        down: list[nn.Module] = [nn.Conv2d(1, width // 2, 4, 2, 1)]
        up: list[nn.Module] = [nn.ConvTranspose2d(width // 2, 1, 4, 2, 1)]
        for n in range(1, config.halvings):
            narrow = width // 2 if n == 1 else width
            down += [nn.GELU(), nn.Conv2d(narrow, width, 4, 2, 1)]
            up = [nn.ConvTranspose2d(width, narrow, 4, 2, 1), nn.GELU(), *up]
        inner = width if config.halvings > 1 else width // 2
        self.encoder = nn.Sequential(*down, Residual(inner), nn.Conv2d(inner, config.d_code, 1))
        self.quantizer = VectorQuantizer(config.n_codes, config.d_code, config.decay)
        self.decoder = nn.Sequential(nn.Conv2d(config.d_code, inner, 3, padding=1), Residual(inner), nn.GELU(), *up)

    def forward(self, images: Tensor) -> VQVAEOutput:
        """Encode and decode images (B, H, W) in [0, 1]."""
        quantized = self.quantizer(self._vectors(images))
        return VQVAEOutput(self._logits(quantized.vectors), quantized)

    def encode(self, images: Tensor) -> Tensor:
        """Return the tokens (B, N) of images (B, H, W) in [0, 1], N = grid_size ** 2."""
        return self.quantizer.nearest(self._vectors(images))

    def decode(self, tokens: Tensor) -> Tensor:
        """Return images (B, H, W) in [0, 1] of tokens (B, N)."""
        return self._logits(self.quantizer.codebook[tokens]).sigmoid()

    def _vectors(self, images: Tensor) -> Tensor:
        return self.encoder(images[:, None] * 2 - 1).flatten(2).transpose(1, 2)

    def _logits(self, vectors: Tensor) -> Tensor:
        size = self.config.grid_size
        return self.decoder(vectors.transpose(1, 2).unflatten(2, (size, size)))[:, 0].float()


class Residual(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.GELU(), nn.Conv2d(channels, channels, 3, padding=1), nn.GELU(), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convs(x)


def image_terms(model: VQVAE, images: Tensor) -> dict[str, Tensor]:
    """Return `pixels`, the cross-entropy of an image's pixels in nats a pixel, and `commitment`."""
    output = model(images)
    pixels = F.binary_cross_entropy_with_logits(output.logits, images)
    return {"pixels": pixels, "commitment": output.quantized.commitment}
