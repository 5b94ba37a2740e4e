"""A tiny recognizer like Whisper, trained on nothing, as a model folder and exported."""

from __future__ import annotations

from pathlib import Path

import torch

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.export import RecognizerCard, export_recognizer
from speechnar.export.quantize import round_for_inputs
from speechnar.models.asr.whisper import Whisper, WhisperConfig
from speechnar.models.folder import ModelConfig, save_model
from speechnar.runtime.recognizer_folder import Decoding
from speechnar.text.symbols import BLANK, BOS, EOS, PAD, SymbolTable

AUDIO = AudioConfig(16000, 400, 160, 400, 8)
CARD = RecognizerCard("tiny", "en", "CC0", "none", Decoding(acceptance_threshold=0.5), measured={"WER": 99.0})
UNITS = ("▁", *"aiostw")
PIECES = (*UNITS, "▁s", "▁so", "it", EOS)


def make(folder: Path, out: Path, halved_layers: int = 0, averaged_states: int = 1) -> Whisper:
    """Write a model folder and the recognizer exported from it.

    No two vectors are equal, as after training: the exporter stores equal ones once.

    Returns:
        The model with the weights that were exported.
    """
    symbols = SymbolTable((BLANK, *UNITS, PAD, BOS, EOS))
    sizes = WhisperConfig(
        n_symbols=len(symbols), n_tokens=len(PIECES), n_mels=8, d_model=64, d_ff=128, n_heads=2, n_layers=2,
        decoder_layers=2, max_frames=200, max_tokens=30, halved_layers=halved_layers, averaged_states=averaged_states,
        d_draft=64, draft_layers=2, dropout=0.0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Whisper(sizes).eval()
    for weight in (model.draft.head.out.weight, model.draft.head.condition.weight, model.decoder.positions):
        torch.nn.init.normal_(weight, std=0.1)
    torch.nn.init.normal_(model.decoder.prompt)
    with torch.no_grad():
        for vector in (parameter for parameter in model.parameters() if parameter.dim() == 1):
            vector += 0.02 * torch.randn(vector.shape)
        for layer in model.modules():
            if isinstance(layer, (torch.nn.Linear, torch.nn.Embedding)):
                layer.weight.copy_(round_for_inputs(layer.weight, torch.eye(layer.weight.shape[1]), 0.35))
    save_model(folder, ModelConfig(AUDIO, Choice("whisper", sizes)), model, symbols)
    (folder / "decoder_tokens.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    config.save(CARD, folder / "recognizer.yaml")
    export_recognizer(folder, out)
    return model
