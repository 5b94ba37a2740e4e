"""Write torch modules as ONNX files that are small on disk and as fast as float32 ones.

Weight matrices are stored as 8-bit integers with a scale for each channel; ONNX Runtime converts them once, when it
loads a graph.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic
from torch import Tensor, nn

from speechnar.export.quantize import steps_of
from speechnar.models.folder import ModelError

PARITY = 1e-3
OPSET = 17
SMALL = 2048  # values; smaller arrays stay float32
FEW = 64  # values of a channel; of fewer, none may be a single step, by which the step is found again
FOURIER_REAL, FOURIER_IMAGINARY = "fourier_real", "fourier_imaginary"


def export_graph(
    graph: nn.Module,
    given: Mapping[str, Tensor],
    outputs: Sequence[str],
    fixed: Collection[str],
    path: Path,
    metadata: Mapping[str, str],
    checked: Mapping[str, Tensor] | None = None,
    integer_products: bool = False,
    axes: Mapping[str, Mapping[int, str]] | None = None,
    exact: Collection[str] = (),
    change: Callable[[onnx.GraphProto], None] | None = None,
    opsets: Mapping[str, int] | None = None,
) -> None:
    """Write an ONNX file.

    Args:
        given: example inputs by name.
        fixed: inputs and outputs whose second dimension is not time.
        checked: other inputs, for which outputs are compared with the module's; by default `given`.
        integer_products: whether matrix products run on 8-bit integers, about twice as fast; outputs are compared
            before products are converted.
        axes: dynamic dimensions of inputs and outputs, by name; by default the second one of all that are not `fixed`.
        exact: parts of the names of weights that stay float32.
        change: changes the graph before its weights become integers.
        opsets: versions of the operator domains that the graph uses besides ONNX's.

    Raises:
        ModelError: an output is further than 1e-3 from the module's.
    """
    if axes is None:
        axes = {name: {1: "time"} for name in (*given, *outputs) if name not in fixed}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(), tuple(given.values()), str(path), input_names=list(given), output_names=list(outputs),
            dynamic_axes=axes, opset_version=OPSET, dynamo=False, custom_opsets=opsets,
        )  # fmt: skip
    model = onnx.load(str(path))
    _constants_as_initializers(model.graph)
    if change:
        change(model.graph)
    helper.set_model_props(model, dict(metadata))
    if integer_products:
        onnx.save(model, str(path))
        _check(graph, checked or given, path)
        products = path.with_suffix(".int8.onnx")
        logging.disable(logging.WARNING)  # it advises shape inference, which changes nothing here
        try:
            quantize_dynamic(path, products, op_types_to_quantize=["MatMul"], per_channel=True)
        finally:
            logging.disable(logging.NOTSET)
        floats = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        model = onnx.load(str(products))
        products.unlink()
        _on_their_grid(model.graph, floats)
        _looked_up(model.graph)
        _restored(model.graph)
    _weights_as_integers(model.graph, exact)
    onnx.save(model, str(path))
    if not integer_products:
        _check(graph, checked or given, path)


def _check(graph: nn.Module, given: Mapping[str, Tensor], path: Path) -> None:
    error = parity(graph, given, path)
    if not error < PARITY:
        raise ModelError(f"{path.name} differs from the model by {error:.2g}, more than {PARITY}: not exported")


def round_weights(model: nn.Module) -> None:
    """Round every matrix and kernel of a model, in place, to 255 levels for each output channel."""
    for parameter in model.parameters():
        if parameter.dim() >= 2 and parameter.numel() > SMALL:
            flat = parameter.data.flatten(1)
            scale = flat.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
            parameter.data = ((flat / scale).round() * scale).view_as(parameter)


def round_to_steps(model: nn.Module, step: float) -> None:
    """Round every matrix and kernel of a model, in place, to multiples of a step for each output channel.

    Args:
        step: as a share of the root mean square of the channel's weights, larger where one would be above 127 steps. At
            0.26, a weight takes about 4.6 bits in a compressed file.
    """
    for parameter in model.parameters():
        if parameter.dim() >= 2 and parameter.numel() > SMALL:
            flat = parameter.data.flatten(1)
            size = flat.abs().amax(1, keepdim=True) / 127
            if flat.shape[1] >= FEW:
                size = size.maximum(step * flat.square().mean(1, keepdim=True).sqrt())
            size = size.clamp(min=1e-12)
            parameter.data = ((flat / size).round() * size).view_as(parameter)


def parity(graph: nn.Module, given: Mapping[str, Tensor], path: Path) -> float:
    """Return the largest difference between outputs of an ONNX file and of the torch module, for one input."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    made = session.run(None, {name: value.numpy() for name, value in given.items()})
    with torch.inference_mode():
        expected = graph(*given.values())
    if isinstance(expected, Tensor):
        expected = (expected,)
    if any(a.shape != tuple(b.shape) for a, b in zip(made, expected)):
        return math.inf
    return max(float(np.abs(a - b.numpy()).max()) for a, b in zip(made, expected))


def _constants_as_initializers(graph: onnx.GraphProto) -> None:
    """Turn constant nodes into initializers, and copies of an initializer into the initializer itself."""
    for node in [node for node in graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"]:
        tensor = node.attribute[0].t
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)
    weights = {tensor.name for tensor in graph.initializer}
    copies = [node for node in graph.node if node.op_type == "Identity" and node.input[0] in weights]
    names = {node.output[0]: node.input[0] for node in copies}
    for node in copies:
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


