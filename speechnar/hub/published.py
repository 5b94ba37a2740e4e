"""Folders in which others publish HiFi-GANs, read without running anything that is in them.

Source: the checkpoints of jik876/hifi-gan (`config.json`, `generator`); transformers' `SpeechT5HifiGan`, whose mel is
    that of its `SpeechT5FeatureExtractor` and of ESPnet (logarithm to the base of 10, floor 1e-10, frames centered on
    multiples of the hop, 80 to 7600 Hz); SpeechBrain's `lobes/models/HifiGAN.py` (convolutions that reflect, frames
    centered as those).
"""

from __future__ import annotations

import json
import math
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.hub.fetch import HubError, choose, folder_of
from speechnar.infer.copy_synthesis import Vocoder
from speechnar.models.folder import ModelConfig, load_model
from speechnar.models.vocoder.hifigan import HiFiGAN, HiFiGANConfig, plain_weights

COMMON = ("upsample_initial_channel", "upsample_kernel_sizes", "resblock_kernel_sizes", "resblock_dilation_sizes")
SHOWN = 4  # names of weights that a message lists


def load_vocoder(source: str | Path, offline: bool = False) -> Vocoder:
    """Loads a vocoder of the hub or of a folder, trained here or published elsewhere.

    Args:
        source, offline: see `folder_of`.

    Raises:
        HubError: it cannot be fetched or read.
        ModelError, ConfigError: a model folder of ours is damaged.
    """
    folder = folder_of(source, offline)
    description, weights = choose((path.name for path in folder.iterdir()), source)
    if description != "config.yaml":
        return read_published(folder / description, folder / weights)
    model, config = load_model(folder)
    if config.spec.task != "vocoder":
        raise HubError(f"{source} holds the model {config.model.name}, which is no vocoder")
    return Vocoder(model, config)


def read_published(description: Path, weights: Path) -> Vocoder:
    """Reads a description and the weights beside it.

    Raises:
        HubError: one is missing, damaged or of another model.
    """
    values = _described(description)
    if description.name == "hyperparams.yaml":
        config, audio = _of_speechbrain(values, description)
        centered, floor = True, 1e-5
    elif "model_in_dim" in values:
        config, audio = _of_transformers(values, description)
        centered, floor = True, 1e-10
    else:
        config, audio = _of_original(values, description)
        centered, floor = False, 1e-5
    try:
        model = HiFiGAN(config, audio)
    except (ValueError, RuntimeError, TypeError) as error:
        raise HubError(f"{description} describes no HiFi-GAN that can be built: {error}") from None
    state = _renamed(_state(weights))
    if "model_in_dim" in values:
        mean, scale = (state.pop(name, None) for name in ("mean", "scale"))
        if not values.get("normalize_before", True):
            mean, scale = model.mel_mean, model.mel_std
        if mean is None or scale is None:
            raise HubError(f"{weights} lacks mean and scale, which {description.name} asks for: fetch it again")
        # Its mel is ours divided by ln 10.
        state |= {"mel_mean": mean * math.log(10), "mel_std": scale * math.log(10)}
    own = model.state_dict()
    state = {"mel_mean": own["mel_mean"], "mel_std": own["mel_std"]} | state
    if config.reflect and "conv_post.bias" not in state:  # SpeechBrain's option conv_post_bias: False
        state["conv_post.bias"] = torch.zeros_like(own["conv_post.bias"])
    wrong = [name for name in own if name not in state or state[name].shape != own[name].shape]
    wrong += [name for name in state if name not in own]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise HubError(
            f"{weights} is not the HiFi-GAN that {description.name} describes: {', '.join(wrong[:SHOWN])}{more} "
            "are missing, of another shape or unknown"
        )
    model.load_state_dict(state)
    return Vocoder(model.eval(), ModelConfig(audio, Choice("hifigan", config)), floor, centered)


def _of_original(values: dict[str, Any], where: Path) -> tuple[HiFiGANConfig, AudioConfig]:
    config = _config(values, where, resblock=_int(values, "resblock", where), upsample_rates="upsample_rates")
    rate = _int(values, "sampling_rate", where)
    given = {
        "sample_rate": rate,
        "n_fft": values.get("n_fft"),
        "hop_length": values.get("hop_size"),
        "win_length": values.get("win_size"),
        "n_mels": values.get("num_mels", 80),
        "f_min": values.get("fmin", 0),
        "f_max": rate / 2 if values.get("fmax") is None else values["fmax"],
    }
    return config, _built(AudioConfig, given, where)


