"""Make the graphs of a voice: acoustic model, vocoder and a step of flow matching, each with an example of its inputs.

Everything between tokens and samples is in the graphs. The Fourier matrices are stored as the formula that makes them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper
from torch import Tensor, nn

from speechnar.audio import AudioConfig
from speechnar.export.graph import FOURIER_IMAGINARY, FOURIER_REAL, fourier_nodes, prepend
from speechnar.models.folder import ModelConfig, ModelError
from speechnar.models.tts.fastspeech2 import FastSpeech2, Prosody
from speechnar.models.tts.flow_matching import FlowMatching
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocos
from speechnar.models.vocoder.hifigan import HiFiGAN
from speechnar.nar.lengths import regulate, token_of_frame
from speechnar.runtime.voice import EDGE

CONTROLS = ("speed", "pitch_shift", "pitch_range", "energy")
PROSODY_STEPS = 8  # Euler steps over the tokens, of which there are few
SMOOTHED = 9  # frames, about a tenth of a second


@dataclasses.dataclass(frozen=True)
class VoiceGraph:
    """One graph of a voice, as `export_graph` writes it.

    Attributes:
        given: an example of the inputs.
        fixed: inputs and outputs whose second dimension is not time.
        exact: whether every weight stays float32, and none is rounded to 8 bits.
        change: changes the ONNX graph before its weights become integers.
    """

    graph: nn.Module
    given: dict[str, Tensor]
    outputs: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    exact: bool = False
    change: Callable[[onnx.GraphProto], None] | None = None


class AcousticGraph(nn.Module):
    """Tokens and controls to mel, F0 and durations, for one utterance; see `forward`.

    Args:
        longest_silence: the most frames of silence before and after a sentence at speed 1.
        with_condition: whether there is a fourth output, what a flow-matching decoder of the mel reads.
        prosody: a flow-matching decoder of the prosody, whose sample is added to the prediction.
    """

    def __init__(
        self, model: FastSpeech2, longest_silence: float, with_condition: bool = False,
        prosody: FlowMatching | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.model, self.longest_silence = model, longest_silence
        self.with_condition, self.prosody = with_condition, prosody

    def forward(
        self, tokens: Tensor, speed: Tensor, pitch_shift: Tensor, pitch_range: Tensor, energy: Tensor, *more: Tensor
    ) -> tuple[Tensor, ...]:
        """Compute the mel, F0 and the durations of one utterance.

        Token ends are rounded, not durations, so that a sentence's length does not drift from what was predicted. The
        silences around a sentence are no longer than the runtime keeps.

        Args:
            tokens: (1, T_text) ids.
            speed: (1, T_text) factor.
            pitch_shift: (1, T_text) semitones.
            pitch_range: (1, T_text) factor of the distance of F0 from the voice's mean.
            energy: (1, T_text) dB.
            more: in a model of several speakers, speaker_weights (1, n_speakers), which sum to 1; with a sampled
                prosody, prosody_noise (1, T_text, 3), standard normal values times the temperature.

        Returns:
            (1, T_mel, n_mels) natural log magnitude; (1, T_mel) Hz, 0 = unvoiced; (1, T_text) frames; and, if it is
            asked for, the condition (1, T_mel, C + n_mels).
        """
        model = self.model
        speaker_weights = more[0] if model.config.speakers else None
        hidden, log_durations = model.encode(tokens, None, speaker_weights)
        if self.prosody is not None:
            sampled = self.prosody.sample(more[-1], hidden, PROSODY_STEPS)
            log_durations = log_durations + sampled[:, :, 0]
        ends = ((log_durations.exp() - 1).clamp(min=1.0) / speed).cumsum(1).round().clamp(min=1).long()
        durations = ends - torch.cat([torch.zeros_like(ends[:, :1]), ends[:, :-1]], dim=1)
        longest = (self.longest_silence / speed[:, :1]).round().long()
        lead, trail = ((durations[:, n : n + 1] - longest).clamp(min=0) for n in (0, tokens.shape[1] - 1))
        heard = slice(lead[0, 0], durations.sum() - trail[0, 0])
        frame_tokens = token_of_frame(durations, durations.sum())[:, heard]
        frames = model.frames(hidden, durations, durations.sum())[:, heard]
        durations = torch.cat([durations[:, :1] - lead, durations[:, 1:-1], durations[:, -1:] - trail], dim=1)
        controls = regulate(torch.stack([pitch_shift, pitch_range, energy], dim=2), frame_tokens)
        predicted = model.predict_prosody(frames, None)
        if self.prosody is not None:
            log_f0, level = smoothed(regulate(sampled[:, :, 1:], frame_tokens)).unbind(2)
            predicted = Prosody(predicted.log_f0 + log_f0, predicted.voiced, predicted.energy + level)
        voiced = (predicted.voiced > 0).to(hidden.dtype)
        mean, std = model.log_f0_moments(speaker_weights)
        shift = controls[:, :, 0] * (math.log(2) / 12) / std
        log_f0 = predicted.log_f0 * controls[:, :, 1] + shift
        decoded = model.decode_hidden(frames, Prosody(log_f0, voiced, predicted.energy), None, speaker_weights)
        f0 = (log_f0 * std + mean).exp() * voiced
        mel = model.mel_of(decoded) + controls[:, :, 2:] * (math.log(10) / 20)
        return (mel, f0, durations, *([model.read_mel(decoded)] if self.with_condition else []))


def smoothed(values: Tensor) -> Tensor:
    """Return values (B, T, C) averaged over `SMOOTHED` frames, so that they do not jump where a token ends."""
    side = SMOOTHED // 2
    padded = F.pad(values.transpose(1, 2), (side, side), mode="replicate")
    return F.avg_pool1d(padded, SMOOTHED, stride=1).transpose(1, 2)


class FlowGraph(nn.Module):
    """One Euler step of a flow-matching decoder of the mel, and what the state adds to the log-mel.

    Args:
        mel_std: (n_mels,) of the acoustic model.
    """

    def __init__(self, model: FlowMatching, mel_std: Tensor) -> None:
        super().__init__()
        self.model, self.scale = model, model.residual_std * mel_std

    def forward(self, state: Tensor, time: Tensor, size: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return the state after a step of `size` (1,) from `time` (1,), and the mel's change; (1, T_mel, n_mels)."""
        state = self.model.step(state, time, size, condition)
        return state, state * self.scale


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


