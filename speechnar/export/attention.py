"""Multi-head attention as one node of an ONNX graph, where ONNX Runtime has one."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.onnx import symbolic_helper

OPSETS = {"com.microsoft": 1}  # the domain of fused attention


class Attention(torch.autograd.Function):
    """Multi-head attention as one node of the graph.

    queries are (B, N, d_model); keys and values (B, T, d_model), or (B, n_heads, T, d_head); bias is (B, 1, N, T).
    """

    @staticmethod
    def forward(
        ctx: object, queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, n_heads: int
    ) -> Tensor:
        def heads(x: Tensor) -> Tensor:
            return x.unflatten(2, (n_heads, -1)).transpose(1, 2) if x.dim() == 3 else x

        mixed = F.scaled_dot_product_attention(heads(queries), heads(keys), heads(values), bias)
        return mixed.transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(g: Any, queries: Any, keys: Any, values: Any, bias: Any, n_heads: int) -> Any:
        inputs = [queries, keys, values]
        if not symbolic_helper._is_none(bias):
            none = symbolic_helper._optional_input_placeholder_tensor(g)
            inputs += [none, none, bias]  # in place of the biases of projections and of a mask of keys
        made = g.op("com.microsoft::MultiHeadAttention", *inputs, num_heads_i=n_heads)
        return made.setType(queries.type())