def _weights_as_integers(graph: onnx.GraphProto, exact: Collection[str]) -> None:
    """Replace large float32 initializers by int8 ones, a cast and a scale for each channel."""
    nodes = []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        kept = any(part in tensor.name for part in exact)
        if kept or values.dtype != np.float32 or values.ndim < 2 or values.size <= SMALL:
            continue
        scale, rounded = min((_rounded(values, axis) for axis in range(values.ndim)), key=lambda r: _error(values, *r))
        graph.initializer.remove(tensor)
        names = [f"{tensor.name}_{what}" for what in ("int8", "scale", "float")]
        graph.initializer.append(numpy_helper.from_array(rounded, names[0]))
        graph.initializer.append(numpy_helper.from_array(scale, names[1]))
        nodes.append(helper.make_node("Cast", [names[0]], [names[2]], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [names[2], names[1]], [tensor.name]))
    prepend(graph, nodes)


def _looked_up(graph: onnx.GraphProto) -> None:
    """Gather rows of an embedding that is also a product's weight (d, V) from its integers, by (B, N) ids: the columns
    of a float32 copy are far apart in memory.
    """
    weights = {tensor.name for tensor in graph.initializer}
    constants = []
    for place, node in reversed(list(enumerate(graph.node))):
        name = node.input[0] if node.op_type == "Gather" else ""
        if f"{name}_quantized" not in weights or node.attribute[0].i != 1:
            continue
        constants.append(helper.make_node("Transpose", [f"{name}_quantized"], [f"{name}_rows"], perm=[1, 0]))
        ids, out = node.input[1], node.output[0]
        made: list[tuple[str, list[str], str, dict[str, Any]]] = [
            ("Gather", [f"{name}_rows", ids], "integers", {}),
            ("Cast", [f"{out}_integers"], "floats", {"to": TensorProto.FLOAT}),
            ("Gather", [f"{name}_scale", ids], "scale", {}),
            ("Unsqueeze", [f"{out}_scale", "last_axis"], "scales", {}),
            ("Mul", [f"{out}_floats", f"{out}_scales"], "vectors", {}),
        ]
        nodes = [helper.make_node(kind, inputs, [f"{out}_{what}"], **more) for kind, inputs, what, more in made]
        nodes.append(helper.make_node("Transpose", [f"{out}_vectors"], [out], perm=[2, 0, 1]))
        graph.node.remove(node)
        for number, new in enumerate(nodes):
            graph.node.insert(place + number, new)
        if all(name not in other.input for other in graph.node):
            graph.initializer.remove(next(tensor for tensor in graph.initializer if tensor.name == name))
    if constants:
        graph.initializer.append(numpy_helper.from_array(np.array([-1]), "last_axis"))
    prepend(graph, constants)


def _restored(graph: onnx.GraphProto) -> None:
    """Compute a weight that other nodes than products need in float32 from the integers of the products."""
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for name in [name for name in arrays if f"{name}_quantized" in arrays]:
        graph.initializer.remove(arrays[name])
        nodes.append(helper.make_node("Cast", [f"{name}_quantized"], [f"{name}_cast"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]))
    prepend(graph, nodes)


def _on_their_grid(graph: onnx.GraphProto, floats: Mapping[str, np.ndarray]) -> None:
    """Replace the integers of products by the step counts of quantized weights (d_in, d_out): see `quantize`."""
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    for name, values in floats.items():
        if f"{name}_quantized" not in arrays:
            continue
        numbers, steps = (part.numpy() for part in steps_of(torch.from_numpy(values.T.copy())))
        rounded = steps > 0
        for what, its_own in (("quantized", numbers.T), ("scale", steps)):
            tensor = arrays[f"{name}_{what}"]
            merged = numpy_helper.to_array(tensor).copy()
            merged[..., rounded] = its_own[..., rounded]
            tensor.CopyFrom(numpy_helper.from_array(merged, tensor.name))


def _rounded(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a scale for each channel of an axis, and int8; multiples of a step (`round_to_steps`) stay these."""
    others = tuple(n for n in range(values.ndim) if n != axis)
    scale = np.maximum(np.abs(values).max(axis=others, keepdims=True) / 127, 1e-12).astype(np.float32)
    channels = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1).copy()
    step = steps_of(torch.from_numpy(channels))[1].numpy().reshape(scale.shape)
    scale = np.where(step > 0, step, scale).astype(np.float32)
    return scale, np.round(values / scale).astype(np.int8)


def _error(values: np.ndarray, scale: np.ndarray, rounded: np.ndarray) -> float:
    return float(np.abs(values - rounded * scale).max())


def fourier_nodes(graph: onnx.GraphProto, n_fft: int, rows: int) -> list[onnx.NodeProto]:
    """Return nodes that compute `FOURIER_REAL` and `FOURIER_IMAGINARY`, (rows, n_fft // 2 + 1), from one period.

    They are cosines and negative sines, for the first `rows` samples of a window.
    """
    turn = 2 * np.pi / n_fft * np.arange(n_fft)
    constants = {
        "fourier_cos": np.cos(turn).astype(np.float32),
        "fourier_sin": (-np.sin(turn)).astype(np.float32),
        "fourier_samples": np.arange(rows)[:, None],
        "fourier_bins": np.arange(n_fft // 2 + 1)[None],
        "fourier_size": np.array(n_fft),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    make = helper.make_node
    return [
        make("Mul", ["fourier_samples", "fourier_bins"], ["fourier_turns"]),
        make("Mod", ["fourier_turns", "fourier_size"], ["fourier_index"]),
        make("Gather", ["fourier_cos", "fourier_index"], [FOURIER_REAL]),
        make("Gather", ["fourier_sin", "fourier_index"], [FOURIER_IMAGINARY]),
    ]


def prepend(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """Put nodes before all others."""
    later = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *later])
