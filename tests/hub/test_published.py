"""Published layouts, made here as their owners write them, and what is wrong with them said in a sentence."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.hub.fetch import HubError
from speechnar.hub.published import load_vocoder
from speechnar.models.folder import ModelConfig, save_model
from speechnar.models.vocoder.hifigan import HiFiGAN, HiFiGANConfig

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, hop_length=16, win_length=64, n_mels=8, f_min=0.0, f_max=4000.0)
CONFIG = HiFiGANConfig(1, (4, 4), (8, 8), 8, (3, 5), ((1, 3), (1, 3)))
ORIGINAL = {
    "resblock": "1", "upsample_rates": [4, 4], "upsample_kernel_sizes": [8, 8], "upsample_initial_channel": 8,
    "resblock_kernel_sizes": [3, 5], "resblock_dilation_sizes": [[1, 3], [1, 3]], "num_mels": 8, "n_fft": 64,
    "hop_size": 16, "win_size": 64, "sampling_rate": 8000, "fmin": 0, "fmax": None, "segment_size": 8192,
}  # fmt: skip
TRANSFORMERS = {
    "architectures": ["SpeechT5HifiGan"], "model_type": "hifigan", "model_in_dim": 8, "sampling_rate": 16000,
    "upsample_rates": [4, 4], "upsample_kernel_sizes": [8, 8], "upsample_initial_channel": 8,
    "resblock_kernel_sizes": [3, 5], "resblock_dilation_sizes": [[1, 3], [1, 3]], "leaky_relu_slope": 0.2,
    "normalize_before": True,
}  # fmt: skip
SPEECHBRAIN = """
seed: 1234
__set_seed: !apply:os.system ["touch {touched}"]
sample_rate: 8000
hop_length: 16
win_length: 64
n_fft: 64
n_stft: !ref <n_fft> // 2 + 1
mel_fmin: 0.0
mel_fmax: 4000
mel_normalized: False
power: {power}
norm: "slaney"
mel_scale: "slaney"
dynamic_range_compression: True
in_channels: 8
resblock_type: "1"
resblock_dilation_sizes: [[1, 3], [1, 3]]
generator: !new:speechbrain.lobes.models.HifiGAN.HifiganGenerator
    in_channels: !ref <in_channels>
    out_channels: 1
    resblock_type: !ref <resblock_type>
    resblock_dilation_sizes: !ref <resblock_dilation_sizes>
    resblock_kernel_sizes: [3, 5]
    upsample_kernel_sizes: [8, 8]
    upsample_initial_channel: 8
    upsample_factors: [4, 4]
    inference_padding: 5
    cond_channels: 0
    conv_post_bias: True
modules:
    generator: !ref <generator>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        generator: !ref <generator>
"""


@pytest.fixture
def model() -> HiFiGAN:
    torch.manual_seed(0)
    model = HiFiGAN(CONFIG, AUDIO).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return model


def published(model: HiFiGAN, split: bool = True) -> dict[str, Tensor]:
    """The original's state dictionary, in which every kernel is split by weight norm."""
    state = {}
    for name, value in model.state_dict().items():
        if name.startswith("mel_"):
            continue
        if split and name.endswith(".weight"):
            layer = name.removesuffix("weight")
            state[f"{layer}weight_g"] = value.flatten(1).norm(dim=1)[:, None, None]
            state[f"{layer}weight_v"] = value * 7
        else:
            state[name] = value.clone()
    return state


def make(folder: Path, layout: str, model: HiFiGAN) -> Path:
    folder.mkdir(exist_ok=True)
    if layout == "original":
        (folder / "config.json").write_text(json.dumps(ORIGINAL))
        torch.save({"generator": {}}, folder / "g_00000500")
        torch.save({"generator": published(model)}, folder / "g_00001000")
        torch.save({"mpd": {}}, folder / "do_00001000")
    elif layout.startswith("transformers"):
        (folder / "config.json").write_text(json.dumps(TRANSFORMERS))
        state = {name.replace("ups.", "upsampler."): value for name, value in published(model, split=False).items()}
        state |= {"mean": torch.arange(8.0) - 6, "scale": torch.arange(8.0) / 4 + 1}
        if layout == "transformers bin":
            torch.save(state, folder / "pytorch_model.bin")
        else:
            save_file(state, folder / "model.safetensors")
    else:
        (folder / "hyperparams.yaml").write_text(SPEECHBRAIN.format(touched=folder / "touched", power=1))
        state = {f"{name.rpartition('.')[0]}.conv.{name.rpartition('.')[2]}": v for name, v in published(model).items()}
        torch.save(state, folder / "generator.ckpt")
    return folder


