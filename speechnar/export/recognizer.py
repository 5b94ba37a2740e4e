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
from speechnar.export.graph import export_graph
from speechnar.models.folder import ModelError, load_model
from speechnar.models.whisper_ctc import HOP_LENGTH, SAMPLE_RATE, WhisperCTC
from speechnar.runtime.recognizer import LM, RECOGNIZER, Decoding, RecognizerInfo
from speechnar.text.symbols import SymbolTable


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


def export_recognizer(model_dir: Path, out: Path) -> None:
    """Writes a recogniser folder from a model folder with `recognizer.yaml` and, if it has a language model, `lm.npz`.

    Raises:
        ModelError: the model is of another kind, or the graph's output is further than 1e-3 from its own.
        ConfigError: `recognizer.yaml` cannot be read.
    """
    card = config_files.load(RecognizerCard, model_dir / "recognizer.yaml")
    model, _ = load_model(model_dir)
    if not isinstance(model, WhisperCTC):
        raise ModelError(f"{model_dir} holds no WhisperCTC: that is what can be exported")
    symbols = SymbolTable.load(model_dir / "tokens.txt")
    info = RecognizerInfo(
        format=RECOGNIZER.format, sample_rate=SAMPLE_RATE, symbols=symbols.symbols,
        frame_seconds=4 * HOP_LENGTH / SAMPLE_RATE, window_seconds=2 * model.config.max_frames * HOP_LENGTH / SAMPLE_RATE,
        **{field.name: getattr(card, field.name) for field in dataclasses.fields(card)},
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".part") as part:
        wav = 0.1 * torch.randn(1, 25000, generator=torch.Generator().manual_seed(0))
        export_graph(
            WhisperCTCGraph(model), {"wav": wav}, ("log_probs",), (), Path(part) / "model.onnx", {},
            checked={"wav": wav[:, :12345]}, integer_products=True, exact=("/features/",),
        )  # fmt: skip
        config_files.save(info, Path(part) / "recognizer.json")
        if (model_dir / LM).exists():
            shutil.copy(model_dir / LM, part)
        for path in sorted(Path(part).iterdir()):
            os.replace(path, out / path.name)
