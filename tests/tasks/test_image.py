"""Images through the real loop, from the command line: bars that lie and stand are learned, tokens and all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from speechnar import config
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.data.images import load_images, save_images
from speechnar.data.manifest import DataError
from speechnar.infer.images import SamplingOptions, generate, load_image_model
from speechnar.layers.class_transformer import ClassTransformerConfig
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.models.folder import ModelError, load_model
from speechnar.models.image.vqvae import VQVAEConfig
from speechnar.tasks.image import ImageTask, ImageTraining
from speechnar.tasks.vqvae import VQVAETask, VQVAETraining
from speechnar.train.loop import LoopConfig

LOOP = LoopConfig(
    max_steps=400, learning_rate=0.01, warmup_steps=5, precision="no", ema_decay=0.8, validate_every=400, log_every=50
)
SIZES = ClassTransformerConfig(blocks=DecoderConfig(16, 2, 1, 16, 0.0))
VQVAE = VQVAETraining(Choice("vqvae", VQVAEConfig(8, 2, 8, 4, 8)), LOOP, batch_size=8)


def bars() -> tuple[np.ndarray, np.ndarray]:
    """Images of 8 x 8 with one bar, 4 pixels wide, at either side: lying (class 0) and standing (class 1)."""
    images = np.zeros((4, 8, 8), np.uint8)
    for n, at in enumerate((0, 4)):
        images[n, at : at + 4] = 255
        images[2 + n, :, at : at + 4] = 255
    return images, np.array([0, 0, 1, 1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bars.npz`, and the models `vqvae`, `maskgit` and `image_transformer` that the command line trains on it."""
    folder = tmp_path_factory.mktemp("bars")
    save_images(folder / "bars.npz", *bars())
    data = ["--train", str(folder / "bars.npz"), "--dev", str(folder / "bars.npz")]
    config.save(VQVAE, folder / "vqvae.yaml")
    assert main(["train", "vqvae", str(folder / "vqvae.yaml"), *data, "--out", str(folder / "vqvae")]) == 0
    for name in ("maskgit", "image_transformer"):
        config.save(ImageTraining(Choice(name, SIZES), LOOP, batch_size=8), folder / f"{name}.yaml")
        verb = ["train", "image", str(folder / f"{name}.yaml"), "--vqvae", str(folder / "vqvae"), *data]
        assert main([*verb, "--out", str(folder / name)]) == 0
    return folder


def test_the_tokens_keep_the_image(folder: Path) -> None:
    model, _ = load_model(folder / "vqvae")
    images = load_images(folder / "bars.npz").images
    with torch.no_grad():
        again = model.decode(model.encode(images))
    assert (again - images).abs().max() < 0.3


@pytest.mark.parametrize("name", ["maskgit", "image_transformer"])
@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_drawn_images_are_those_of_their_class(folder: Path, name: str, guidance: float) -> None:
    model, spec, vqvae = load_image_model(folder / name)
    known, labels = load_images(folder / "bars.npz").images, torch.tensor([0, 1] * 20)
    options = SamplingOptions(4, temperature=0.4, guidance=guidance)
    images = generate(model, spec, vqvae, labels, options)
    nearest = (images[:, None] - known).abs().mean((2, 3)).argmin(1)
    assert (nearest // 2 == labels).float().mean() > 0.85
    assert {0, 1, 2, 3} == set(nearest.tolist())  # both images of a class
    assert torch.equal(images, generate(model, spec, vqvae, labels, options))


def test_bad_input_is_one_sentence(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folder / "bars.npz"
    with pytest.raises(DataError, match="8 x 8 pixels: image_size is 28"):
        VQVAETask(dataclasses.replace(VQVAE, model=Choice("vqvae", VQVAEConfig())), data, data)
    with pytest.raises(ModelError, match="holds maskgit: give a folder of `train vqvae`"):
        ImageTask(ImageTraining(Choice("maskgit", SIZES)), folder / "maskgit", data, data)
    verb = ["train", "vqvae", str(folder / "vqvae.yaml"), "--train", str(data), "--dev", str(tmp_path / "no.npz")]
    assert main([*verb, "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"speechnar: there is no file of images at {tmp_path / 'no.npz'}\n"
    with pytest.raises(ValueError, match="guidance is -1"):
        SamplingOptions(guidance=-1)
