"""HiFi-GAN: equal to the published architecture written down a second way, and to transformers'."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv_transpose1d

from speechnar.audio import AudioConfig
from speechnar.models.vocoder.hifigan import V1, V2, V3, HiFiGAN, HiFiGANConfig, plain_weights

AUDIO = AudioConfig(sample_rate=8000, n_fft=32, hop_length=8, win_length=32, n_mels=6, f_max=4000.0)
TINY = HiFiGANConfig(
    1, (4, 2), (8, 4), 16, resblock_kernel_sizes=(3, 5), resblock_dilation_sizes=((1, 3), (1, 2))
)  # fmt: skip
TINY_2 = dataclasses.replace(TINY, resblock=2, upsample_rates=(2, 4), upsample_kernel_sizes=(2, 8))


def loud(config: HiFiGANConfig, audio: AudioConfig = AUDIO) -> HiFiGAN:
    """A model whose every layer matters: with the weights that training starts from, the output is all but silent."""
    torch.manual_seed(0)
    model = HiFiGAN(config, audio).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
                nn.init.kaiming_normal_(module.weight, a=config.slope)
                module.bias.normal_(0, 0.1)
        model.conv_post.weight *= 0.05
    return model


def reference(state: dict[str, Tensor], config: HiFiGANConfig, mel: Tensor) -> Tensor:
    """The published generator as one function of its parameters, each residual block by its equation in the paper."""

    def leaky(x: Tensor, slope: float) -> Tensor:
        return torch.maximum(x, x * slope)

    def conv(x: Tensor, name: str, dilation: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        padding = (weight.shape[2] - 1) * dilation // 2
        return conv1d(x, weight, state[f"{name}.bias"], padding=padding, dilation=dilation)

    x = conv(mel.transpose(1, 2), "conv_pre")
    n_kernels = len(config.resblock_kernel_sizes)
    for i, (rate, size) in enumerate(zip(config.upsample_rates, config.upsample_kernel_sizes)):
        full = conv_transpose1d(
            leaky(x, config.slope), state[f"ups.{i}.weight"], state[f"ups.{i}.bias"], stride=rate
        )  # without padding it is longer by what is cut here
        cut = (size - rate) // 2
        x = full[:, :, cut : full.shape[2] - cut]
        branches = []
        for j, dilations in enumerate(config.resblock_dilation_sizes):
            y, block = x, f"resblocks.{i * n_kernels + j}"
            for k, dilation in enumerate(dilations):
                if config.resblock == 1:
                    inner = conv(leaky(y, config.slope), f"{block}.convs1.{k}", dilation)
                    y = y + conv(leaky(inner, config.slope), f"{block}.convs2.{k}")
                else:
                    y = y + conv(leaky(y, config.slope), f"{block}.convs.{k}", dilation)
            branches.append(y)
        x = sum(branches) / n_kernels
    return torch.tanh(conv(leaky(x, 0.01), "conv_post"))[:, 0]


@torch.no_grad()
@pytest.mark.parametrize(
    ("config", "audio"),
    [(V1, AudioConfig()), (V2, AudioConfig()), (V3, AudioConfig()), (TINY, AUDIO), (TINY_2, AUDIO)],
    ids=["V1", "V2", "V3", "tiny 1", "tiny 2"],
)
def test_it_is_the_published_architecture(config: HiFiGANConfig, audio: AudioConfig) -> None:
    model = loud(config, audio)
    mel = torch.randn(2, 4, audio.n_mels) * 2 - 5
    wav = model(mel).wav
    assert wav.shape == (2, 4 * audio.hop_length) and 0.05 < wav.std() < 0.99
    np.testing.assert_allclose(wav, reference(model.state_dict(), config, mel), atol=1e-5)


@torch.no_grad()
def test_of_three_dilations_block_2_takes_two_as_the_official_code_does() -> None:
    named = dataclasses.replace(TINY_2, resblock_dilation_sizes=((1, 3, 5), (1, 2, 7)))
    model, mel = loud(TINY_2), torch.randn(1, 9, 6)
    same = HiFiGAN(named, AUDIO)
    same.load_state_dict(model.state_dict())  # no third layer
    assert torch.equal(same(mel).wav, model(mel).wav) and same.context == model.context


def test_the_presets_have_the_published_sizes() -> None:
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in HiFiGAN(v, AudioConfig()).parameters()) for v in (V1, V2, V3)]
    assert [round(size / 1e6, 2) for size in sizes] == [13.93, 0.93, 1.46]  # table 1: 13.92 M, 0.92 M, 1.46 M


@torch.no_grad()
@pytest.mark.parametrize("layout", ["old", "new"])
def test_weight_norm_is_folded_as_torch_computes_it(layout: str) -> None:
    model = loud(TINY)
    split = HiFiGAN(TINY, AUDIO)
    split.load_state_dict(model.state_dict())
    norm = nn.utils.parametrizations.weight_norm if layout == "new" else nn.utils.weight_norm
    for module in list(split.modules()):
        if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
            norm(module)
            for parameter in module.parameters():
                if parameter.dim() == 3:
                    parameter *= torch.rand(parameter.shape[0], 1, 1) + 0.5
    mel = torch.randn(1, 7, 6)
    expected = split(mel).wav
    assert not torch.allclose(expected, model(mel).wav, atol=1e-2)
    keys = split.state_dict().keys()
    assert ("ups.0.weight_g" in keys) == (layout == "old")
    model.load_state_dict(plain_weights(split.state_dict()))
    np.testing.assert_allclose(model(mel).wav, expected, atol=1e-6)


@torch.no_grad()
def test_training_s_weight_norm_computes_the_same_and_folds_away() -> None:
    model = loud(TINY)
    mel = torch.randn(1, 7, 6)
    expected, names = model(mel).wav, model.state_dict().keys()
    model.normalize_weights()
    np.testing.assert_allclose(model(mel).wav, expected, atol=1e-6)
    folded = model.folded()
    assert folded.state_dict().keys() == names and model.state_dict().keys() != names
    for either in (folded, model):
        np.testing.assert_allclose(either(mel).wav, expected, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("config", [TINY, TINY_2, dataclasses.replace(TINY, reflect=True)])
def test_context_is_what_influences_a_frame_and_no_more(config: HiFiGANConfig) -> None:
    model = loud(config)
    frames, at = 61, 30
    mel = torch.randn(1, frames, 6)
    frame = model(mel).wav.view(frames, -1)[at]

    def with_noise_beyond(distance: int) -> Tensor:
        other = torch.randn(1, frames, 6)
        other[:, at - distance : at + distance + 1] = mel[:, at - distance : at + distance + 1]
        return model(other).wav.view(frames, -1)[at]

    np.testing.assert_allclose(with_noise_beyond(model.context), frame, atol=1e-6)
    assert (with_noise_beyond(model.context - 2) - frame).abs().max() > 1e-6


def test_context_of_the_presets_is_that_of_their_kernels() -> None:
    with torch.device("meta"):
        contexts = [HiFiGAN(v, AudioConfig()).context for v in (V1, V2, V3)]
    # V1 backwards: 3 + 60 samples; (63 + 2) / 2 = 33; (93 + 2) / 2 = 48; (108 + 11) / 8 = 15; (75 + 11) / 8 = 11; 14.
    # V3 backwards: 3 + 3 * 15 samples; (48 + 5) / 4 = 14; (59 + 11) / 8 = 9; (54 + 11) / 8 = 9; 12.
    assert contexts == [14, 14, 12]


@torch.no_grad()
def test_the_mel_is_normalized_by_the_statistics() -> None:
    model = loud(TINY)
    mel = torch.randn(1, 7, 6)
    plain = model((mel - 2) / 3).wav
    model.mel_mean.fill_(2)
    model.mel_std.fill_(3)
    np.testing.assert_allclose(model(mel).wav, plain, atol=1e-6)


@torch.no_grad()
def test_reflecting_differs_near_the_ends_alone() -> None:
    zeros = loud(TINY)
    reflect = HiFiGAN(dataclasses.replace(TINY, reflect=True), AUDIO).eval()
    reflect.load_state_dict(zeros.state_dict())
    mel = torch.randn(1, 50, 6)
    differs = (zeros(mel).wav - reflect(mel).wav)[0].view(50, -1).abs().amax(1) > 1e-6
    assert differs[0] and differs[-1] and not differs[zeros.context : -zeros.context].any()


def test_every_weight_learns_one_batch() -> None:
    model = loud(TINY)
    model.normalize_weights()
    mel = torch.randn(2, 8, 6)
    with torch.no_grad():
        wanted = 0.5 * torch.sin(torch.arange(64) * 0.4).repeat(2, 1)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    losses = []
    for _ in range(20):
        loss = (model(mel).wav - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert losses[-1] < 0.2 * losses[0]


@torch.no_grad()
def test_it_is_transformers_generator_too() -> None:
    try:
        import transformers

        generator = transformers.SpeechT5HifiGan
    except Exception as error:  # it also imports packages that may not fit each other
        pytest.skip(f"transformers' generator cannot be imported ({type(error).__name__})")
    model = loud(TINY)
    config = transformers.SpeechT5HifiGanConfig(
        model_in_dim=6, upsample_initial_channel=16, upsample_rates=[4, 2], upsample_kernel_sizes=[8, 4],
        resblock_kernel_sizes=[3, 5], resblock_dilation_sizes=[[1, 3], [1, 2]],
    )  # fmt: skip
    theirs = generator(config).eval()
    renamed = {name.replace("ups.", "upsampler."): value for name, value in model.state_dict().items()}
    renamed |= {"mean": renamed.pop("mel_mean"), "scale": renamed.pop("mel_std")}
    theirs.load_state_dict(renamed)
    theirs.mean.normal_()
    theirs.scale.uniform_(0.5, 2)
    model.mel_mean.copy_(theirs.mean)
    model.mel_std.copy_(theirs.scale)
    mel = torch.randn(2, 9, 6)
    np.testing.assert_allclose(model(mel).wav, theirs(mel), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"resblock": 3}, "resblock is 3 but should be 1 or 2"),
        ({"upsample_rates": (4,)}, "upsample_rates has 1 values and upsample_kernel_sizes 2: give as many of both"),
        ({"resblock_kernel_sizes": (3,)}, "resblock_kernel_sizes has 1 values"),
        ({"upsample_kernel_sizes": (8, 3)}, "the upsampling kernel 3 should exceed its rate 2 by an even number"),
        ({"upsample_initial_channel": 6}, "6 cannot be halved 2 times"),
    ],
)
def test_configs_that_cannot_be_built_are_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(TINY, **change)


def test_rates_that_make_no_hop_are_refused() -> None:
    with pytest.raises(ValueError, match="makes 8 samples of a frame .* but the hop length is 256"):
        HiFiGAN(TINY, AudioConfig())
