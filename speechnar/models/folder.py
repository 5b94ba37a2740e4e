"""Read and write model folders: `config.yaml`, `model.safetensors` and, of models with symbols, `tokens.txt`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.models.specs import MODELS, ModelSpec, configs_of
from speechnar.text.symbols import Vocabulary


class ModelError(ValueError):
    """Report a model or model folder that cannot be used; the message says why."""


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The content of a model folder's `config.yaml`: one of the models, and the audio that it was trained on.

        audio: {sample_rate: 22050, ...}
        ctc: {...}

    The key of the model, here `ctc`, is its name in `MODELS`.
    """

    audio: AudioConfig
    model: Choice = config_files.one_of(configs_of)

    @property
    def spec(self) -> ModelSpec:
        """Return the model's entry in `MODELS`."""
        return MODELS[self.model.name]


def build(config: ModelConfig) -> Any:
    """Return the untrained model of a config."""
    return config.spec.build(config.model.value, config.audio)


def save_model(folder: Path, config: ModelConfig, model: nn.Module, symbols: Vocabulary | None = None) -> None:
    """Write a model folder; each file is written beside its target and then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    config_files.save(config, folder / "config.yaml")
    if symbols is not None:
        symbols.save(folder / "tokens.txt")
    part = folder / "model.safetensors.part"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, part)
    part.replace(folder / "model.safetensors")


def load_model(folder: Path) -> tuple[Any, ModelConfig]:
    """Read a model folder and return the model, in evaluation mode, and its config.

    Raises:
        ModelError: files are missing or broken, or weights and config do not fit each other.
        ConfigError: `config.yaml` cannot be read, or describes none of `MODELS`.
    """
    config = config_files.load(ModelConfig, folder / "config.yaml")
    model = build(config)
    try:
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except FileNotFoundError:
        raise ModelError(f"{folder} has no model.safetensors: train the model first") from None
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{folder}/model.safetensors is broken or does not fit its config.yaml ({reason})") from None
    return model.eval(), config
