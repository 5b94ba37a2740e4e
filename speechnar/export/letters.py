"""Export a text model that guesses phones from letters to one ONNX file for `speechnar.text.letters`.

The graph reads one word and has no masks, so that it needs no padding.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.export.attention import OPSETS, Attention
from speechnar.export.graph import export_graph, round_weights
from speechnar.files import atomic_write
from speechnar.layers.decoder_block import DecoderBlock
from speechnar.models.folder import ModelError, load_model
from speechnar.models.text.ctc import TextCTC
from speechnar.text.letters import SYMBOLS
from speechnar.text.tokenizer import Words, load_tokenizer


class LettersGraph(nn.Module):
    """Letters (1, N) int64 to log_probs (1, T, V), as `TextCTC.frames` of one source."""

    def __init__(self, model: TextCTC) -> None:
        super().__init__()
        self.transformer = model.transformer
        self.stretch = model.config.stretch

    def forward(self, letters: Tensor) -> Tensor:
        parts = self.transformer
        x = parts.placed(parts.embed(letters))
        for block in parts.encoder:
            x = _layer(cast(DecoderBlock, block), x)
        hidden = parts.encoder_norm(x)
        x = parts.placed(hidden.repeat_interleave(self.stretch, 1))
        for block in parts.decoder:
            x = _layer(cast(DecoderBlock, block), x, hidden)
        return parts.logits(parts.decoder_norm(x)).log_softmax(2)


def _layer(block: DecoderBlock, x: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Apply a layer to x (1, N, d_model), with cross-attention to `hidden` (1, S, d_model) where there is one."""
    qkv = block.self_qkv(block.self_norm(x)).split(x.shape[2], 2)
    x = x + block.self_project(Attention.apply(*qkv, None, block.n_heads))
    if hidden is not None:
        memory = block.cross_kv(hidden).split(x.shape[2], 2)
        queries = block.cross_query(block.cross_norm(x))
        x = x + block.cross_project(Attention.apply(queries, *memory, None, block.n_heads))
    return x + cast(Tensor, block.contract(F.gelu(block.expand(block.norm(x)))))


def export_letters(model_dir: Path, out: Path) -> None:
    """Write an ONNX file, weights as 8-bit integers, from the folder of a `text_ctc` model of words as tokens.

    Raises:
        ModelError: the model is another one, or its tokens are, or the graph's output is further than 1e-3 from its.
    """
    model, config = load_model(model_dir)
    symbols = load_tokenizer(model_dir)
    if config.spec.graph != "letters":
        raise ModelError(f"{model_dir} holds the model {config.model.name}, which has no graph that reads letters")
    if not isinstance(symbols, Words):
        raise ModelError(f"{model_dir} has other tokens than letters and phones: use `speechnar tokenizer --words`")
    round_weights(model)
    random = torch.Generator().manual_seed(0)
    given, checked = ({"letters": torch.randint(len(symbols), (1, size), generator=random)} for size in (7, 12))
    axes = {"letters": {1: "letters"}, "log_probs": {1: "frames"}}
    metadata = {SYMBOLS: json.dumps(symbols.symbols)}
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as part:
        graph = LettersGraph(model)
        export_graph(graph, given, ("log_probs",), (), part, metadata, checked, axes=axes, opsets=OPSETS)