@torch.no_grad()
def test_the_original_layout(model: HiFiGAN, tmp_path: Path) -> None:
    read = load_vocoder(make(tmp_path, "original", model))
    assert read.audio == AUDIO and read.config.model.value == CONFIG  # fmax null is half the sample rate
    assert (read.floor, read.centered, read.model.training) == (1e-5, False, False)
    mel = torch.randn(1, 6, 8)
    np.testing.assert_allclose(read.model(mel).wav, model(mel).wav, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("layout", ["transformers bin", "transformers safetensors"])
def test_transformers_layout_normalizes_a_mel_of_base_ten(model: HiFiGAN, tmp_path: Path, layout: str) -> None:
    read = load_vocoder(make(tmp_path, layout, model))
    assert read.audio == AudioConfig(16000, 64, 16, 64, 8, 80.0, 7600.0)
    assert read.config.model.name == "hifigan" and read.config.model.value.slope == 0.2
    assert (read.floor, read.centered) == (1e-10, True)
    twin = HiFiGAN(read.config.model.value, AUDIO)
    twin.load_state_dict(model.state_dict())
    log_10 = torch.randn(1, 6, 8)
    expected = twin((log_10 - (torch.arange(8.0) - 6)) / (torch.arange(8.0) / 4 + 1)).wav
    np.testing.assert_allclose(read.model(log_10 * math.log(10)).wav, expected, atol=1e-5)


@torch.no_grad()
def test_transformers_layout_without_normalization(model: HiFiGAN, tmp_path: Path) -> None:
    make(tmp_path, "transformers bin", model)
    (tmp_path / "config.json").write_text(
        json.dumps(TRANSFORMERS | {"normalize_before": False, "leaky_relu_slope": 0.1})
    )
    log_10 = torch.randn(1, 6, 8)
    read = load_vocoder(tmp_path)
    np.testing.assert_allclose(read.model(log_10 * math.log(10)).wav, model(log_10).wav, atol=1e-5)


class ReflectConv(nn.Module):
    """A convolution after padding by a mirror, as SpeechBrain's."""

    def __init__(self, state: dict[str, Tensor], name: str, dilation: int) -> None:
        super().__init__()
        self.weight, self.bias, self.dilation = state[f"{name}.weight"], state[f"{name}.bias"], dilation

    def forward(self, x: Tensor) -> Tensor:
        pad = (self.weight.shape[2] - 1) * self.dilation // 2
        mirrored = torch.cat([x[:, :, 1 : pad + 1].flip(2), x, x[:, :, -pad - 1 : -1].flip(2)], dim=2)
        return nn.functional.conv1d(mirrored, self.weight, self.bias, dilation=self.dilation)


@torch.no_grad()
def test_speechbrain_s_layout_reflects_and_runs_nothing(model: HiFiGAN, tmp_path: Path) -> None:
    read = load_vocoder(make(tmp_path, "speechbrain", model))
    assert not (tmp_path / "touched").exists()
    assert read.audio == AUDIO and (read.floor, read.centered) == (1e-5, True)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Conv1d):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, ReflectConv(model.state_dict(), name, module.dilation[0]))
    mel = torch.randn(1, 12, 8)
    np.testing.assert_allclose(read.model(mel).wav, model(mel).wav, atol=1e-6)


def test_speechbrain_s_last_layer_may_have_no_bias(model: HiFiGAN, tmp_path: Path) -> None:
    make(tmp_path, "speechbrain", model)
    state = torch.load(tmp_path / "generator.ckpt", weights_only=True)
    del state["conv_post.conv.bias"]
    torch.save(state, tmp_path / "generator.ckpt")
    assert not load_vocoder(tmp_path).model.conv_post.bias.any()


