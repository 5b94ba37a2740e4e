"""Export a trained recognizer to a folder for the runtime: an ONNX graph from samples to log-probabilities, two more of
the speculative decoder and of what it hears if there is one, and `recognizer.json`.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from speechnar import config as config_files
from speechnar.config import renamed
from speechnar.export.attention import OPSETS
from speechnar.export.graph import FOURIER_IMAGINARY, FOURIER_REAL, export_graph, fourier_nodes, prepend, round_weights
from speechnar.export.quantize import compressed
from speechnar.export.whisper import WHISPER_SECONDS, DecoderGraph, MemoryGraph, WhisperGraph, scale_rows
from speechnar.models.asr.whisper import HOP_LENGTH, N_FFT, PROMPT, SAMPLE_RATE, Whisper
from speechnar.models.folder import ModelConfig, ModelError, load_model
from speechnar.runtime.reader import BARRED, DECODER, MEMORY, DecoderInfo, memory_names
from speechnar.runtime.recognizer_folder import LM, RECOGNIZER, Decoding, RecognizerInfo
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import DECODER_TOKENS, decoder_tokens

WINDOW_SECONDS = 20.0
"""The longest audio of one call: the work of attention grows with the square of the length."""


@dataclasses.dataclass(frozen=True)
class RecognizerCard:
    """`recognizer.yaml` of a model folder: the description that a recognizer carries."""

    name: str
    language: str
    license: str = dataclasses.field(metadata=renamed("licence"))
    training_data: str
    decoding: Decoding = Decoding()
    measured: dict[str, float] = dataclasses.field(default_factory=dict)


class CTCGraph(nn.Module):
    """wav (1, T_wav) to log_probs (1, T, V), by a model that returns an `EncoderOutput` of its encoder's features."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, wav: Tensor) -> Tensor:
        return self.model(*self.model.encoder.features(wav, None)).log_probs


@dataclasses.dataclass(frozen=True)
class RecognizerGraphs:
    """The graphs of a recognizer, and what the runtime has to know of them.

    Attributes:
        graph: wav (1, T_wav) to log_probs (1, T, V) and, if there is a decoder, the encoder's states.
        sample_rate: of wav; frame: samples to a frame of log_probs.
        window_seconds: the longest audio that the graph is given at once.
        decoder: sizes of the speculative decoder's own graph; None where there is none.
    """

    graph: nn.Module
    sample_rate: int
    frame: int
    window_seconds: float
    decoder: DecoderInfo | None = None


def _ctc_graphs(model: Any, config: ModelConfig) -> RecognizerGraphs:
    """Return the graph of a model that is called as `CTC` is; round the model's weights in place."""
    if model.encoder.config.d_states:
        raise ModelError("the model reads encoder states that were cached, and no audio: it cannot be exported")
    if model.encoder.config.pretrained is not None:
        raise ModelError(
            "the encoder is one of transformers, which the runtime has no graph for: it cannot be exported"
        )
    if model.encoder.config.blocks is not None:
        raise ModelError("the encoder is blockwise, which the runtime has no graph for: it cannot be exported")
    round_weights(model)
    frame = config.audio.hop_length * model.encoder.config.conformer.subsampling
    return RecognizerGraphs(CTCGraph(model), config.audio.sample_rate, frame, WINDOW_SECONDS)


