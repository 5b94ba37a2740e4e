"""A trained recognizer to a folder for the runtime: one ONNX graph, from samples to log-probabilities, another of its
decoder if it has one, and `recognizer.json`.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from speechnar import config as config_files
from speechnar.config import renamed
from speechnar.export.graph import FOURIER, export_graph, fourier_nodes, prepend, round_weights
from speechnar.export.quantize import compressed
from speechnar.export.whisper import OPSETS, WHISPER_SECONDS, DecoderGraph, WhisperGraph, with_rows_alike
from speechnar.layers.ctc_encoder import CTCEncoder
from speechnar.models.asr.ctc import CTC
from speechnar.models.asr.mask_ctc import MaskCTC
from speechnar.models.asr.whisper import HOP_LENGTH, N_FFT, PROMPT, SAMPLE_RATE, Whisper
from speechnar.models.autoregressive.aed import AED
from speechnar.models.folder import ModelError, load_model
from speechnar.runtime.recognizer import LM, RECOGNIZER, Decoding, RecognizerInfo
from speechnar.runtime.speculative import DECODER, DecoderInfo, memory_names
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import PIECES

WINDOW_SECONDS = 20.0
"""What is heard at once, at most: attention's work grows with the square."""


@dataclasses.dataclass(frozen=True)
class RecognizerCard:
    """`recognizer.yaml` of a model folder: what a recognizer says of itself."""

    name: str
    language: str
    license: str = dataclasses.field(metadata=renamed("licence"))
    training_data: str
    decoding: Decoding = Decoding()
    measured: dict[str, float] = dataclasses.field(default_factory=dict)


class CTCGraph(nn.Module):
    """wav (1, T_wav) to log_probs (1, T, V), of the CTC that the recognizers trained from nothing all have."""

    def __init__(self, encoder: CTCEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, wav: Tensor) -> Tensor:
        return self.encoder(*self.encoder.features(wav, None)).log_probs


