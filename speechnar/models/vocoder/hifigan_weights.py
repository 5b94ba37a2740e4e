"""HiFi-GANs that others published: their names of configs, audio settings and weights, beside the names used here.

Source: the checkpoints of jik876/hifi-gan (`config.json`, `generator`); transformers' `SpeechT5HifiGan`, whose mel is
    that of its `SpeechT5FeatureExtractor` and of ESPnet (logarithm to the base of 10, floor 1e-10, frames centered on
    multiples of the hop, 80 to 7600 Hz); SpeechBrain's `lobes/models/HifiGAN.py` (convolutions with reflected padding,
    frames centered in the same way).
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.models.vocoder.hifigan import HiFiGAN, HiFiGANConfig, plain_weights

SHARED = ("upsample_initial_channel", "upsample_kernel_sizes", "resblock_kernel_sizes", "resblock_dilation_sizes")
SHOWN = 4
"""The number of weights that a message lists by name."""


@dataclass(frozen=True)
class Layout:
    """The names that one publisher uses.

    Attributes:
        config: fields of `HiFiGANConfig`, each with the key that it has in a description; all of them are needed.
        audio: the same for fields of `AudioConfig`. A `f_max` of null is half the sample rate.
        defaults: values of keys that a description may leave out.
        fixed: fields of either that no description names.
        hops: fields of `AudioConfig` that are a number of hops unless a description says otherwise. The hop length is
            the product of the upsampling rates then.
        expected: keys, and the value that each has to have, if it is there, for a mel of the kind that is used here.
        weights: regular expressions of names of weights, and their replacements.
        floor: the smallest magnitude of the mel.
        centered: frame t of the mel is centered on sample t * hop_length; else half a hop later.
        base_ten: the mel is a logarithm to the base of 10, which the weights `mean` and `scale` normalize.
    """

    config: Mapping[str, str]
    audio: Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    hops: Mapping[str, int] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    floor: float = 1e-5
    centered: bool = False
    base_ten: bool = False


ORIGINAL = Layout(
    config={"resblock": "resblock", "upsample_rates": "upsample_rates"},
    audio={
        "sample_rate": "sampling_rate",
        "n_fft": "n_fft",
        "hop_length": "hop_size",
        "win_length": "win_size",
        "n_mels": "num_mels",
        "f_min": "fmin",
        "f_max": "fmax",
    },
    defaults={"num_mels": 80, "fmin": 0},
)
TRANSFORMERS = Layout(
    config={"upsample_rates": "upsample_rates", "slope": "leaky_relu_slope"},
    audio={"sample_rate": "sampling_rate", "n_mels": "model_in_dim"},
    defaults={"leaky_relu_slope": 0.1},
    fixed={"resblock": 1, "f_min": 80.0, "f_max": 7600.0},
    hops={"hop_length": 1, "n_fft": 4, "win_length": 4},
    weights={"upsampler": "ups"},
    floor=1e-10,
    centered=True,
    base_ten=True,
)
SPEECHBRAIN = Layout(
    config={"resblock": "resblock_type", "upsample_rates": "upsample_factors"},
    audio={
        "sample_rate": "sample_rate",
        "n_fft": "n_fft",
        "hop_length": "hop_length",
        "win_length": "win_length",
        "n_mels": "in_channels",
        "f_min": "mel_fmin",
        "f_max": "mel_fmax",
    },
    defaults={"n_fft": 1024, "win_length": 1024, "in_channels": 80, "mel_fmin": 0.0, "mel_fmax": 8000.0},
    fixed={"reflect": True},
    hops={"hop_length": 1},
    expected={
        "power": 1,
        "norm": "slaney",
        "mel_scale": "slaney",
        "dynamic_range_compression": True,
        "mel_normalized": False,
        "cond_channels": 0,
    },
    weights={r"\.conv\.": "."},
    centered=True,
)


def configs_of(layout: Layout, values: Mapping[str, Any], where: str) -> tuple[HiFiGANConfig, AudioConfig]:
    """Return the configs that a description holds.

    Args:
        values: of the description, by the publisher's keys.
        where: name of the description in messages.

    Raises:
        ValueError: a value is missing or of another type, or the mel is of another kind.
    """
    other = [f"{key} {values[key]}" for key, value in layout.expected.items() if values.get(key) not in (None, value)]
    if other:
        raise ValueError(f"{where} asks for a mel of another kind ({', '.join(other)}): take another")
    values = {**layout.defaults, **values}
    keys = {name: name for name in SHARED} | dict(layout.config)
    lacking = [key for key in keys.values() if key not in values]
    if lacking:
        raise ValueError(f"{where} describes no HiFi-GAN: it lacks {', '.join(lacking)}")
    given = {name: values[key] for name, key in keys.items()} | _fixed(layout, HiFiGANConfig)
    given["resblock"] = _integer(given["resblock"], keys.get("resblock", ""), where)
    config = config_files.from_dict(HiFiGANConfig, given, where)

    audio: dict[str, Any] = {name: number * math.prod(config.upsample_rates) for name, number in layout.hops.items()}
    for name, key in layout.audio.items():
        if key in values or name not in audio:
            audio[name] = values.get(key)
    audio |= _fixed(layout, AudioConfig)
    if audio["sample_rate"] is None:
        raise ValueError(f"{where} does not say its {layout.audio['sample_rate']}: add it in a copy of the folder")
    audio["sample_rate"] = _integer(audio["sample_rate"], layout.audio["sample_rate"], where)
    if audio["f_max"] is None:
        audio["f_max"] = audio["sample_rate"] / 2
    return config, config_files.from_dict(AudioConfig, audio, where)


def load_weights(
    model: HiFiGAN, layout: Layout, values: Mapping[str, Any], published: Mapping[str, Tensor], where: str
) -> None:
    """Load published weights into a model.

    Args:
        values: of the description, by the publisher's keys.
        published: the weights, by the publisher's names.
        where: name of the weights in messages.

    Raises:
        ValueError: weights are missing, of another shape or unknown.
    """
    state = {}
    for name, value in published.items():
        for theirs, ours in layout.weights.items():
            name = re.sub(theirs, ours, name)
        state[name] = value.float()
    state = plain_weights(state)
    own = model.state_dict()
    if layout.base_ten:
        mean, scale = (state.pop(name, None) for name in ("mean", "scale"))
        if not values.get("normalize_before", True):
            mean, scale = model.mel_mean, model.mel_std
        if mean is None or scale is None:
            raise ValueError(f"{where} lacks mean and scale, which its description asks for: fetch it again")
        # Its mel is the natural logarithm divided by ln 10.
        state |= {"mel_mean": mean * math.log(10), "mel_std": scale * math.log(10)}
    state = {"mel_mean": own["mel_mean"], "mel_std": own["mel_std"]} | state
    if model.config.reflect and "conv_post.bias" not in state:  # SpeechBrain's option conv_post_bias: False
        state["conv_post.bias"] = torch.zeros_like(own["conv_post.bias"])
    wrong = [name for name in own if name not in state or state[name].shape != own[name].shape]
    wrong += [name for name in state if name not in own]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ValueError(
            f"{where} is not the HiFi-GAN of its description: {', '.join(wrong[:SHOWN])}{more} "
            "are missing, of another shape or unknown"
        )
    model.load_state_dict(state)


def _fixed(layout: Layout, cls: type) -> dict[str, Any]:
    """Return the fixed values of the layout that are fields of a class."""
    names = {one.name for one in dataclasses.fields(cls)}
    return {name: value for name, value in layout.fixed.items() if name in names}


def _integer(value: Any, key: str, where: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {key} should be a whole number but is {value!r}") from None
