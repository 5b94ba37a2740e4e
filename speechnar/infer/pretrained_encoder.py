"""Find, check and run a pre-trained encoder of the transformers package: wav2vec 2.0, HuBERT, WavLM or Whisper.

The encoder itself is in `speechnar.layers.pretrained_encoder`.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speechnar.config import load
from speechnar.hub.fetch import HubError, folder_of
from speechnar.layers.pretrained_encoder import (
    MODEL_TYPES,
    PretrainedEncoder,
    PretrainedEncoderConfig,
    load_transformers,
    settings_of,
)
from speechnar.models.folder import ModelConfig, ModelError

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
"""All weights in one file; or the names of the files, the shards, that large models have them in."""


def is_pretrained(source: Path) -> bool:
    """Return True if a source is on the hub, or a folder that transformers' `save_pretrained` may have written."""
    return str(source).startswith("hf:") or (source / CONFIG).exists()


def pretrained_folder(source: Path) -> Path:
    """Return the folder of a pre-trained model, fetched to the cache of the hub's package if it is not there.

    Args:
        source: a folder, or `hf:owner/name` with `@` and a branch, tag or commit if not the newest is wanted.

    Raises:
        HubError: there is no such folder or repository, the hub cannot be reached, a file is missing, or the weights
            are pickled.
    """
    folder = folder_of(source, wanted=wanted_files)
    here = [path.name for path in folder.iterdir()]
    if WEIGHTS in wanted_files(here, source):
        return folder
    try:
        shards = set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, TypeError, KeyError, AttributeError):
        raise HubError(f"{folder / INDEX} is no index of weights: fetch {source} again") from None
    if missing := sorted(shards.difference(here)):
        raise HubError(
            f"{source} lacks {len(missing)} of the {len(shards)} files of its weights, such as {missing[0]}: fetch it"
            " again"
        )
    return folder


def wanted_files(names: Iterable[str], source: str | Path) -> list[str]:
    """Return the files of a pre-trained model that are needed, of all that it has.

    Raises:
        HubError: a file is missing, or the weights are pickled.
    """
    here = sorted(names)
    for name in (CONFIG, PREPROCESSOR):
        if name not in here:
            raise HubError(f"{source} has no {name}: take a model as transformers' save_pretrained writes it")
    if WEIGHTS not in here and INDEX not in here:
        raise HubError(
            f"{source} has no model.safetensors, and pickled weights are not read: save it again by transformers'"
            " save_pretrained, or take a revision that has safetensors"
        )
    weights = [WEIGHTS] if WEIGHTS in here else [INDEX, *fnmatch.filter(here, "model-*.safetensors")]
    return [CONFIG, PREPROCESSOR, *weights]


def described(folder: Path, config: PretrainedEncoderConfig | None = None) -> PretrainedEncoderConfig:
    """Return a config with the architecture and the preprocessor of a folder of `pretrained_folder`.

    Raises:
        ModelError: the folder has another kind of model, or a description that is damaged.
    """
    architecture = _description(folder / CONFIG)
    kind = architecture.get("model_type")
    if kind not in MODEL_TYPES:
        raise ModelError(f"{folder} is a model of type {kind} but should be one of {', '.join(MODEL_TYPES)}")
    preprocessor = _description(folder / PREPROCESSOR)
    return dataclasses.replace(
        config or PretrainedEncoderConfig(), architecture=architecture, preprocessor=preprocessor
    )


def _description(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ModelError(f"{path} is no description of a model: fetch the model again")
    return found


def with_architecture(config: PretrainedEncoderConfig, init: Path) -> PretrainedEncoderConfig:
    """Return a training config's encoder with the architecture of the model that training starts from.

    Args:
        init: a model of transformers, whose architecture replaces that of the config; or a model folder of this
            package, whose architecture is taken where the config has none.

    Raises:
        HubError: the model cannot be fetched.
        ModelError: it is of another kind, or the model folder holds no recognizer.
        ConfigError: it is no model folder.
    """
    if is_pretrained(init):
        return described(pretrained_folder(init), config)
    model = load(ModelConfig, init / "config.yaml").model
    if not hasattr(model.value, "encoder"):
        raise ModelError(f"{init} holds the model {model.name}, which is no recognizer: start from another")
    its = getattr(model.value.encoder, "pretrained", None)
    if config.architecture or its is None:
        return config
    return dataclasses.replace(config, architecture=its.architecture, preprocessor=its.preprocessor)


def load_encoder(folder: Path, config: PretrainedEncoderConfig) -> Any:
    """Return the encoder of a folder as transformers has it, float32.

    Args:
        config: of `described`.

    Raises:
        ModelError: weights are missing in the folder.
        ValueError: transformers is not installed.
    """
    transformers = load_transformers()
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # else each weight that is not used here is told
    try:
        model, loaded = transformers.AutoModel.from_pretrained(
            folder, config=settings_of(config), use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    finally:
        transformers.logging.set_verbosity(verbosity)
    missing = sorted(name for name in loaded["missing_keys"] if not name.startswith("decoder."))
    if missing:
        raise ModelError(f"{folder} lacks {len(missing)} weights of its encoder, such as {missing[0]}: fetch it again")
    encoder: Any = model.encoder if model.config.model_type == "whisper" else model
    return encoder.float()


class FrozenEncoder:
    """The encoder of a pre-trained model, frozen. Each recording is encoded alone.

    Args:
        folder: of `pretrained_folder`.
        layer: the number of the block whose output is taken, 0 for the input of the first; None, or the number of all
            blocks, for the encoder's output, which most models normalize after the last block.
        unpadded: of Whisper, as `PretrainedEncoderConfig` has it.

    Attributes:
        longest: the most states that it computes at once.
        width: channels of a state.

    Raises:
        ModelError: the folder has another kind of model, or not all weights; it has no such layer; `unpadded` is asked
            of another kind than Whisper.
        ValueError: transformers is not installed.
    """

    def __init__(self, folder: Path, layer: int | None = None, unpadded: bool = False) -> None:
        config = described(folder)
        kind = config.architecture["model_type"]
        if unpadded and kind != "whisper":
            raise ModelError(f"{folder} is a model of type {kind}, which is never padded: leave --unpadded out")
        config = dataclasses.replace(config, unpadded=unpadded)
        self._encoder = PretrainedEncoder(config, model=load_encoder(folder, config)).eval().requires_grad_(False)
        blocks = self._encoder.blocks
        if layer is not None and not 0 <= layer <= len(blocks):
            raise ModelError(f"--layer is {layer} but should be from 0 to {len(blocks)}, the layers of {folder}")
        self.width, self.longest = self._encoder.width, self._encoder.longest
        self._taken: list[Tensor] = []
        if layer is not None and layer < len(blocks):
            blocks[layer].register_forward_pre_hook(lambda block, given: self._taken.append(given[0]))

    @torch.inference_mode()
    def __call__(self, wav: Tensor) -> Tensor:
        """Return the states (T, width) of samples (T_wav,); T is that of `PretrainedEncoder.features`."""
        self._taken.clear()
        states, lengths = self._encoder(*self._encoder.features(wav[None], None))
        if self._taken:
            states = self._taken.pop()
        return states[0] if lengths is None else states[0, : int(lengths[0])]
