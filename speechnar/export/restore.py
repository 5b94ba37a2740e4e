"""Restore the torch models that a voice folder was exported from, so that training can start from them.

Weights that are stored as 8-bit integers become the float32 values that the runtime computes with: a restored voice has
the outputs of the exported one, and a second export gives the same files.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from speechnar import config as config_files
from speechnar.export.graph import PARITY, parity
from speechnar.export.voice import ORIGIN, Origin, VoiceCard
from speechnar.export.voice_graphs import VoiceGraph, graph_of
from speechnar.export.weights import weights_of
from speechnar.models.folder import ModelConfig, ModelError, build, save_model
from speechnar.models.vocoder.harmonic_vocos import ADDED
from speechnar.runtime.voice_folder import FLOW, VoiceInfo
from speechnar.text.symbols import SymbolTable


def restore_voice(voice_dir: Path, model_dir: Path) -> None:
    """Write `model_dir/{acoustic,vocoder,voice.yaml}`, from which `export_voice` makes the same voice again.

    Args:
        model_dir: a folder that is not there, or empty; it is complete afterwards, or as it was.

    Raises:
        ModelError: `model_dir` has something in it; the voice samples its mel or its prosody; it has no `origin.json`;
            its graphs cannot be read, or do not hold the models that this file describes.
        SpeechError, ConfigError: `voice.json` or `origin.json` cannot be read.
    """
    refuse_occupied(model_dir)
    info = VoiceInfo.load(voice_dir)
    if not (voice_dir / ORIGIN).exists():
        raise ModelError(f"{voice_dir} has no {ORIGIN}, which says what models it was made of: export it again")
    origin = config_files.load(Origin, voice_dir / ORIGIN)
    if (voice_dir / FLOW).exists() or any(
        name.startswith("prosody.") for name in weights_of(voice_dir / "acoustic.onnx")
    ):
        raise ModelError(
            f"{voice_dir} samples, and such a voice cannot be restored: take the models it was exported from"
        )
    acoustic_config = ModelConfig(info.audio, origin.acoustic)
    vocoder_config = ModelConfig(info.audio, origin.vocoder)

    acoustic = _of_graph(acoustic_config, voice_dir / "acoustic.onnx", {"energy_mean", "energy_std"})
    acoustic.set_statistics(energy_mean=origin.energy_mean, energy_std=origin.energy_std)
    vocoder = _of_graph(vocoder_config, voice_dir / "vocoder.onnx", set(ADDED))
    _check(graph_of(acoustic_config, acoustic), voice_dir / "acoustic.onnx")
    _check(graph_of(vocoder_config, vocoder), voice_dir / "vocoder.onnx")

    card = VoiceCard(**{field.name: getattr(info, field.name) for field in dataclasses.fields(VoiceCard)})
    model_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model_dir.parent, prefix=".part") as part:
        whole = Path(part) / "models"
        save_model(whole / "acoustic", acoustic_config, acoustic, SymbolTable(info.symbols))
        save_model(whole / "vocoder", vocoder_config, vocoder)
        config_files.save(card, whole / "voice.yaml")
        os.replace(whole, model_dir)


def refuse_occupied(model_dir: Path) -> None:
    """Check that a folder is not there, or empty.

    Raises:
        ModelError: it has something in it, or is a file.
    """
    if model_dir.exists() and (not model_dir.is_dir() or any(model_dir.iterdir())):
        raise ModelError(f"{model_dir} is not empty: name a new folder, so that nothing is lost")


def _of_graph(config: ModelConfig, path: Path, absent: set[str]) -> Any:
    """Return the model of a config with the weights of a graph; `absent` ones may be missing."""
    found = {name.removeprefix("model."): w for name, w in weights_of(path).items() if name.startswith("model.")}
    return filled(config, found, path, ORIGIN, absent)


def filled(
    config: ModelConfig, found: Mapping[str, Tensor], path: Path, described: str, absent: Collection[str] = ()
) -> Any:
    """Return the model of a config with weights by their names, in evaluation mode; `absent` ones may be missing.

    Args:
        path: where the weights were found; described: the file that says what they are of. Both are for messages.

    Raises:
        ModelError: a weight is missing, or of another shape.
    """
    model = build(config)
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items() if name in found or name not in absent}
    wrong = [name for name, shape in wanted.items() if name not in found or found[name].shape != shape]
    if wrong:
        raise ModelError(f"{path} lacks {wrong[0]} in the shape that {described} asks for: the two do not belong "
                         "together")  # fmt: skip
    model.load_state_dict({name: found[name] for name in wanted}, strict=False)
    return model.eval()


def _check(made: VoiceGraph, path: Path) -> None:
    error = parity(made.graph, made.given, path)
    if not error < PARITY:
        raise ModelError(f"the model restored of {path} differs from it by {error:.2g}: take the version that made it")
