"""Restore the model that a recognizer folder was exported from, so that training can start from it.

Weights that are stored as integers become the float32 values that these stand for. The runtime also rounds the inputs
of its products to 8 bits, so that its outputs differ a little from those of the restored model.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.export.recognizer import RecognizerCard
from speechnar.export.restore import filled, refuse_occupied
from speechnar.export.weights import weights_of
from speechnar.export.whisper import WHISPER_SECONDS
from speechnar.models.asr.whisper import HOP_LENGTH, N_FFT, SAMPLE_RATE, SILENCE, Whisper, WhisperConfig
from speechnar.models.folder import ModelConfig, ModelError, save_model
from speechnar.runtime.reader import MEMORY
from speechnar.runtime.recognizer_folder import LM, RECOGNIZER, RecognizerInfo
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import DECODER_TOKENS

TOLERANCE = 0.055
"""The probability of other tokens of the CTC branch, mean of the frames of noise, that rounded products explain."""


def restore_recognizer(recognizer_dir: Path, model_dir: Path) -> None:
    """Write the model folder `model_dir`, with `recognizer.yaml`, from which `export_recognizer` makes the recognizer.

    Args:
        model_dir: a folder that is not there, or empty; it is complete afterwards, or as it was.

    Raises:
        ModelError: `model_dir` has something in it; the recognizer has no decoder, and so is no `Whisper`; its graphs
            cannot be read, or do not belong together.
        SpeechError, ConfigError: `recognizer.json` cannot be read.
    """
    refuse_occupied(model_dir)
    info = RecognizerInfo.load(recognizer_dir)
    if info.decoder is None:
        raise ModelError(f"{recognizer_dir} decodes by CTC alone: train on from the model folder it was exported from")
    paths = [recognizer_dir / f"{name}.onnx.gz" for name in ("model", "decoder")]
    try:
        heard, written = map(weights_of, paths)
        memory = recognizer_dir / f"{MEMORY}.gz"  # of its own from format 10 on
        found = _named(heard | (weights_of(memory) if info.format >= 10 else {}), written)
        sizes = _sizes(info, found)
    except KeyError as error:
        raise ModelError(
            f"{recognizer_dir} lacks the weight {error}: it is no Whisper with a draft, or has a format before 5"
        ) from None
    audio = AudioConfig(SAMPLE_RATE, N_FFT, HOP_LENGTH, N_FFT, sizes.n_mels, 0.0, SAMPLE_RATE / 2)
    config = ModelConfig(audio, Choice("whisper", sizes))
    model = filled(config, found, paths[0], "recognizer.json")
    _check(model, recognizer_dir)
    card = RecognizerCard(**{field.name: getattr(info, field.name) for field in dataclasses.fields(RecognizerCard)})
    model_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model_dir.parent, prefix=".part") as part:
        whole = Path(part) / "model"
        save_model(whole, config, model, SymbolTable(info.symbols))
        config_files.save(card, whole / "recognizer.yaml")
        for name in (DECODER_TOKENS, LM):
            if (recognizer_dir / name).exists():
                shutil.copy(recognizer_dir / name, whole)
        os.replace(whole, model_dir)


def _named(heard: dict[str, Tensor], written: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the graphs by their names in `Whisper`; the embedding lies beside the prompt."""
    found = {name.removeprefix("model."): value for name, value in heard.items() if name.startswith("model.")}
    for kind in ("weight", "bias"):
        for n in range(sum(name.startswith("memory.") and name.endswith(kind) for name in heard) // 2):
            keys_and_values = torch.cat([heard[f"memory.{2 * n}.{kind}"], heard[f"memory.{2 * n + 1}.{kind}"]])
            found[f"decoder.blocks.{n}.cross_kv.{kind}"] = keys_and_values
    found |= {name: value for name, value in written.items() if name.startswith("decoder.")}
    found = {name.replace(".contract.layer.", ".contract."): value for name, value in found.items()}
    for name in [name for name in found if name.startswith("encoder.conv") and ".layer." in name]:
        value = found.pop(name)
        if value.dim() == 2:  # a kernel of width 3 as a matrix
            value = value.unflatten(1, (3, -1)).transpose(1, 2).contiguous()
        found[name.replace(".layer", "")] = value
    if "embedding" in written:
        n_tokens = int((written["no_prompt"] == 0).sum())
        found["decoder.embedding.weight"] = written["embedding"][:, :n_tokens].T.contiguous()
        found["decoder.prompt"] = written["embedding"][:, n_tokens:].T.contiguous()
    return found


def _sizes(info: RecognizerInfo, found: dict[str, Tensor]) -> WhisperConfig:
    """Return the sizes of the model, from its weights and from `recognizer.json`; the dropout is the default."""
    assert info.decoder
    longest = info.window_seconds < WHISPER_SECONDS  # else the graph hears less than the encoder may
    n_layers = sum(name.startswith("encoder.") and name.endswith(".qkv.bias") for name in found)
    merged = [int(name.split(".")[2]) for name in found if name.startswith("encoder.merge.")]
    d_model, n_mels, _ = found["encoder.conv1.weight"].shape
    return WhisperConfig(
        n_symbols=len(info.symbols), n_tokens=len(found["decoder.embedding.weight"]), n_mels=n_mels, d_model=d_model,
        d_ff=len(found["encoder.blocks.0.expand.bias"]), n_heads=info.decoder.past[1],
        n_layers=n_layers, halved_layers=n_layers - merged[0] if merged else 0,
        averaged_states=info.decoder.averaged_states,
        decoder_layers=info.decoder.past[0] // 2, max_tokens=info.decoder.max_tokens,
        max_frames=round(info.window_seconds * 1.5 * SAMPLE_RATE / (2 * HOP_LENGTH)) if longest else 1500,
        d_draft=len(found["draft.merge.bias"]),
        draft_layers=sum(name.startswith("draft.") and name.endswith(".qkv.bias") for name in found),
    )  # fmt: skip


def _check(model: Whisper, recognizer_dir: Path) -> None:
    """Compare the probabilities of the CTC branch for a second of noise with those of the recognizer's graph."""
    wav = (0.1 * np.random.default_rng(0).standard_normal((1, SAMPLE_RATE))).astype(np.float32)
    session = RECOGNIZER.session(recognizer_dir / "model.onnx", {"wav"}, None)
    (log_probs,) = session.run(["log_probs"], {"wav": wav})
    silence = torch.zeros(1, round(SILENCE * SAMPLE_RATE))
    with torch.inference_mode():
        states = model.encoder(model.features(torch.cat([torch.from_numpy(wav), silence], dim=1)), None)
        spoken = states[:, : model.encoder.state_lengths(wav.shape[1] // HOP_LENGTH)]
        expected = model.draft(spoken, None).logits.softmax(2).numpy()
    is_alike = log_probs.shape == expected.shape
    error = float(np.abs(np.exp(log_probs) - expected).sum(2).mean()) / 2 if is_alike else np.inf
    if not error < TOLERANCE:
        raise ModelError(f"the model restored of {recognizer_dir} differs from it by {error:.2g}: take the version "
                         "that made it")  # fmt: skip
