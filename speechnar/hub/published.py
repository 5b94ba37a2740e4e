"""Load vocoders of the hub or of a folder: HiFi-GANs that others published, and model folders of this package.

Nothing that is in a folder is run. The publishers' names are in `speechnar.models.vocoder.hifigan_weights`.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from speechnar.audio import LOG_FLOOR, AudioConfig
from speechnar.config import Choice
from speechnar.hub.fetch import HubError, folder_of, vocoder_files
from speechnar.models.folder import ModelConfig, load_model
from speechnar.models.vocoder.hifigan import HiFiGAN
from speechnar.models.vocoder.hifigan_weights import ORIGINAL, SPEECHBRAIN, TRANSFORMERS, configs_of, load_weights


@dataclass(frozen=True, eq=False)
class LoadedVocoder:
    """A vocoder and the kind of log-mel that it was trained on.

    Attributes:
        model: a vocoder of `MODELS`, in evaluation mode.
        floor: smaller magnitudes count as this one in its mel.
        centered: frame t is centered on sample t * hop_length; else half a hop later.
    """

    model: Any
    config: ModelConfig
    floor: float = LOG_FLOOR
    centered: bool = False

    @property
    def audio(self) -> AudioConfig:
        return self.config.audio


def load_vocoder(source: str | Path, offline: bool = False) -> LoadedVocoder:
    """Load a vocoder of the hub or of a folder, trained here or published elsewhere.

    Args:
        source, offline: see `folder_of`.

    Raises:
        HubError: the vocoder cannot be fetched or read.
        ModelError, ConfigError: a model folder of this package is damaged.
    """
    folder = folder_of(source, offline)
    description, weights = vocoder_files((path.name for path in folder.iterdir()), source)
    if description != "config.yaml":
        return read_published(folder / description, folder / weights)
    model, config = load_model(folder)
    if config.spec.task != "vocoder":
        raise HubError(f"{source} holds the model {config.model.name}, which is no vocoder")
    return LoadedVocoder(model, config)


def read_published(description: Path, weights: Path) -> LoadedVocoder:
    """Read a description and the weights beside it.

    Raises:
        HubError: one of them is missing, damaged or of another model.
    """
    values = _described(description)
    layout = TRANSFORMERS if "model_in_dim" in values else ORIGINAL
    if description.name == "hyperparams.yaml":
        layout = SPEECHBRAIN
        generator = values.get("generator")
        if not isinstance(generator, dict):
            raise HubError(f"{description} describes no generator")
        given = values
        values, generator = ({name: _meant(v, given) for name, v in part.items()} for part in (values, generator))
        values |= generator
    state = _state(weights)
    try:
        config, audio = configs_of(layout, values, str(description))
    except ValueError as error:
        raise HubError(str(error)) from None
    try:
        model = HiFiGAN(config, audio)
    except (ValueError, RuntimeError, TypeError) as error:
        raise HubError(f"{description} describes no HiFi-GAN that can be built: {error}") from None
    try:
        load_weights(model, layout, values, state, str(weights))
    except ValueError as error:
        raise HubError(str(error)) from None
    model_config = ModelConfig(audio, Choice("hifigan", config))
    return LoadedVocoder(model.eval(), model_config, layout.floor, layout.centered)


class _Untagged(yaml.SafeLoader):
    """Read YAML without its tags, such as SpeechBrain's `!new:`: nothing is imported or called."""


def _untagged(loader: _Untagged, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


_Untagged.add_multi_constructor("!", _untagged)


def _meant(value: Any, values: Mapping[str, Any]) -> Any:
    """Return the value that `!ref <name>` refers to, and other values as they are."""
    for _ in range(8):  # references to references, but no endless loop
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
    """Return the generator's tensors of a checkpoint. Pickled code is refused, not run."""
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
