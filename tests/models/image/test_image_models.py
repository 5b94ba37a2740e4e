"""VQ-VAE, MaskGIT and the twin: shapes, gradients, what each token may see, and classes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from speechnar.data.images import ImageTokens
from speechnar.layers.class_transformer import ClassTransformerConfig
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.models.autoregressive.image_transformer import ImageTransformer, raster_terms
from speechnar.models.image.maskgit import MaskGIT, masked_image_terms
from speechnar.models.image.vqvae import VQVAE, VQVAEConfig, image_terms

CONFIG = ClassTransformerConfig(6, 4, 3, DecoderConfig(8, 2, 2, 8, 0.0), 0.0)
TOKENS = torch.tensor([[0, 5, 2, 1], [3, 3, 4, 0]])
LABELS = torch.tensor([2, 0])


def made(kind: type[nn.Module], config: ClassTransformerConfig = CONFIG) -> nn.Module:
    torch.manual_seed(0)
    return kind(config).eval()


@pytest.mark.parametrize("halvings, tokens", [(1, 16), (2, 4), (3, 1)])
def test_an_image_becomes_tokens_and_an_image_again(halvings: int, tokens: int) -> None:
    torch.manual_seed(0)
    model = VQVAE(VQVAEConfig(8, halvings, 5, 3, 4)).eval()
    images = torch.rand(2, 8, 8)
    codes = model.encode(images)
    assert codes.shape == (2, tokens) and codes.max() < 5
    again = model.decode(codes)
    assert again.shape == (2, 8, 8) and 0 <= again.min() and again.max() <= 1
    torch.testing.assert_close(model(images).logits.sigmoid(), again)
    torch.testing.assert_close(model.encode(images[1:]), codes[1:])


def test_tokens_stand_row_by_row() -> None:
    torch.manual_seed(0)
    model = VQVAE(VQVAEConfig(32, 2, 5, 3, 4)).eval()  # 8 x 8 tokens
    tokens = torch.zeros(1, 64, dtype=torch.int64)
    changed = tokens.clone()
    changed[0, 7] = 1  # the last token of the first row
    difference = (model.decode(tokens) - model.decode(changed))[0].abs()
    assert difference[:4, 28:].max() > 0 and difference[16:].max() == difference[:, :16].max() == 0


def test_an_image_of_another_size_than_the_halvings_allow_is_refused() -> None:
    with pytest.raises(ValueError, match="image_size is 28 but should be a multiple of 2 .* with 3 halvings"):
        VQVAEConfig(28, 3)


def test_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    batch = ImageTokens(TOKENS, LABELS)
    losses = [
        (VQVAE(VQVAEConfig(8, 2, 5, 3, 4)), lambda model: image_terms(model, torch.rand(2, 8, 8))["pixels"]),
        (made(MaskGIT), lambda model: sum(masked_image_terms(model, batch)["masked"].value for _ in range(20))),
        (made(ImageTransformer), lambda model: raster_terms(model, batch)["raster"]),
    ]
    for model, loss in losses:
        loss(model).backward()
        still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert still == [], type(model).__name__


def test_maskgit_sees_every_token_and_the_twin_those_before() -> None:
    maskgit, twin = made(MaskGIT), made(ImageTransformer)
    for place in range(4):
        changed = TOKENS.clone()
        changed[:, place] = (changed[:, place] + 1) % 6
        moved = (maskgit(LABELS, TOKENS) - maskgit(LABELS, changed)).abs().amax(2)
        assert (moved > 1e-6).all()
        moved = (twin(LABELS, TOKENS) - twin(LABELS, changed)).abs().amax(2)
        assert (moved[:, : place + 1] == 0).all() and (moved[:, place + 1 :] > 1e-6).all()


@pytest.mark.parametrize("kind", [MaskGIT, ImageTransformer])
def test_the_class_counts_and_other_images_do_not(kind: type[nn.Module]) -> None:
    model = made(kind)
    logits = model(LABELS, TOKENS)
    assert ((model(torch.tensor([1, 0]), TOKENS) - logits)[0].abs().amax(1) > 1e-6).all()
    torch.testing.assert_close(model(LABELS[1:], TOKENS[1:]), logits[1:])


def test_the_twin_step_by_step_is_the_twin_at_once() -> None:
    twin = made(ImageTransformer)
    at_once, past = twin(LABELS, TOKENS), None
    for n in range(4):
        logits, past = twin.extend(LABELS, TOKENS[:, n - 1 : n] if n else TOKENS[:, :1], past)
        torch.testing.assert_close(logits, at_once[:, n])


def test_hidden_classes_are_hidden_in_training_alone() -> None:
    model = made(MaskGIT, ClassTransformerConfig(6, 4, 3, DecoderConfig(8, 2, 1, 8, 0.0), class_dropout=1.0))
    unknown = model(torch.full((2,), model.transformer.no_class), TOKENS)
    assert (model(LABELS, TOKENS) - unknown).abs().max() > 1e-6
    torch.testing.assert_close(model.train()(LABELS, TOKENS), unknown)


def test_only_masked_tokens_have_a_loss() -> None:
    """With one token in six, the loss without smoothing is that of a uniform guess where all logits are 0."""
    model = made(MaskGIT)
    nn.init.zeros_(model.transformer.out.weight)
    nn.init.zeros_(model.transformer.out.bias)
    term = masked_image_terms(model, ImageTokens(TOKENS, LABELS))["masked"]
    assert float(term) == pytest.approx(1.791759, abs=1e-5) and 2 <= int(term.count) <= 8  # ln 6