def acoustic_inputs(model: FastSpeech2, length: int = 40) -> dict[str, Tensor]:
    """Return example inputs of an acoustic graph; `speaker_weights` only where there are several."""
    tokens = torch.randint(3, model.config.n_symbols, (1, length), generator=torch.Generator().manual_seed(0))
    values = (1.1, 1.0, 0.9, -1.0)
    given = {"tokens": tokens} | {name: torch.full((1, length), value) for name, value in zip(CONTROLS, values)}
    n_speakers = len(model.config.speakers)
    return given | ({"speaker_weights": torch.full((1, n_speakers), 1 / n_speakers)} if n_speakers else {})


def _mel(model: Any, length: int) -> Tensor:
    torch.manual_seed(0)
    return model.mel_mean + 0.3 * model.mel_std * torch.randn(1, length, model.audio.n_mels)


def acoustic_graph(
    model: Any, audio: AudioConfig, with_condition: bool = False, prosody: FlowMatching | None = None
) -> VoiceGraph:
    """Return the graph of an acoustic model; see `AcousticGraph`."""
    graph = AcousticGraph(model, EDGE * audio.sample_rate / audio.hop_length, with_condition, prosody)
    given = acoustic_inputs(model)
    if prosody is not None:
        noise = torch.randn(1, given["tokens"].shape[1], prosody.config.n_features)
        given |= {"prosody_noise": 0.3 * noise}
    outputs = ("mel", "f0", "durations", *(["condition"] if with_condition else []))
    return VoiceGraph(graph, given, outputs, ("speaker_weights",))


