"""Trained model folders to a voice folder for the runtime: two ONNX graphs, `voice.json` and `origin.json`.

Everything between tokens and samples is in the graphs. The Fourier matrices are stored as the formula that makes them.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from speechnar import config as config_files
from speechnar.config import renamed
from speechnar.export.graph import FOURIER, export_graph, fourier_nodes, prepend, round_weights
from speechnar.hub.published import load_vocoder
from speechnar.models.folder import ModelError, load_model
from speechnar.models.tts.fastspeech2 import FastSpeech2, FastSpeech2Config, Prosody
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocos, HarmonicVocosConfig
from speechnar.models.vocoder.hifigan import HiFiGAN, HiFiGANConfig
from speechnar.nar.lengths import regulate, token_of_frame
from speechnar.runtime.voice import VOICE, VoiceInfo
from speechnar.text.symbols import SymbolTable

CONTROLS = ("speed", "pitch_shift", "pitch_range", "energy")
ORIGIN = "origin.json"


@dataclasses.dataclass(frozen=True)
class VoiceCard:
    """`voice.yaml` of a model folder: what a voice says of itself."""

    name: str
    language: str
    license: str = dataclasses.field(metadata=renamed("licence"))
    training_data: str
    measured: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Origin:
    """`origin.json` of a voice folder: what its graphs do not say of the models they were made of, for `restore_voice`.

    Attributes:
        vocoder: None where it is a `hifigan`.
        energy_mean, energy_std: of the acoustic model; natural log magnitude.
    """

    acoustic: FastSpeech2Config
    vocoder: HarmonicVocosConfig | None
    energy_mean: float
    energy_std: float
    hifigan: HiFiGANConfig | None = None


class AcousticGraph(nn.Module):
    """Tokens and controls to mel, F0 and durations, for one utterance; see `forward`."""

    def __init__(self, model: FastSpeech2) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, tokens: Tensor, speed: Tensor, pitch_shift: Tensor, pitch_range: Tensor, energy: Tensor,
        speaker: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """All inputs (1, T_text): ids; factor; semitones; factor about the voice's mean; dB. But `speaker` is (1,).

        Token ends are rounded, not durations, so that a sentence's length does not drift from what was predicted.
        """
        model = self.model
        hidden, log_durations = model.encode(tokens, None, speaker)
        ends = ((log_durations.exp() - 1).clamp(min=1.0) / speed).cumsum(1).round().clamp(min=1).long()
        durations = ends - torch.cat([torch.zeros_like(ends[:, :1]), ends[:, :-1]], dim=1)
        frame_tokens = token_of_frame(durations, durations.sum())
        frames = model.frames(hidden, durations, durations.sum())
        controls = regulate(torch.stack([pitch_shift, pitch_range, energy], dim=2), frame_tokens)
        predicted = model.predict_prosody(frames, None)
        voiced = (predicted.voiced > 0).to(hidden.dtype)
        mean, std = model.log_f0_moments(speaker)
        shift = controls[:, :, 0] * (math.log(2) / 12) / std
        log_f0 = predicted.log_f0 * controls[:, :, 1] + shift
        mel = model.decode(frames, Prosody(log_f0, voiced, predicted.energy), None, speaker)
        f0 = (log_f0 * std + mean).exp() * voiced
        return mel + controls[:, :, 2:] * (math.log(10) / 20), f0, durations


class HiFiGANGraph(nn.Module):
    """mel to wav."""

    def __init__(self, model: HiFiGAN) -> None:
        super().__init__()
        self.model = model

    def forward(self, mel: Tensor) -> Tensor:
        return self.model(mel).wav


class VocoderGraph(nn.Module):
    """mel, F0, noise and the starting phase to (wav, phases)."""

    def __init__(self, model: HarmonicVocos) -> None:
        super().__init__()
        self.model = model

    def forward(self, mel: Tensor, f0: Tensor, noise: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        output = self.model(mel, f0, noise, phase)
        return output.wav, output.phases


def export_voice(model_dir: Path, voice_dir: Path, vocoder_source: str | None = None) -> None:
    """Writes a voice folder from `model_dir/{acoustic,vocoder,voice.yaml}`; `voice_dir` is complete or untouched.

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
    if not isinstance(acoustic, FastSpeech2) or not isinstance(vocoder, (HarmonicVocos, HiFiGAN)):
        raise ModelError(
            f"{model_dir} should hold a FastSpeech 2 in acoustic/ and a Harmonic Vocos or a HiFi-GAN in vocoder/"
        )
    audio = acoustic_config.audio
    differences = audio.differences(vocoder_config.audio)
    if differences:
        raise ModelError(f"acoustic model and vocoder differ in {', '.join(differences)}: train them on one config")
    symbols = SymbolTable.load(model_dir / "acoustic" / "tokens.txt")
    round_weights(acoustic)
    if isinstance(vocoder, HarmonicVocos):
        round_weights(vocoder)

    voice_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=voice_dir, prefix=".part") as part:
        metadata = {"audio": json.dumps(config_files.to_dict(audio)), "context": str(vocoder.context)}
        export_graph(
            AcousticGraph(acoustic), acoustic_inputs(acoustic), ("mel", "f0", "durations"), ("speaker",),
            Path(part) / "acoustic.onnx", metadata,
        )  # fmt: skip
        path = Path(part) / "vocoder.onnx"
        if isinstance(vocoder, HiFiGAN):
            export_graph(
                HiFiGANGraph(vocoder), vocoder_inputs(vocoder), ("wav",), (), path, metadata,
                exact=("",),  # all of it: what 8 bits would cost is not measured
            )  # fmt: skip
        else:
            export_graph(
                VocoderGraph(vocoder), vocoder_inputs(vocoder), ("wav", "phases"), ("phase",), path, metadata,
                change=partial(_fourier_by_formula, model=vocoder),
            )  # fmt: skip
        info = VoiceInfo(
            format=VOICE.format, audio=audio, symbols=tuple(symbols.symbols), speakers=acoustic.config.speakers,
            **dataclasses.asdict(card),
        )  # fmt: skip
        config_files.save(info, Path(part) / "voice.json")
        energy = (float(acoustic.energy_mean), float(acoustic.energy_std))
        harmonic, hifigan = vocoder_config.harmonic_vocos, vocoder_config.hifigan
        config_files.save(Origin(acoustic.config, harmonic, *energy, hifigan), Path(part) / ORIGIN)
        for name in ("acoustic.onnx", "vocoder.onnx", ORIGIN, "voice.json"):
            os.replace(Path(part) / name, voice_dir / name)


