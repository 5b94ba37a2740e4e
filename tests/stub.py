"""A voice that needs no training: it keeps the contract of a voice folder, and what it will say is known in advance.

Acoustic model: `FRAMES` frames a token at speed 1; F0 is 100 Hz plus the token's id, none for pauses; mel is `mel_of`.
Vocoder: a sine that follows F0 from frame to frame under a loudness that is the mean of three frames of mel, and a
little noise: a chunk of it is right only with the right phase, context and noise.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.runtime.voice_folder import VoiceInfo
from speechnar.text.symbols import EN_US

AUDIO = AudioConfig(sample_rate=16000, n_fft=800, hop_length=200, win_length=800, n_mels=4)
FRAMES = 5
N_NOISE = 3
FIRST_VOICED = EN_US.index("b")  # before it: <pad>, <s>, </s>, the space and the pauses
F0_CENTRE = 150.0  # Hz: what every phone has at pitch range 0


def mel_of(token: int) -> float:
    """The value of all bands in the frames of a token."""
    return token / 100 - 2


class Graph:
    """An ONNX graph, written down line by line."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, op: str, *inputs: object, name: str = "", **attributes: object) -> str:
        """Adds a node and returns its output's name. Inputs are names, or constants: floats are float32, ints int64."""
        name = name or f"{op}_{len(self.nodes)}"
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(op, names, [name], **attributes))
        return name

    def constant(self, value: object) -> str:
        array = np.asarray(value)
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array.astype("f4" if array.dtype.kind == "f" else "i8"), name))
        return name

    def save(self, path: Path, inputs: dict[str, list], outputs: dict[str, list], metadata: dict[str, str]) -> None:
        """Takes the shapes of inputs and outputs; tokens and durations are int64, the others float32."""

        def info(name: str, shape: list) -> onnx.ValueInfoProto:
            kind = TensorProto.INT64 if name in ("tokens", "durations") else TensorProto.FLOAT
            return helper.make_tensor_value_info(name, kind, shape)

        given, made = ([info(*item) for item in shapes.items()] for shapes in (inputs, outputs))
        graph = helper.make_graph(self.nodes, path.stem, given, made, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(path))


def save_acoustic(path: Path, audio: AudioConfig) -> None:
    g = Graph()
    frames = g("Max", g("Round", g("Div", float(FRAMES), "speed")), 1.0)
    g("Cast", frames, name="durations", to=TensorProto.INT64)
    clock = g("Unsqueeze", g("Range", 0, g("ReduceSum", "durations", keepdims=0), 1), [1])
    passed = g("Cast", g("GreaterOrEqual", clock, g("CumSum", "durations", 1)), to=TensorProto.INT64)
    token = g("ReduceSum", passed, [1], keepdims=0)  # (T_mel,)

    number = g("Cast", "tokens", to=TensorProto.FLOAT)
    deviation = g("Pow", g("Div", g("Add", number, 100.0), F0_CENTRE), "pitch_range")
    shift = g("Pow", 2.0, g("Div", "pitch_shift", 12.0))
    voiced = g("Cast", g("GreaterOrEqual", "tokens", FIRST_VOICED), to=TensorProto.FLOAT)
    f0 = g("Mul", g("Mul", g("Mul", deviation, shift), F0_CENTRE), voiced)
    g("Gather", f0, token, name="f0", axis=1)

    louder = g("Mul", "energy", math.log(10) / 20)
    mel = g("Add", g("Sub", g("Div", number, 100.0), 2.0), louder)
    band = g("Unsqueeze", g("Gather", mel, token, axis=1), [2])
    g("Concat", *[band] * audio.n_mels, name="mel", axis=2)
    controls = ("tokens", "speed", "pitch_shift", "pitch_range", "energy")
    g.save(
        path,
        {name: [1, "T_text"] for name in controls},
        {"mel": [1, "T_mel", audio.n_mels], "f0": [1, "T_mel"], "durations": [1, "T_text"]},
        {"audio": json.dumps(dataclasses.asdict(audio))},
    )


def save_vocoder(path: Path, audio: AudioConfig) -> None:
    g = Graph()
    hop = audio.hop_length
    step = g("Mul", "f0", hop / audio.sample_rate)
    total = g("CumSum", g("Cast", step, to=TensorProto.DOUBLE), 1)
    cycles = g("Add", total, g("Cast", "phase", to=TensorProto.DOUBLE))
    later = g("Cast", g("Sub", cycles, g("Floor", cycles)), to=TensorProto.FLOAT)
    g("Concat", g("Unsqueeze", "phase", [0]), later, name="phases", axis=1)
    at_start = g("Unsqueeze", g("Slice", "phases", [0], [-1], [1]), [2])
    within = g("Mul", g("Unsqueeze", step, [2]), np.arange(hop) / hop)
    sine = g("Sin", g("Mul", g("Add", at_start, within), 2 * math.pi))

    band = g("Transpose", g("Slice", "mel", [0], [1], [2]), perm=[0, 2, 1])
    mean = g("AveragePool", band, kernel_shape=[3], pads=[1, 1])
    loudness = g("Transpose", g("Exp", mean), perm=[0, 2, 1])
    hiss = g("Mul", g("ReduceMean", "noise", axes=[2], keepdims=1), 0.01)
    g("Reshape", g("Add", g("Mul", sine, loudness), hiss), [1, -1], name="wav")
    g.save(
        path,
        {"mel": [1, "T", audio.n_mels], "f0": [1, "T"], "noise": [1, "T", N_NOISE], "phase": [1]},
        {"wav": [1, "T_wav"], "phases": [1, "T_phases"]},
        {"audio": json.dumps(dataclasses.asdict(audio)), "context": "1"},
    )


def save_voice(folder: Path) -> None:
    """Writes the whole voice folder."""
    folder.mkdir(parents=True)
    save_acoustic(folder / "acoustic.onnx", AUDIO)
    save_vocoder(folder / "vocoder.onnx", AUDIO)
    info = VoiceInfo(1, "stub", "en-us", "CC0-1.0", "none", AUDIO, EN_US, {"WER": 99.5})
    config.save(info, folder / "voice.json")