def flow_graph(model: FlowMatching, mel_std: Tensor, length: int = 60) -> VoiceGraph:
    """Return the graph of a step of a flow-matching decoder of the mel; `mel_std` (n_mels,) of the acoustic model."""
    given = {
        "state": torch.randn(1, length, model.config.n_features),
        "time": torch.tensor([0.5]),
        "size": torch.tensor([0.5]),
        "condition": torch.randn(1, length, model.config.d_condition),
    }
    return VoiceGraph(FlowGraph(model, mel_std), given, ("next", "change"), ("time", "size"))


def _hifigan(model: HiFiGAN, audio: AudioConfig, length: int = 60) -> VoiceGraph:
    # The loss of quality by weights of 8 bits is not measured.
    return VoiceGraph(HiFiGANGraph(model), {"mel": _mel(model, length)}, ("wav",), exact=True)


def _harmonic_vocos(model: HarmonicVocos, audio: AudioConfig, length: int = 60) -> VoiceGraph:
    given = vocoder_inputs(model, length)
    change = partial(_fourier_by_formula, model=model)
    return VoiceGraph(VocoderGraph(model), given, ("wav", "phases"), ("phase",), change=change)


GRAPHS: dict[str | None, Callable[[Any, AudioConfig], VoiceGraph]] = {
    "acoustic": acoustic_graph,
    "hifigan": _hifigan,
    "harmonic_vocos": _harmonic_vocos,
}
"""Functions that make the graph of an acoustic model or a vocoder, by the name that the model's spec has in `graph`."""


def graph_of(config: ModelConfig, model: nn.Module) -> VoiceGraph:
    """Return the graph of a model, which shares the model's weights."""
    return GRAPHS[config.spec.graph](model, config.audio)


def vocoder_inputs(model: HarmonicVocos, length: int = 60) -> dict[str, Tensor]:
    """Return an example of the inputs of a Harmonic Vocos graph."""
    mel = _mel(model, length)
    f0 = torch.linspace(150, 250, length)[None] * (torch.arange(length) % 20 > 5)
    return {"mel": mel, "f0": f0, "noise": torch.randn(1, length, model.n_noise), "phase": torch.tensor([0.25])}


def _fourier_by_formula(graph: onnx.GraphProto, model: HarmonicVocos) -> None:
    """Replace the Fourier matrices by nodes that compute them from a table of one period."""
    stft = model.stft
    n_fft, rows = stft.hop_length * stft.overlap, stft.n_bins
    weights = np.full((1, rows), 2.0)
    weights[:, 0] = 1.0
    if n_fft % 2 == 0:
        weights[:, -1] = 1.0
    constants = {
        "fourier_window": stft.window.numpy()[:rows, None],
        "fourier_weights": (weights / (3 / 8 * stft.overlap)).astype(np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    make = helper.make_node
    nodes = fourier_nodes(graph, n_fft, rows)
    for kind, plain in (("cosines", FOURIER_REAL), ("sines", FOURIER_IMAGINARY)):
        analysis = _taken(graph, getattr(stft, f"analysis_{kind}").numpy())
        synthesis = _taken(graph, getattr(stft, f"synthesis_{kind}").numpy())
        nodes += [
            make("Mul", [plain, "fourier_window"], [analysis]),
            make("Mul", [analysis, "fourier_weights"], [f"{synthesis}_turned"]),
            make("Transpose", [f"{synthesis}_turned"], [synthesis], perm=[1, 0]),
        ]
    prepend(graph, nodes)


def _taken(graph: onnx.GraphProto, matrix: np.ndarray) -> str:
    """Remove a matrix from a graph's constants and return its name."""
    for tensor in graph.initializer:
        if tuple(tensor.dims) == matrix.shape and np.array_equal(numpy_helper.to_array(tensor), matrix):
            graph.initializer.remove(tensor)
            return tensor.name
    raise ModelError("the exported vocoder lacks a Fourier matrix: export it with a newer torch")