def _whisper_graphs(model: Whisper, config: ModelConfig) -> RecognizerGraphs:
    """Return the graphs of a `Whisper`, which is changed in place."""
    scale_rows(model.encoder.blocks)
    scale_rows(model.decoder.blocks)
    sizes = model.config
    decoder = DecoderInfo(
        max_tokens=sizes.max_tokens, prompt=tuple(range(sizes.n_tokens, sizes.n_tokens + PROMPT)),
        memory_per_frame=4 * HOP_LENGTH // (sizes.state_hop * sizes.averaged_states),
        averaged_states=sizes.averaged_states,
        past=(2 * sizes.decoder_layers, sizes.n_heads, sizes.d_model // sizes.n_heads),
    )  # fmt: skip
    window = min(WHISPER_SECONDS, 2 / 3 * (2 * sizes.max_frames * HOP_LENGTH / SAMPLE_RATE))
    return RecognizerGraphs(WhisperGraph(model), SAMPLE_RATE, 4 * HOP_LENGTH, window, decoder)


GRAPHS = {"ctc": _ctc_graphs, "whisper": _whisper_graphs}
"""Functions that make the graphs of a recognizer, by the name that the model's spec has in `graph`."""


def export_recognizer(model_dir: Path, out: Path) -> None:
    """Write a recognizer folder from a model folder with `recognizer.yaml` and, if it has a language model, `lm.npz`.

    A sentence on stderr names the parts of the model that the runtime cannot use and that are not exported.

    Raises:
        ModelError: the model is no recognizer, or the graph's output is further than 1e-3 from its own.
        ConfigError: `recognizer.yaml` cannot be read.
    """
    card = config_files.load(RecognizerCard, model_dir / "recognizer.yaml")
    model, config = load_model(model_dir)
    if config.spec.graph not in GRAPHS:
        raise ModelError(f"{model_dir} holds the model {config.model.name}, which is no recognizer")
    if config.spec.not_exported:
        print(f"speechnar: {config.spec.not_exported} of {model_dir} is not exported: the recognizer decodes by CTC "
              "alone", file=sys.stderr)  # fmt: skip
    parts = GRAPHS[config.spec.graph](model, config)
    decoder = parts.decoder
    symbols = SymbolTable.load(model_dir / "tokens.txt")
    info = RecognizerInfo(
        format=RECOGNIZER.format, sample_rate=parts.sample_rate, symbols=symbols.symbols,
        frame_seconds=parts.frame / parts.sample_rate, window_seconds=parts.window_seconds, decoder=decoder,
        **{field.name: getattr(card, field.name) for field in dataclasses.fields(card)},
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".part") as part:
        wav = 0.1 * torch.randn(1, 25000, generator=torch.Generator().manual_seed(0))
        axes = {"wav": {1: "samples"}, "log_probs": {1: "time"}} | ({"states": {1: "states"}} if decoder else {})
        export_graph(
            parts.graph, {"wav": wav}, ["log_probs", *(["states"] if decoder else [])], (), Path(part) / "model.onnx",
            {}, checked={"wav": wav[:, :12345]}, axes=axes,
            exact=("/features/", "/log_mel/"), integer_products=bool(decoder),
            change=_fourier_by_formula if decoder else None, opsets=OPSETS if decoder else None,
        )  # fmt: skip
        if decoder:
            _export_memory(model, Path(part) / MEMORY)
            _export_decoder(model, Path(part) / DECODER)
            shutil.copy(decoder_tokens(model_dir), Path(part, DECODER_TOKENS))
        for path in Path(part).glob("*.onnx"):
            path.with_name(f"{path.name}.gz").write_bytes(compressed(path.read_bytes()))
            path.unlink()
        config_files.save(info, Path(part) / "recognizer.json")
        if (model_dir / LM).exists():
            shutil.copy(model_dir / LM, part)
        for path in sorted(Path(part).iterdir()):
            os.replace(path, out / path.name)


def _export_memory(model: Whisper, path: Path) -> None:
    names = memory_names(2 * model.config.decoder_layers)
    axes = {"states": {0: "batch", 1: "states"}} | {
        name: {0: "batch", 2 + n % 2: "frames"} for n, name in enumerate(names)
    }
    states = torch.randn(2, 50, model.config.d_model, generator=torch.Generator().manual_seed(0))
    export_graph(
        MemoryGraph(model.decoder), {"states": states}, names, (), path, {}, checked={"states": states[:1, :31]},
        integer_products=True, axes=axes,
    )  # fmt: skip


def _export_decoder(model: Whisper, path: Path) -> None:
    random = torch.Generator().manual_seed(0)
    sizes = model.config

    def given(batch: int, length: int, past: int, frames: int) -> dict[str, Tensor]:
        layers, d_head = 2 * sizes.decoder_layers, sizes.d_model // sizes.n_heads
        tokens = batch * length
        later = torch.ones(tokens, past + tokens).triu(past + 1)
        inputs = {
            "tokens": torch.randint(sizes.n_tokens, (1, tokens), generator=random),
            "positions": past + torch.arange(tokens)[None],
            "wanted": torch.arange(1, tokens, 2),
            "asked": torch.stack([torch.arange(length), torch.arange(length) % sizes.n_tokens], 1),
            "bias": BARRED * later[None, None],
            "past": torch.randn(layers, 1, past, sizes.d_model, generator=random),
            "gathered": torch.arange(tokens).view(batch, length),
            "scattered": torch.arange(tokens),
            "memory_bias": torch.zeros(batch, 1, frames, length),
        }
        for n, name in enumerate(memory_names(layers)):
            shape = (d_head, frames) if n % 2 else (frames, d_head)
            inputs[name] = torch.randn(batch, sizes.n_heads, *shape, generator=random)
        return inputs

    outputs = ("best", "best_log_probs", "log_probs", "present")
    axes = {name: {1: "tokens"} for name in ("tokens", "positions")}
    axes |= {name: {0: name} for name in ("wanted", "asked", "best", "best_log_probs", "log_probs")}
    axes |= {"bias": {2: "tokens", 3: "seen"}, "past": {2: "past"}, "present": {2: "tokens"}}
    axes |= {"gathered": {0: "batch", 1: "most"}, "scattered": {0: "tokens"}}
    axes |= {"memory_bias": {0: "batch", 2: "frames", 3: "most"}}
    axes |= {name: {0: "batch", 2 + n % 2: "frames"} for n, name in enumerate(memory_names(2 * sizes.decoder_layers))}
    export_graph(
        DecoderGraph(model.decoder), given(3, 7, 5, 50), outputs, (), path, {}, checked=given(2, 11, 9, 30),
        integer_products=True, axes=axes, opsets=OPSETS,
    )  # fmt: skip


def _fourier_by_formula(graph: onnx.GraphProto) -> None:
    """Replace the kernel of Whisper's Fourier transform, windowed cosines and sines, by nodes that compute it."""
    shape = (2 * (N_FFT // 2 + 1), 1, N_FFT)
    kernel = next((tensor for tensor in graph.initializer if tuple(tensor.dims) == shape), None)
    if kernel is None:
        raise ModelError("the exported recognizer lacks its Fourier transform: export it with a newer torch")
    graph.initializer.remove(kernel)
    window = 0.5 - 0.5 * np.cos(2 * np.pi / N_FFT * np.arange(N_FFT))
    graph.initializer.append(numpy_helper.from_array(window.astype(np.float32)[:, None], "fourier_window"))
    graph.initializer.append(numpy_helper.from_array(np.array(shape), "fourier_shape"))
    make = helper.make_node
    plain = make("Concat", [FOURIER_REAL, FOURIER_IMAGINARY], ["fourier_plain"], axis=1)
    windowed = make("Mul", ["fourier_plain", "fourier_window"], ["fourier_windowed"])
    turned = make("Transpose", ["fourier_windowed"], ["fourier_turned"], perm=[1, 0])
    shaped = make("Reshape", ["fourier_turned", "fourier_shape"], [kernel.name])
    prepend(graph, [*fourier_nodes(graph, N_FFT, N_FFT), plain, windowed, turned, shaped])
