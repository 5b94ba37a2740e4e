"""Model folders: `config.yaml`, `tokens.txt` (acoustic models) and `model.safetensors`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.models.asr.ctc import CTC, CTCConfig
from speechnar.models.asr.mask_ctc import MaskCTC, MaskCTCConfig
from speechnar.models.asr.whisper import Whisper, WhisperConfig
from speechnar.models.autoregressive.aed import AED, AEDConfig
from speechnar.models.tts.aligner import Aligner, AlignerConfig
from speechnar.models.tts.fastspeech2 import FastSpeech2, FastSpeech2Config
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocos, HarmonicVocosConfig
from speechnar.models.vocoder.hifigan import HiFiGAN, HiFiGANConfig
from speechnar.text.symbols import SymbolTable


class ModelError(ValueError):
    """A model folder that cannot be read; the message says why."""


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What `config.yaml` of a model folder holds: one of the models, and the audio that it was trained on."""

    audio: AudioConfig
    fastspeech2: FastSpeech2Config | None = None
    harmonic_vocos: HarmonicVocosConfig | None = None
    hifigan: HiFiGANConfig | None = None
    whisper: WhisperConfig | None = None
    ctc: CTCConfig | None = None
    mask_ctc: MaskCTCConfig | None = None
    aed: AEDConfig | None = None
    aligner: AlignerConfig | None = None


def build(config: ModelConfig) -> nn.Module:
    """The untrained model of a config.

    Raises:
        ModelError: the config names no model.
    """
    if config.fastspeech2:
        return FastSpeech2(config.fastspeech2)
    if config.harmonic_vocos:
        return HarmonicVocos(config.harmonic_vocos, config.audio)
    if config.hifigan:
        return HiFiGAN(config.hifigan, config.audio)
    if config.whisper:
        return Whisper(config.whisper)
    if config.ctc:
        return CTC(config.ctc, config.audio)
    if config.mask_ctc:
        return MaskCTC(config.mask_ctc, config.audio)
    if config.aed:
        return AED(config.aed, config.audio)
    if config.aligner:
        return Aligner(config.aligner)
    names = [field.name for field in dataclasses.fields(config) if field.name != "audio"]
    raise ModelError(f"the model's config has none of {', '.join(names)}")


def save_model(folder: Path, config: ModelConfig, model: nn.Module, symbols: SymbolTable | None = None) -> None:
    """Writes a model folder; each file beside its target first, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    config_files.save(config, folder / "config.yaml")
    if symbols is not None:
        symbols.save(folder / "tokens.txt")
    part = folder / "model.safetensors.part"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, part)
    part.replace(folder / "model.safetensors")


def load_model(folder: Path) -> tuple[Any, ModelConfig]:
    """Reads a model folder: the model in evaluation mode, and its config.

    Raises:
        ModelError: files are missing or broken, or weights and config do not fit each other.
        ConfigError: `config.yaml` cannot be read.
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
