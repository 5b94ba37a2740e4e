"""Export trained model folders to a voice folder for the runtime: ONNX graphs, `voice.json` and `origin.json`."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.config import Choice, renamed
from speechnar.export.graph import export_graph, round_weights
from speechnar.export.voice_graphs import GRAPHS, VoiceGraph, acoustic_graph, flow_graph, graph_of
from speechnar.hub.published import load_vocoder
from speechnar.models.folder import ModelError, load_model
from speechnar.models.specs import MODELS, configs_of
from speechnar.runtime.voice_folder import FLOW, VOICE, VoiceInfo
from speechnar.text.symbols import SymbolTable
from speechnar.train.provenance import digest_of

ORIGIN = "origin.json"


@dataclasses.dataclass(frozen=True)
class VoiceCard:
    """`voice.yaml` of a model folder: the description that a voice carries; see `VoiceInfo`."""

    name: str
    language: str
    license: str = dataclasses.field(metadata=renamed("licence"))
    training_data: str
    measured: dict[str, float] = dataclasses.field(default_factory=dict)
    noise_scale: float = 1.0
    speaker_gains: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Origin:
    """`origin.json` of a voice folder: the facts about its models that graphs do not hold, for `restore_voice`.

    Attributes:
        acoustic, vocoder: of `MODELS`, each under its own key; the keys `acoustic` and `vocoder` are short for
            `fastspeech2` and `harmonic_vocos`.
        energy_mean, energy_std: of the acoustic model; natural log magnitude.
    """

    energy_mean: float
    energy_std: float
    acoustic: Choice = config_files.one_of(lambda: configs_of("acoustic"), default="fastspeech2")
    vocoder: Choice = config_files.one_of(lambda: configs_of("vocoder"), default="harmonic_vocos")


def export_voice(model_dir: Path, voice_dir: Path, vocoder_source: str | None = None) -> None:
    """Write a voice folder from `model_dir/{acoustic,vocoder,voice.yaml}`; `voice_dir` is complete or untouched.

    Flow-matching decoders of the latents mel and prosody are taken from `model_dir/flow` and `model_dir/prosody`, where
    these are there.

    Args:
        vocoder_source: a vocoder in place of `model_dir/vocoder`, as `load_vocoder` takes it.

    Raises:
        ModelError: a model is missing or of another kind, the two differ in their audio config, or a graph's
            output is further than 1e-3 from the model's.
        ConfigError: `voice.yaml` cannot be read.
        HubError: the vocoder cannot be fetched or read.
    """
    card = config_files.load(VoiceCard, model_dir / "voice.yaml")
    acoustic, acoustic_config = load_model(model_dir / "acoustic")
    if vocoder_source:
        loaded = load_vocoder(vocoder_source)
        vocoder, vocoder_config = loaded.model, loaded.config
    else:
        vocoder, vocoder_config = load_model(model_dir / "vocoder")
    for config, task in ((acoustic_config, "acoustic"), (vocoder_config, "vocoder")):
        if config.spec.task != task or config.spec.graph not in GRAPHS:
            can = ", ".join(name for name, spec in MODELS.items() if spec.task == task and spec.graph in GRAPHS)
            raise ModelError(f"{model_dir} has the model {config.model.name} as its {task} model: it should be one "
                             f"of {can}")  # fmt: skip
    speakers = acoustic.config.speakers
    if unknown := card.speaker_gains.keys() - set(speakers):
        names = ", ".join(speakers) or "one without a name"
        raise ModelError(f"voice.yaml has a gain of {', '.join(sorted(unknown))}, but the speakers are {names}")
    audio = acoustic_config.audio
    differences = audio.differences(vocoder_config.audio)
    if differences:
        raise ModelError(f"acoustic model and vocoder differ in {', '.join(differences)}: train them on one config")
    symbols = SymbolTable.load(model_dir / "acoustic" / "tokens.txt")
    parts = {"acoustic.onnx": graph_of(acoustic_config, acoustic), "vocoder.onnx": graph_of(vocoder_config, vocoder)}
    parts |= _sampled(model_dir, acoustic, audio)
    for made in parts.values():
        if not made.exact:
            round_weights(made.graph)

    voice_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=voice_dir, prefix=".part") as part:
        metadata = {"audio": json.dumps(config_files.to_dict(audio)), "context": str(vocoder.context)}
        for name, made in parts.items():
            export_graph(
                made.graph, made.given, made.outputs, made.fixed, Path(part) / name, metadata,
                exact=("",) if made.exact else (), change=made.change,
            )  # fmt: skip
        info = VoiceInfo(
            format=VOICE.format, audio=audio, symbols=tuple(symbols.symbols), speakers=speakers,
            **dataclasses.asdict(card),
        )  # fmt: skip
        config_files.save(info, Path(part) / "voice.json")
        energy = (float(acoustic.energy_mean), float(acoustic.energy_std))
        config_files.save(Origin(*energy, acoustic_config.model, vocoder_config.model), Path(part) / ORIGIN)
        for name in (*parts, ORIGIN, "voice.json"):
            os.replace(Path(part) / name, voice_dir / name)
        if FLOW not in parts:
            (voice_dir / FLOW).unlink(missing_ok=True)


def _sampled(model_dir: Path, acoustic: Any, audio: AudioConfig) -> dict[str, VoiceGraph]:
    """Return the graphs of a voice that samples its mel or its prosody, by their files; of another voice, none."""
    mel, prosody = (_flow(model_dir / folder, latent) for latent, folder in (("mel", "flow"), ("prosody", "prosody")))
    parts = {}
    if mel is not None or prosody is not None:
        parts["acoustic.onnx"] = acoustic_graph(acoustic, audio, mel is not None, prosody)
    if mel is not None:
        parts[FLOW] = flow_graph(mel, acoustic.mel_std)
    width, digest = acoustic.config.d_model, digest_of(model_dir / "acoustic")
    for latent, model, wanted in (("mel", mel, width + acoustic.config.n_mels), ("prosody", prosody, width)):
        if model is not None and (model.config.d_condition != wanted or model.config.acoustic not in ("", digest)):
            raise ModelError(f"the {latent} of {model_dir} was trained on another acoustic model: train it on this one")
    return parts


def _flow(folder: Path, latent: str) -> Any:
    """Return the flow-matching decoder in a folder; None where there is no such folder."""
    if not folder.is_dir():
        return None
    model, config = load_model(folder)
    if config.spec.task != "flow" or model.config.latent != latent:
        raise ModelError(f"{folder} should hold a flow_matching model of the latent {latent}")
    return model