def export_recognizer(model_dir: Path, out: Path) -> None:
    """Writes a recognizer folder from a model folder with `recognizer.yaml` and, if it has a language model, `lm.npz`.

    Raises:
        ModelError: the model is of another kind, or the graph's output is further than 1e-3 from its own.
        ConfigError: `recognizer.yaml` cannot be read.
    """
    card = config_files.load(RecognizerCard, model_dir / "recognizer.yaml")
    model, config = load_model(model_dir)
    decoder = None
    if isinstance(model, Whisper):
        with_rows_alike(model.encoder.blocks)
        with_rows_alike(model.decoder.blocks)
        graph: nn.Module = WhisperGraph(model)
        sample_rate, frame = SAMPLE_RATE, 4 * HOP_LENGTH
        sizes = model.config
        decoder = DecoderInfo(
            max_tokens=sizes.max_tokens, prompt=tuple(range(sizes.n_tokens, sizes.n_tokens + PROMPT)),
            memory_per_frame=2, past=(2 * sizes.decoder_layers, sizes.n_heads, sizes.d_model // sizes.n_heads),
        )  # fmt: skip
        window = min(WHISPER_SECONDS, 2 / 3 * (2 * model.config.max_frames * HOP_LENGTH / SAMPLE_RATE))
    elif isinstance(model, (CTC, MaskCTC, AED)):
        graph = CTCGraph(model.encoder)
        sample_rate = config.audio.sample_rate
        frame = config.audio.hop_length * model.encoder.config.conformer.subsampling
        window = WINDOW_SECONDS
        round_weights(model)
    else:
        raise ModelError(f"{model_dir} holds {type(model).__name__}, which is no recognizer")
    symbols = SymbolTable.load(model_dir / "tokens.txt")
    info = RecognizerInfo(
        format=RECOGNIZER.format, sample_rate=sample_rate, symbols=symbols.symbols,
        frame_seconds=frame / sample_rate, window_seconds=window, decoder=decoder,
        **{field.name: getattr(card, field.name) for field in dataclasses.fields(card)},
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".part") as part:
        wav = 0.1 * torch.randn(1, 25000, generator=torch.Generator().manual_seed(0))
        outputs = ("log_probs", "memory") if decoder else ("log_probs",)
        axes = {"wav": {1: "samples"}, "log_probs": {1: "time"}, "memory": {3: "states"}}
        export_graph(
            graph, {"wav": wav}, outputs, (), Path(part) / "model.onnx", {}, checked={"wav": wav[:, :12345]},
            axes={name: axes[name] for name in ("wav", *outputs)},
            exact=("/features/", "/log_mel/"), integer_products=bool(decoder),
            change=_fourier_by_formula if decoder else None, opsets=OPSETS if decoder else None,
        )  # fmt: skip
        if isinstance(model, Whisper):
            _export_decoder(model, Path(part) / DECODER)
            shutil.copy(model_dir / PIECES, part)
        for path in Path(part).glob("*.onnx"):
            path.with_name(f"{path.name}.gz").write_bytes(compressed(path.read_bytes()))
            path.unlink()
        config_files.save(info, Path(part) / "recognizer.json")
        if (model_dir / LM).exists():
            shutil.copy(model_dir / LM, part)
        for path in sorted(Path(part).iterdir()):
            os.replace(path, out / path.name)


def _export_decoder(model: Whisper, path: Path) -> None:
    random = torch.Generator().manual_seed(0)
    sizes = model.config

    def given(rows: int, length: int, past: int, frames: int) -> dict[str, Tensor]:
        layers, d_head = 2 * sizes.decoder_layers, sizes.d_model // sizes.n_heads
        inputs = {
            "tokens": torch.randint(sizes.n_tokens, (rows, length), generator=random),
            "past": torch.randn(layers, 1, sizes.n_heads, past, d_head, generator=random),
        }
        for n, name in enumerate(memory_names(layers)):
            shape = (frames, d_head) if n % 2 else (d_head, frames)
            inputs[name] = torch.randn(1, sizes.n_heads, *shape, generator=random)
        return inputs

    outputs = ("best", "best_log_probs", "log_probs", "present")
    each = {name: {0: "batch", 1: "time"} for name in ("tokens", *outputs[:2])}
    axes = {"past": {3: "past"}, "present": {1: "batch", 3: "time"}}
    axes |= {name: {2 if n % 2 else 3: "frames"} for n, name in enumerate(memory_names(2 * sizes.decoder_layers))}
    axes["log_probs"] = {0: "batch", 1: "less"}
    export_graph(
        DecoderGraph(model.decoder), given(3, 7, 5, 50), outputs, (), path, {}, checked=given(2, 11, 9, 30),
        integer_products=True, axes=each | axes,
    )  # fmt: skip


def _fourier_by_formula(graph: onnx.GraphProto) -> None:
    """Replaces the kernel of Whisper's Fourier transform, cosines and sines under a window, by nodes that make it."""
    shape = (2 * (N_FFT // 2 + 1), 1, N_FFT)
    kernel = next((tensor for tensor in graph.initializer if tuple(tensor.dims) == shape), None)
    if kernel is None:
        raise ModelError("the exported recognizer lacks its Fourier transform: export it with a newer torch")
    graph.initializer.remove(kernel)
    window = 0.5 - 0.5 * np.cos(2 * np.pi / N_FFT * np.arange(N_FFT))
    graph.initializer.append(numpy_helper.from_array(window.astype(np.float32)[:, None], "fourier_window"))
    graph.initializer.append(numpy_helper.from_array(np.array(shape), "fourier_shape"))
    make = helper.make_node
    windowed = make("Mul", [FOURIER, "fourier_window"], ["fourier_windowed"])
    turned = make("Transpose", ["fourier_windowed"], ["fourier_turned"], perm=[1, 0])
    shaped = make("Reshape", ["fourier_turned", "fourier_shape"], [kernel.name])
    prepend(graph, [*fourier_nodes(graph, N_FFT), windowed, turned, shaped])