def acoustic_inputs(model: FastSpeech2, length: int = 40) -> dict[str, Tensor]:
    """An example of what an acoustic graph is given: `speaker` only where there are several."""
    tokens = torch.randint(3, model.config.n_symbols, (1, length), generator=torch.Generator().manual_seed(0))
    values = (1.1, 1.0, 0.9, -1.0)
    given = {"tokens": tokens} | {name: torch.full((1, length), value) for name, value in zip(CONTROLS, values)}
    return given | ({"speaker": torch.tensor([1])} if model.config.speakers else {})


def vocoder_inputs(model: HarmonicVocos | HiFiGAN, length: int = 60) -> dict[str, Tensor]:
    """An example of what a vocoder's graph is given."""
    torch.manual_seed(0)
    mel = model.mel_mean + 0.3 * model.mel_std * torch.randn(1, length, model.audio.n_mels)
    if isinstance(model, HiFiGAN):
        return {"mel": mel}
    f0 = torch.linspace(150, 250, length)[None] * (torch.arange(length) % 20 > 5)
    return {"mel": mel, "f0": f0, "noise": torch.randn(1, length, model.n_noise), "phase": torch.tensor([0.25])}


def _fourier_by_formula(graph: onnx.GraphProto, model: HarmonicVocos) -> None:
    """Replaces the two Fourier matrices by nodes that make them of a table of one turn."""
    stft = model.stft
    n_fft = stft.hop_length * stft.overlap
    matrices = {"analysis": stft.analysis.numpy(), "synthesis": stft.synthesis.numpy()}
    names = {}
    for name, matrix in matrices.items():
        for tensor in graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.shape == matrix.shape and np.array_equal(values, matrix):
                names[name] = tensor
                break
        else:
            raise ModelError(f"the exported vocoder lacks its {name} matrix: export it with a newer torch")
    turn = 2 * np.pi / n_fft * np.arange(n_fft)
    window = (0.5 - 0.5 * np.cos(turn)) / n_fft**0.5
    weights = np.full(stft.n_bins, 2.0)
    weights[0] = 1.0
    if n_fft % 2 == 0:
        weights[-1] = 1.0
    weights = np.tile(weights / (3 / 8 * stft.overlap), 2)
    constants = {
        "fourier_window": window.astype(np.float32)[:, None],
        "fourier_weights": weights.astype(np.float32)[None],
    }
    for tensor in names.values():
        graph.initializer.remove(tensor)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    make = helper.make_node
    prepend(
        graph,
        [
            *fourier_nodes(graph, n_fft),
            make("Mul", [FOURIER, "fourier_window"], [names["analysis"].name]),
            make("Mul", [names["analysis"].name, "fourier_weights"], ["fourier_weighted"]),
            make("Transpose", ["fourier_weighted"], [names["synthesis"].name], perm=[1, 0]),
        ],
    )