def test_a_mel_of_another_kind_is_refused(model: HiFiGAN, tmp_path: Path) -> None:
    make(tmp_path, "speechbrain", model)
    (tmp_path / "hyperparams.yaml").write_text(SPEECHBRAIN.format(touched="", power=1.5))
    with pytest.raises(HubError, match=r"asks for a mel of another kind \(power 1.5\): take another"):
        load_vocoder(tmp_path)


def test_a_model_folder_of_ours(model: HiFiGAN, tmp_path: Path) -> None:
    save_model(tmp_path, ModelConfig(AUDIO, Choice("hifigan", CONFIG)), model)
    read = load_vocoder(tmp_path)
    assert read.audio == AUDIO and torch.equal(read.model.conv_pre.weight, model.conv_pre.weight)


LAYOUTS = ["original", "transformers bin", "transformers safetensors", "speechbrain"]


@pytest.mark.parametrize("kept", [0, 100, 0.5])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_truncated_weights_are_refused_in_a_sentence(model: HiFiGAN, tmp_path: Path, layout: str, kept: float) -> None:
    make(tmp_path, layout, model)
    path = max(tmp_path.iterdir(), key=lambda p: p.stat().st_size * (not p.name.startswith("do")))
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(HubError, match="cannot be read .*: is it whole") as error:
        load_vocoder(tmp_path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("evil"),)


def test_pickled_code_is_not_run(model: HiFiGAN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make(tmp_path, "original", model))
    torch.save({"generator": Evil()}, tmp_path / "g_00001000")
    with pytest.raises(HubError, match="cannot be read"):
        load_vocoder(tmp_path)
    (tmp_path / "g_00001000").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(HubError, match="cannot be read"):
        load_vocoder(tmp_path)
    assert not (tmp_path / "evil").exists()


def change(folder: Path, **values: object) -> None:
    given = json.loads((folder / "config.json").read_text()) | values
    (folder / "config.json").write_text(json.dumps({k: v for k, v in given.items() if v != "gone"}))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"upsample_initial_channel": 16},
            "is not the HiFi-GAN of its description: conv_pre.weight.* and .* more",
        ),
        ({"resblock": "2"}, "are missing, of another shape or unknown"),
        ({"resblock": "x"}, "resblock should be a whole number but is 'x'"),
        ({"upsample_rates": "gone"}, "describes no HiFi-GAN: it lacks upsample_rates"),
        ({"upsample_rates": [4, 4, 4]}, "upsample_rates has 3 values and upsample_kernel_sizes 2"),
        ({"upsample_rates": "no"}, "upsample_rates should be a list but is 'no'"),
        ({"sampling_rate": "gone"}, "does not say its sampling_rate"),
        ({"hop_size": 256}, "makes 16 samples of a frame .* but the hop length is 256"),
        ({"hop_size": "gone"}, "hop_length should be int but is None"),
    ],
)
def test_configs_that_do_not_fit_are_refused(
    model: HiFiGAN, tmp_path: Path, values: dict[str, object], sentence: str
) -> None:
    change(make(tmp_path, "original", model), **values)
    with pytest.raises(HubError, match=sentence) as error:
        load_vocoder(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\ufeff{}", "null"])
def test_descriptions_that_are_none_are_refused(model: HiFiGAN, tmp_path: Path, text: str) -> None:
    for layout, name in (("original", "config.json"), ("speechbrain", "hyperparams.yaml")):
        folder = make(tmp_path / layout, layout, model)
        (folder / name).write_text(text, encoding="utf-8")
        with pytest.raises(HubError, match="cannot be read|describes no"):
            load_vocoder(folder)


def test_python_s_own_yaml_tags_are_refused(model: HiFiGAN, tmp_path: Path) -> None:
    make(tmp_path, "speechbrain", model)
    (tmp_path / "hyperparams.yaml").write_text(f"a: !!python/object/apply:pathlib.Path.touch ['{tmp_path}/evil']\n")
    with pytest.raises(HubError, match="cannot be read"):
        load_vocoder(tmp_path)
