"""Read the weights of a torch module back from the ONNX graph that it was exported to, by their names in the module."""

from __future__ import annotations

import gzip
import zlib
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from speechnar.models.folder import ModelError

PRODUCTS = {"MatMul", "MatMulInteger"}
STORED = ("_int8", "_quantized")
"""Ends of the names of weights that are stored as integers, beside a scale for each channel."""


def weights_of(path: Path) -> dict[str, Tensor]:
    """Return every weight of a graph by its name in the exported module, float32.

    The exporter keeps the names of all weights except matrices of linear layers, which it transposes. These are found
    by the bias that is added to the product, which keeps its name. Biases that are equal, such as zeros, become one,
    which has the name of the first; the other layers are named as the nodes are that add it.

    Args:
        path: of an ONNX file, which is compressed if it ends in .gz.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        data = path.read_bytes()
        graph = onnx.load_from_string(gzip.decompress(data) if path.suffix == ".gz" else data).graph
    except (OSError, EOFError, zlib.error) as error:
        raise ModelError(f"{path} cannot be read ({error}): install or export it again") from None
    except Exception as error:  # protobuf's errors have no base class of their own
        cause = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} cannot be read ({cause}): install or export it again") from None
    values = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    for name in list(values):
        for end in STORED:
            if name.endswith(end):
                stem = name.removesuffix(end)
                values[stem] = values.pop(name).float() * values[f"{stem}_scale"]
    made_by = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        bias = next((name for name in node.input if name.endswith(".bias")), None)
        if node.op_type == "Add" and bias:
            matrix = _matrix(next(name for name in node.input if name != bias), made_by)
            for layer in (bias.removesuffix(".bias"), node.name.strip("/").rpartition("/")[0].replace("/", ".")):
                if matrix in values and f"{layer}.weight" not in values:
                    values[f"{layer}.weight"], values[f"{layer}.bias"] = values[matrix].T.contiguous(), values[bias]
    return values


def _matrix(name: str, made_by: Mapping[str, onnx.NodeProto]) -> str | None:
    """Return the matrix of the nearest product that a value is computed from, on at most four nodes after it."""
    waiting = deque([(name, 0)])
    while waiting:
        name, depth = waiting.popleft()
        node = made_by.get(name)
        if node is None or depth > 4 or node.op_type == "DynamicQuantizeLinear":
            continue
        if node.op_type in PRODUCTS:
            return node.input[1].removesuffix("_quantized")
        waiting.extend((given, depth + 1) for given in node.input)
    return None
