"""Weights on a step are the same in the graph, and take fewer bits when compressed."""

from __future__ import annotations

import zlib
from pathlib import Path

import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from speechnar.export.graph import export_graph, round_to_steps


def exported(path: Path, step: float) -> tuple[nn.Module, dict[str, onnx.TensorProto]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(128, 96), nn.Linear(96, 128))
    for layer in model:
        nn.init.normal_(layer.weight)
    round_to_steps(model, step)
    export_graph(model, {"x": torch.randn(1, 3, 128)}, ("y",), (), path, {})  # which checks the outputs
    return model, {tensor.name: tensor for tensor in onnx.load(str(path)).graph.initializer}


@pytest.mark.parametrize("step", [0.1, 0.3])
def test_the_graph_has_the_rounded_weights(tmp_path: Path, step: float) -> None:
    model, tensors = exported(tmp_path / "x.onnx", step)
    names = [name for name in tensors if name.endswith("_int8")]
    assert len(names) == 2
    made = [numpy_helper.to_array(tensors[n]) * numpy_helper.to_array(tensors[n[:-5] + "_scale"]) for n in names]
    for weight in (layer.weight.detach().numpy() for layer in model):
        own = next(m for m in made if m.T.shape == weight.shape)
        assert abs(own.T - weight).max() < 1e-6


def test_a_larger_step_takes_fewer_bits(tmp_path: Path) -> None:
    sizes = []
    for step in (0.1, 0.4):
        tensors = exported(tmp_path / "x.onnx", step)[1]
        values = [numpy_helper.to_array(t) for n, t in tensors.items() if n.endswith("_int8")]
        sizes.append(sum(8 * len(zlib.compress(v.tobytes(), 9)) / v.size for v in values) / 2)
    assert 1 < sizes[0] - sizes[1] < 2.5  # bits: two by theory, as the step is four times as large