def _of_transformers(values: dict[str, Any], where: Path) -> tuple[HiFiGANConfig, AudioConfig]:
    slope = values.get("leaky_relu_slope", 0.1)
    config = _config(values, where, resblock=1, upsample_rates="upsample_rates", slope=slope)
    hop = math.prod(config.upsample_rates)
    given = {
        "sample_rate": _int(values, "sampling_rate", where),
        "n_fft": 4 * hop,
        "hop_length": hop,
        "win_length": 4 * hop,
        "n_mels": values["model_in_dim"],
        "f_min": 80.0,
        "f_max": 7600.0,
    }
    return config, _built(AudioConfig, given, where)


def _of_speechbrain(values: dict[str, Any], where: Path) -> tuple[HiFiGANConfig, AudioConfig]:
    generator = values.get("generator")
    if not isinstance(generator, dict):
        raise HubError(f"{where} describes no generator")
    values = {name: _meant(value, values) for name, value in values.items()}
    generator = {name: _meant(value, values) for name, value in generator.items()}
    if generator.get("cond_channels"):
        raise HubError(f"{where} describes a HiFi-GAN that is conditioned on more than a mel: take another")
    expected = {"power": 1, "norm": "slaney", "mel_scale": "slaney", "dynamic_range_compression": True}
    other = [f"{name} {values[name]}" for name, value in expected.items() if values.get(name, value) != value]
    if values.get("mel_normalized"):
        other.append("mel_normalized")
    if other:
        raise HubError(f"{where} asks for a mel of another kind ({', '.join(other)}): take another")
    resblock = _int(generator, "resblock_type", where)
    config = _config(generator, where, resblock=resblock, upsample_rates="upsample_factors", reflect=True)
    given = {
        "sample_rate": _int(values, "sample_rate", where),
        "n_fft": values.get("n_fft", 1024),
        "hop_length": values.get("hop_length", math.prod(config.upsample_rates)),
        "win_length": values.get("win_length", 1024),
        "n_mels": generator.get("in_channels", 80),
        "f_min": values.get("mel_fmin", 0.0),
        "f_max": values.get("mel_fmax", 8000.0),
    }
    return config, _built(AudioConfig, given, where)


def _config(values: Mapping[str, Any], where: Path, upsample_rates: str, **others: Any) -> HiFiGANConfig:
    lacking = [name for name in (*COMMON, upsample_rates) if name not in values]
    if lacking:
        raise HubError(f"{where} describes no HiFi-GAN: it lacks {', '.join(lacking)}")
    given = {name: values[name] for name in COMMON} | {"upsample_rates": values[upsample_rates]} | others
    return _built(HiFiGANConfig, given, where)


def _built(cls: Any, given: dict[str, Any], where: Path) -> Any:
    try:
        return config_files.from_dict(cls, given, str(where))
    except ValueError as error:
        raise HubError(str(error)) from None


def _int(values: Mapping[str, Any], name: str, where: Path) -> int:
    try:
        return int(values[name])
    except KeyError:
        raise HubError(f"{where} does not say its {name}: add it in a copy of the folder") from None
    except (TypeError, ValueError):
        raise HubError(f"{where}: {name} should be a whole number but is {values[name]!r}") from None


class _Untagged(yaml.SafeLoader):
    """YAML whose tags, such as SpeechBrain's `!new:`, are passed over: nothing is imported or called."""


def _untagged(loader: _Untagged, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


_Untagged.add_multi_constructor("!", _untagged)


def _meant(value: Any, values: Mapping[str, Any]) -> Any:
    """What `!ref <name>` refers to; other values as they are."""
    for _ in range(8):  # a reference to a reference; no endless ring
        match = re.fullmatch(r"<(\w+)>", value) if isinstance(value, str) else None
        if not match or match[1] not in values:
            break
        value = values[match[1]]
    return value


def _described(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else yaml.load(text, _Untagged)  # a SafeLoader
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
        raise HubError(f"{path} cannot be read ({reason}): fetch it again") from None
    if not isinstance(values, dict):
        raise HubError(f"{path} describes no vocoder")
    return values


def _state(path: Path) -> dict[str, Tensor]:
    """The generator's tensors of a checkpoint. Pickled code is refused, not run."""
    try:
        if path.suffix == ".safetensors":
            values: Any = load_file(path)
        else:
            values = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError, OSError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
        raise HubError(f"{path} cannot be read ({reason}): is it whole? Fetch it again") from None
    if isinstance(values, dict) and isinstance(values.get("generator"), dict):
        values = values["generator"]
    if not isinstance(values, dict) or not values or not all(isinstance(v, Tensor) for v in values.values()):
        raise HubError(f"{path} holds no weights of a generator")
    return values


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """With the names of the original, kernels folded, float32."""
    named = {re.sub(r"\.conv\.", ".", name).replace("upsampler.", "ups."): v.float() for name, v in state.items()}
    return plain_weights(named)
