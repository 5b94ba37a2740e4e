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


class CrossAttention(torch.autograd.Function):
    """Attention of a few tokens to many keys, in the order in which ONNX Runtime multiplies fastest.

    It repacks the second operand of every product. Here that is the smaller one, the queries and the weights, so that
    a pass of a decoder takes little more than half the time that `Attention` takes.

    queries are (1, N, d_model) of tokens of B utterances; gathered (B, M) are the tokens of each utterance, padded, and
    scattered (N,) the place of each token among these B * M. keys are (B, n_heads, T, d_head), values (B, n_heads,
    d_head, T), and bias is (B, 1, T, M).
    """

    @staticmethod
    def forward(
        ctx: object,
        queries: Tensor,
        gathered: Tensor,
        scattered: Tensor,
        keys: Tensor,
        values: Tensor,
        bias: Tensor,
        n_heads: int,
        d_head: int,
    ) -> Tensor:
        split = queries[0].unflatten(1, (n_heads, d_head))[gathered].permute(0, 2, 3, 1) * d_head**-0.5
        mixed = values @ (keys @ split + bias).softmax(2)
        return mixed.permute(0, 3, 1, 2).reshape(1, -1, n_heads * d_head)[:, scattered]

    @staticmethod
    def symbolic(
        g: Any,
        queries: Any,
        gathered: Any,
        scattered: Any,
        keys: Any,
        values: Any,
        bias: Any,
        n_heads: int,
        d_head: int,
    ) -> Any:
        def constant(*numbers: float) -> Any:
            return g.op("Constant", value_t=torch.tensor(numbers))

        heads = g.op("Reshape", g.op("Mul", queries, constant(d_head**-0.5)), constant(-1, n_heads, d_head))
        split = g.op("Transpose", g.op("Gather", heads, gathered, axis_i=0), perm_i=[0, 2, 3, 1])
        weights = g.op("Softmax", g.op("Add", g.op("MatMul", keys, split), bias), axis_i=2)
        mixed = g.op("Transpose", g.op("MatMul", values, weights), perm_i=[0, 3, 1, 2])
        flat = g.op("Reshape", mixed, constant(1, -1, n_heads * d_head))
        return g.op("Gather", flat, scattered, axis_i=1).setType(queries.type())
