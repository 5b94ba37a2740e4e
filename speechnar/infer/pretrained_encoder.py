"""Run a pre-trained encoder of the transformers package: wav2vec 2.0, HuBERT, WavLM or Whisper.

    samples -> the features that the model was trained with -> encoder -> states, one for 320 samples

Each recording is encoded alone, without padding to the length of others: the first convolution of wav2vec 2.0 base is
normalized over time, so that padding would change its states.

Source: wav2vec 2.0 (Baevski et al. 2020); HuBERT (Hsu et al. 2021); WavLM (Chen et al. 2022); Whisper (Radford et al.
    2023), section 2.2.
"""

from __future__ import annotations

import fnmatch
import importlib
import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.extras import needing
from speechnar.hub.fetch import HubError, folder_of
from speechnar.models.folder import ModelError

MODEL_TYPES = ("wav2vec2", "hubert", "wavlm", "whisper")
"""`model_type` of the configs that are known here."""

SAMPLE_RATE = 16000
HOP = 320
"""Samples from one state to the next."""

WINDOW = 400
"""Samples that the convolutions of wav2vec 2.0 and its relatives read for one state."""

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
UNUSED = "masked_spec_embed"
"""A weight for training alone, which some models lack."""


def load_transformers() -> Any:
    """Import transformers, without torchaudio where that does not load, as one that was built for another torch.

    Raises:
        ValueError: transformers is not installed.
    """
    with needing("a pre-trained encoder", "encoders"):
        transformers = importlib.import_module("transformers")
    try:
        importlib.import_module("torchaudio")
    except ImportError:
        pass
    except OSError:
        sys.modules["torchaudio"] = None  # type: ignore[assignment]
        try:
            importlib.import_module("transformers.utils.import_utils").is_torchaudio_available.cache_clear()
            importlib.import_module("transformers.audio_utils")  # the one that imports it
        finally:
            del sys.modules["torchaudio"]
    return transformers


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
    wanted_files([path.name for path in folder.iterdir()], source)
    return folder


def wanted_files(names: Iterable[str], source: str | Path) -> list[str]:
    """Return the files of a pre-trained model that are needed, of all that it has.

    Raises:
        HubError: a file is missing, or the weights are pickled.
    """
    here = sorted(names)
    weights = fnmatch.filter(here, "model*.safetensors")
    for name in (CONFIG, PREPROCESSOR):
        if name not in here:
            raise HubError(f"{source} has no {name}: take a model as transformers' save_pretrained writes it")
    if not weights:
        raise HubError(
            f"{source} has no model.safetensors, and pickled weights are not read: save it again by transformers'"
            " save_pretrained, or take a revision that has safetensors"
        )
    return [CONFIG, PREPROCESSOR, *weights, *fnmatch.filter(here, "model.safetensors.index.json")]


class PretrainedEncoder:
    """The encoder of a pre-trained model, frozen.

    Args:
        folder: of `pretrained_folder`.
        layer: the number of the block whose output is taken, 0 for the input of the first; None for the encoder's
            output, which most models normalize after the last block.
        unpadded: of Whisper: whether a recording is encoded alone, and not with silence up to 30 s, as Whisper was
            trained. That is many times faster.

    Attributes:
        longest: the most states that it computes at once.
        width: channels of a state.

    Raises:
        ModelError: the folder has another kind of model, or not all weights; it has no such layer; `unpadded` is asked
            of another kind than Whisper.
        ValueError: transformers is not installed.
    """

    def __init__(self, folder: Path, layer: int | None = None, unpadded: bool = False) -> None:
        model_type = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("model_type")
        if model_type not in MODEL_TYPES:
            raise ModelError(f"{folder} is a model of type {model_type} but should be one of {', '.join(MODEL_TYPES)}")
        transformers = load_transformers()
        self.whisper = model_type == "whisper"
        if unpadded and not self.whisper:
            raise ModelError(f"{folder} is a model of type {model_type}, which is never padded: leave --unpadded out")
        self._extract: Any = transformers.AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
        self._encoder: Any = _encoder(folder, transformers)
        config = self._encoder.config
        layers = config.encoder_layers if self.whisper else config.num_hidden_layers
        if layer is not None and not 0 <= layer <= layers:
            raise ModelError(f"--layer is {layer} but should be from 0 to {layers}, the layers of {folder}")
        self.width: int = config.d_model if self.whisper else config.hidden_size
        self.longest: int = config.max_source_positions if self.whisper else sys.maxsize
        self._layer, self._unpadded = layer, unpadded
        if unpadded:
            self._positions = self._encoder.embed_positions.weight.detach()

    @torch.inference_mode()
    def __call__(self, wav: Tensor) -> Tensor:
        """Return the states (T, width) of samples (T_wav,).

        T is T_wav / 320, rounded up, of Whisper; of the others, (T_wav - 400) // 320 + 1, the windows that fit.
        Samples that are too few for one state are padded with silence.
        """
        if self.whisper:
            count = math.ceil(len(wav) / HOP)
            wav = F.pad(wav, (0, count * HOP - len(wav)))
            features = self._features(wav, padding="longest" if self._unpadded else "max_length")
            if self._unpadded:
                self._set_positions(count)
            return self._states(features)[:count]
        return self._states(self._features(F.pad(wav, (0, max(0, WINDOW - len(wav))))))

    def _features(self, wav: Tensor, **padding: Any) -> Tensor:
        """Return what the encoder is given: samples (1, T_wav), normalized or not, or log-mel (1, n_mels, T_mel)."""
        found = self._extract(wav.numpy(), sampling_rate=SAMPLE_RATE, return_tensors="pt", **padding)
        features: Tensor = found[self._extract.model_input_names[0]]
        return features

    def _states(self, features: Tensor) -> Tensor:
        found = self._encoder(features, output_hidden_states=self._layer is not None)
        return found.last_hidden_state[0] if self._layer is None else found.hidden_states[self._layer][0]

    def _set_positions(self, count: int) -> None:
        """Let Whisper's encoder, which refuses inputs of another length than its positions, have `count` of them."""
        self._encoder.config.max_source_positions = count
        self._encoder.embed_positions = nn.Embedding.from_pretrained(self._positions[:count])


def _encoder(folder: Path, transformers: Any) -> Any:
    """Return the encoder of a model folder, float32, in evaluation mode.

    Raises:
        ModelError: weights are missing in the folder.
    """
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # else each weight that is not used here is told
    try:
        model, loaded = transformers.AutoModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    finally:
        transformers.logging.set_verbosity(verbosity)
    missing = sorted(name for name in loaded["missing_keys"] if name != UNUSED and not name.startswith("decoder."))
    if missing:
        raise ModelError(f"{folder} lacks {len(missing)} weights of its encoder, such as {missing[0]}: fetch it again")
    encoder: Any = model.encoder if model.config.model_type == "whisper" else model
    return encoder.float().eval().requires_grad_(False)
