"""Export what a voice sings with: an acoustic model with notes and, where there is one, a vocoder of its own.

The graphs go into the folder of a voice, beside those with which it speaks. They have their own table of symbols, so
that the voice can be trained and exported anew without them.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from speechnar import config as config_files
from speechnar.export.graph import export_graph, round_to_steps
from speechnar.export.voice_graphs import VoiceGraph, acoustic_inputs, graph_of
from speechnar.models.folder import ModelError, load_model
from speechnar.models.tts.fastspeech2 import FastSpeech2, Prosody
from speechnar.runtime.voice_folder import SINGING, SINGING_VOCODER, VoiceInfo
from speechnar.text.symbols import SymbolTable

STEP = 0.26
"""Of the weights, so that model and vocoder take 6 MB of the package: `round_to_steps`."""


class SingingGraph(nn.Module):
    """Phones on notes and the F0 that is to be sung to mel, for one phrase; see `forward`."""

    def __init__(self, model: FastSpeech2) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, tokens: Tensor, durations: Tensor, notes: Tensor, f0: Tensor, speaker_weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute the mel of one phrase.

        Args:
            tokens: (1, T_text) ids.
            durations: (1, T_text) frames, which sum to T_mel.
            notes: (1, T_text, 3) MIDI pitch, seconds and slur of the note of each token.
            f0: (1, T_mel) Hz, above 0 everywhere; frames that the model finds unvoiced do not use it.
            speaker_weights: (1, n_speakers), which sum to 1; None in a model of one speaker.

        Returns:
            (1, T_mel, n_mels) natural log magnitude; (1, T_mel) 1 where voiced, else 0.
        """
        model = self.model
        hidden, _ = model.encode(tokens, None, speaker_weights, notes)
        frames = model.frames(hidden, durations, f0.shape[1])
        predicted = model.predict_prosody(frames, None)
        voiced = (predicted.voiced > 0).to(hidden.dtype)
        mean, std = model.log_f0_moments(speaker_weights)
        mel = model.decode(frames, Prosody((f0.log() - mean) / std, voiced, predicted.energy), None, speaker_weights)
        return mel, voiced


def singing_inputs(model: FastSpeech2, length: int = 12) -> dict[str, Tensor]:
    """Return example inputs of the graph of a model that sings."""
    given = acoustic_inputs(model, length)
    durations = torch.arange(length)[None] % 5 + 1
    notes = torch.tensor([60.0, 0.5, 0.0]).repeat(1, length, 1)
    f0 = torch.linspace(200.0, 400.0, int(durations.sum()))[None]
    more = {"speaker_weights": given["speaker_weights"]} if model.config.speakers else {}
    return {"tokens": given["tokens"], "durations": durations, "notes": notes, "f0": f0} | more


def export_singing(model_dir: Path, voice_dir: Path) -> None:
    """Write `singing.onnx` of `model_dir/singing` into a voice folder, and `singing_vocoder.onnx` where
    `model_dir/singing_vocoder` is there; the folder gets all of it or nothing.

    Raises:
        ModelError: `singing` is no acoustic model with notes, or a model differs from the voice in its audio config.
        SpeechError: `voice_dir` is no voice.
    """
    info = VoiceInfo.load(voice_dir)
    model, config = load_model(model_dir / "singing")
    if config.spec.graph != "acoustic" or not model.config.notes:
        raise ModelError(f"{model_dir / 'singing'} is no model that sings: train it with `notes: true`")
    symbols = SymbolTable.load(model_dir / "singing" / "tokens.txt").symbols
    given = singing_inputs(model)
    parts = {SINGING: VoiceGraph(SingingGraph(model), given, ("mel", "voiced"), ("speaker_weights",))}
    configs = [config]
    context = ""
    if (model_dir / "singing_vocoder").is_dir():
        vocoder, vocoder_config = load_model(model_dir / "singing_vocoder")
        parts[SINGING_VOCODER] = graph_of(vocoder_config, vocoder)
        configs.append(vocoder_config)
        context = str(vocoder.context)
    for differences in (c.audio.differences(info.audio) for c in configs):
        if differences:
            raise ModelError(f"{model_dir} and {voice_dir} differ in {', '.join(differences)}: train on one config")
    about = {
        "audio": json.dumps(config_files.to_dict(info.audio)),
        "symbols": json.dumps(symbols),
        "speakers": json.dumps(model.config.speakers or [info.name]),
        "context": context,
    }
    with tempfile.TemporaryDirectory(dir=voice_dir, prefix=".part") as part:
        for name, made in parts.items():
            round_to_steps(made.graph, STEP)
            path = Path(part) / name
            export_graph(
                made.graph, made.given, made.outputs, made.fixed, path, about, axes=_axes(made), change=made.change
            )
        for name in parts:
            os.replace(Path(part) / name, voice_dir / name)


def _axes(made: VoiceGraph) -> dict[str, dict[int, str]] | None:
    """Return the dynamic dimensions of the singing graph, whose frames are not as many as its tokens."""
    if "notes" not in made.given:
        return None
    frames = {name: {1: "frames"} for name in ("f0", "mel", "voiced")}
    return {name: {1: "tokens"} for name in ("tokens", "durations", "notes")} | frames
