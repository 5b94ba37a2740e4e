"""Leave heads and units that were pruned out of the graphs of a Whisper recognizer, and put them back as zeros.

A model folder keeps the sizes of Whisper: a pruned head or unit has weights of zero. All of these have gradients of
zero too, so that training leaves them as they are.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechnar.layers.blocks import AttentionBlock
from speechnar.layers.decoder_block import DecoderBlock
from speechnar.models.asr.whisper import Whisper


def without_pruned(model: Whisper) -> None:
    """Leave pruned heads and units out of the blocks of encoder and decoder, in place."""
    width = model.config.d_model // model.config.n_heads
    for block in cast("list[AttentionBlock]", [*model.encoder.blocks]):
        _narrow(block.project, {block.qkv: 3}, width)
        _narrow(block.contract, {block.expand: 1}, 1)
    for block in cast("list[DecoderBlock]", [*model.decoder.blocks]):
        _narrow(block.self_project, {block.self_qkv: 3}, width)
        _narrow(block.cross_project, {block.cross_query: 1, block.cross_kv: 2}, width)
        _narrow(block.contract, {block.expand: 1}, 1)


def _narrow(layer: nn.Linear, before: dict[nn.Linear, int], width: int) -> None:
    """Leave out the inputs of a layer that it multiplies by zero, in groups of `width`, where they are computed too.

    Args:
        before: layers whose outputs are so many times as many as the inputs, such as keys and values, in turn.
    """
    has_effect = layer.weight.unflatten(1, (-1, width)).abs().amax((0, 2)) > 0
    has_effect[0] |= not has_effect.any()  # one is left
    kept = has_effect.repeat_interleave(width)
    layer.in_features = int(kept.sum())
    layer.weight = nn.Parameter(layer.weight.data[:, kept])
    for its, parts in before.items():
        rows = kept.repeat(parts)
        its.out_features = int(rows.sum())
        its.weight, its.bias = nn.Parameter(its.weight.data[rows]), nn.Parameter(its.bias.data[rows])


def with_pruned(found: dict[str, Tensor], d_model: int, d_ff: int) -> dict[str, Tensor]:
    """Return the weights of a model's blocks, by name, with zeros for heads and units that graphs lack."""
    return {name: _widened(name, value, d_model, d_ff) for name, value in found.items()}


def _widened(name: str, value: Tensor, d_model: int, d_ff: int) -> Tensor:
    if ".blocks." not in name or name.startswith("draft."):
        return value
    layer, kind = name.split(".")[-2:]
    if layer in ("qkv", "self_qkv", "cross_query", "cross_kv"):
        parts = {"cross_query": 1, "cross_kv": 2}.get(layer, 3)
        return torch.cat([_padded(part, d_model) for part in value.chunk(parts)])
    if layer == "expand":
        return _padded(value, d_ff)
    if kind == "weight" and layer in ("project", "self_project", "cross_project", "contract"):
        return _padded(value.T, d_ff if layer == "contract" else d_model).T.contiguous()
    return value


def _padded(rows: Tensor, number: int) -> Tensor:
    """Return rows (n, ...) followed by zeros, (number, ...)."""
    return F.pad(rows, (*[0, 0] * (rows.dim() - 1), 0, number - len(rows)))
