"""A trained recogniser to a folder for the runtime: one ONNX graph, from samples to log-probabilities, and
`recognizer.json`.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from speechnar import config as config_files
from speechnar.core.ctc_encoder import CTCEncoder
from speechnar.export.graph import export_graph, round_weights
from speechnar.models.aed import AED
from speechnar.models.ctc import CTC
from speechnar.models.folder import ModelError, load_model
from speechnar.models.mask_ctc import MaskCTC
from speechnar.models.whisper_ctc import HOP_LENGTH, SAMPLE_RATE, WhisperCTC
from speechnar.runtime.recognizer import LM, RECOGNIZER, Decoding, RecognizerInfo
from speechnar.text.symbols import SymbolTable

WINDOW_SECONDS = 20.0
"""What is heard at once, at most: attention's work grows with the square."""


@dataclasses.dataclass(frozen=True)
class RecognizerCard:
    """`recognizer.yaml` of a model folder: what a recogniser says of itself."""

    name: str
    language: str
    licence: str
    training_data: str
    decoding: Decoding = Decoding()
    measured: dict[str, float] = dataclasses.field(default_factory=dict)


class WhisperCTCGraph(nn.Module):
    """wav (1, T_wav) to log_probs (1, T, V)."""

    def __init__(self, model: WhisperCTC) -> None:
        super().__init__()
        self.model = model

    def forward(self, wav: Tensor) -> Tensor:
        model = self.model
        return model.upper(model.lower(model.features(wav), None), None).logits.log_softmax(2)


class CTCGraph(nn.Module):
    """wav (1, T_wav) to log_probs (1, T, V), of the CTC that the recognisers trained from nothing all have."""

    def __init__(self, encoder: CTCEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, wav: Tensor) -> Tensor:
        return self.encoder(*self.encoder.features(wav, None)).log_probs


def export_recognizer(model_dir: Path, out: Path) -> None:
    """Writes a recogniser folder from a model folder with `recognizer.yaml` and, if it has a language model, `lm.npz`.

    Raises:
        ModelError: the model is of another kind, or the graph's output is further than 1e-3 from its own.
        ConfigError: `recognizer.yaml` cannot be read.
    """
    card = config_files.load(RecognizerCard, model_dir / "recognizer.yaml")
    model, config = load_model(model_dir)
    if isinstance(model, WhisperCTC):
        graph: nn.Module = WhisperCTCGraph(model)
        sample_rate, frame = SAMPLE_RATE, 4 * HOP_LENGTH
        window = min(WINDOW_SECONDS, 2 * model.config.max_frames * HOP_LENGTH / SAMPLE_RATE)
    elif isinstance(model, (CTC, MaskCTC, AED)):
        graph = CTCGraph(model.encoder)
        sample_rate = config.audio.sample_rate
        frame = config.audio.hop_length * model.encoder.config.conformer.subsampling
        window = WINDOW_SECONDS
        round_weights(model)
    else:
        raise ModelError(f"{model_dir} holds {type(model).__name__}, which is no recogniser")
    symbols = SymbolTable.load(model_dir / "tokens.txt")
    info = RecognizerInfo(
        format=RECOGNIZER.format, sample_rate=sample_rate, symbols=symbols.symbols,
        frame_seconds=frame / sample_rate, window_seconds=window,
        **{field.name: getattr(card, field.name) for field in dataclasses.fields(card)},
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".part") as part:
        wav = 0.1 * torch.randn(1, 25000, generator=torch.Generator().manual_seed(0))
        export_graph(
            graph, {"wav": wav}, ("log_probs",), (), Path(part) / "model.onnx", {},
            checked={"wav": wav[:, :12345]}, exact=("/features/", "/log_mel/"),
            integer_products=isinstance(model, WhisperCTC),  # LogMel's Fourier transform is a product, and stays exact
        )  # fmt: skip
        config_files.save(info, Path(part) / "recognizer.json")
        if (model_dir / LM).exists():
            shutil.copy(model_dir / LM, part)
        for path in sorted(Path(part).iterdir()):
            os.replace(path, out / path.name)
