"""Restoring a recognizer: the torch model has the weights that were exported, and makes the same recognizer again."""

from __future__ import annotations

import dataclasses
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from tiny_whisper import CARD, make

from speechnar import config
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.export import RecognizerCard, export_recognizer, restore_recognizer
from speechnar.models.asr.whisper import Whisper
from speechnar.models.folder import ModelError, load_model, save_model
from speechnar.runtime.recognizer_folder import RecognizerInfo, find_recognizer
from speechnar.text.symbols import SymbolTable

Folders = tuple[Path, Path, Whisper]


@pytest.fixture(scope="module", params=[(0, 1), (1, 1), (0, 2)], ids=["20 ms", "40 ms", "means of two of 20 ms"])
def folders(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Path, Path, Whisper]:
    """A model folder, the recognizer exported from it, and the model with the weights that were exported."""
    folder, out = tmp_path_factory.mktemp("model"), tmp_path_factory.mktemp("recognizer")
    return folder, out, make(folder, out, *request.param)


@pytest.fixture(scope="module")
def restored(folders: Folders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("restored") / "model"
    restore_recognizer(folders[1], folder)
    return folder


def test_every_weight_comes_back(folders: Folders, restored: Path) -> None:
    """Matrices are on their grids and come back whole.

    8 bits are left of convolutions, positions, the prompt, and of rows too short to tell their grid.
    """
    (model, its_config), before = load_model(restored), folders[2].state_dict()
    expected = load_model(folders[0])[1]
    sizes = dataclasses.replace(expected.model.value, dropout=0.1)  # is in no graph: the default
    assert its_config == dataclasses.replace(expected, model=Choice("whisper", sizes))
    assert set(model.state_dict()) == set(before)
    for name, tensor in model.state_dict().items():
        short = tensor.dim() == 2 and tensor.shape[1] < 64
        rounded = short or "conv" in name or name in ("decoder.positions", "decoder.prompt")
        atol = 1.01 * float(before[name].abs().max()) / 127 if rounded else 1e-7
        np.testing.assert_allclose(tensor, before[name], rtol=1e-5, atol=atol, err_msg=name)


def test_layers_whose_biases_are_equal_come_back(folders: Folders, tmp_path: Path) -> None:
    """Keys of Whisper have no bias: those of all layers are the same zeros."""
    model, its_config = load_model(folders[0])
    for block in model.decoder.blocks:
        block.cross_kv.bias.data[: block.cross_kv.bias.shape[0] // 2] = 0
    shutil.copytree(folders[0], tmp_path / "model")
    save_model(tmp_path / "model", its_config, model, SymbolTable.load(folders[0] / "tokens.txt"))
    export_recognizer(tmp_path / "model", tmp_path / "recognizer")
    restore_recognizer(tmp_path / "recognizer", tmp_path / "restored")
    its, expected = load_model(tmp_path / "restored")[0].state_dict(), model.state_dict()
    for name in (name for name in expected if "cross_kv" in name):
        np.testing.assert_allclose(its[name], expected[name], rtol=1e-5, atol=1e-7, err_msg=name)


def test_description_and_tokens_come_back(folders: Folders, restored: Path) -> None:
    assert config.load(RecognizerCard, restored / "recognizer.yaml") == CARD
    for name in ("tokens.txt", "decoder_tokens.txt"):
        assert (restored / name).read_bytes() == (folders[0] / name).read_bytes()


def arrays(path: Path) -> dict[str, np.ndarray]:
    graph = onnx.load_from_string(gzip.decompress(path.read_bytes())).graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def test_exported_again_it_is_the_same_recognizer(folders: Folders, restored: Path, tmp_path: Path) -> None:
    export_recognizer(restored, tmp_path)
    assert RecognizerInfo.load(tmp_path) == RecognizerInfo.load(folders[1])
    for name in ("model.onnx.gz", "decoder.onnx.gz"):
        first, second = arrays(folders[1] / name), arrays(tmp_path / name)
        assert set(first) == set(second)
        for key, array in first.items():
            np.testing.assert_allclose(second[key], array, rtol=1e-5, atol=1e-7, err_msg=f"{name} {key}")


def test_the_embedded_recognizer_can_be_restored_from_the_command_line(tmp_path: Path) -> None:
    assert main(["restore", "english_base", str(tmp_path / "model")]) == 0
    model, _ = load_model(tmp_path / "model")
    assert (model.config.d_model, model.config.n_layers, model.config.max_frames) == (512, 6, 1500)  # Whisper base
    assert config.load(RecognizerCard, tmp_path / "model" / "recognizer.yaml").name == "english_base"


def test_a_folder_with_something_in_it_is_left_alone(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(ModelError, match="is not empty: name a new folder"):
        restore_recognizer(folders[1], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def changed(folders: Folders, folder: Path) -> Path:
    return Path(shutil.copytree(folders[1], folder))


def test_what_cannot_be_restored_is_one_sentence_and_leaves_nothing(folders: Folders, tmp_path: Path) -> None:
    damaged = changed(folders, tmp_path / "damaged")
    (damaged / "decoder.onnx.gz").write_bytes((damaged / "decoder.onnx.gz").read_bytes()[:500])
    lacking = changed(folders, tmp_path / "lacking")
    (lacking / "decoder.onnx.gz").unlink()
    foreign = changed(folders, tmp_path / "foreign")
    shutil.copy(foreign / "decoder.onnx.gz", foreign / "model.onnx.gz")
    old = changed(folders, tmp_path / "old")
    decoder = onnx.load_from_string(gzip.decompress((old / "decoder.onnx.gz").read_bytes()))
    next(tensor for tensor in decoder.graph.initializer if tensor.name == "no_prompt").name = "other"
    (old / "decoder.onnx.gz").write_bytes(gzip.compress(decoder.SerializeToString()))
    ctc = changed(folders, tmp_path / "ctc")
    described = config.load(RecognizerInfo, ctc / "recognizer.json")
    config.save(dataclasses.replace(described, decoder=None), ctc / "recognizer.json")
    for folder, sentence in (
        (damaged, "decoder.onnx.gz cannot be read"),
        (lacking, "decoder.onnx.gz cannot be read"),
        (foreign, "lacks the weight 'encoder.conv1.weight': it is no Whisper"),
        (old, "lacks the weight 'no_prompt': it is no Whisper with a draft, or has a format before 5"),
        (ctc, "ctc decodes by CTC alone: train on from the model folder it was exported from"),
    ):
        with pytest.raises(ModelError, match=sentence):
            restore_recognizer(folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ctc", "damaged", "foreign", "lacking", "old"]


def test_other_weights_are_found_out(folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix in the place of another of its shape is told by what the model says."""

    def wrong(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        other = found["draft.blocks.1.qkv.weight"]
        return {"draft.blocks.0.qkv.weight": other, "encoder.blocks.0.project.weight": -other[:64]}

    refused(folders[1], wrong, tmp_path, monkeypatch)


def test_a_kernel_of_the_recognizer_in_the_wheel_that_is_turned_round_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"encoder.conv2.weight": found["encoder.conv2.weight"].flip(2)}

    refused(find_recognizer("english_base"), wrong, tmp_path, monkeypatch)


def refused(
    recognizer: Path,
    wrong: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from speechnar.export import restore_whisper as module

    named = module._named
    monkeypatch.setattr(module, "_named", lambda *graphs: (found := named(*graphs)) | wrong(found))
    with pytest.raises(ModelError, match="differs from it by"):
        restore_recognizer(recognizer, tmp_path / "out")
