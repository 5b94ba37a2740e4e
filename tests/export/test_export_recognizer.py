"""Export of a recognizer: what the runtime hears is what the torch model says."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from tiny_whisper import AUDIO, CARD, PIECES, UNITS, make

from speechnar import config
from speechnar.config import Choice
from speechnar.export import export_recognizer
from speechnar.models.asr.whisper import Whisper
from speechnar.models.folder import ModelConfig, ModelError, save_model
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocos, HarmonicVocosConfig
from speechnar.runtime.reader import JOINT_INPUTS, SEQUENCE_INPUTS, Memory, OnnxReader, memory_names
from speechnar.runtime.recognizer import Recognizer
from speechnar.runtime.recognizer_folder import RECOGNIZER
from speechnar.runtime.windows import EncodedAudio
from speechnar.text.whisper_bpe import BytePairs


@pytest.fixture(scope="module", params=[(0, 1), (1, 1), (0, 2)], ids=["20 ms", "40 ms", "means of two of 20 ms"])
def folders(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Path, Path, Whisper]:
    """A model folder, the recognizer exported from it, and the model with the weights that were exported."""
    folder, out = tmp_path_factory.mktemp("model"), tmp_path_factory.mktemp("recognizer")
    return folder, out, make(folder, out, *request.param)


def noise(seconds: float) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).normal(size=int(seconds * 16000))).astype(np.float32)


def test_the_folder_says_what_it_holds(folders: tuple[Path, Path, Whisper]) -> None:
    _, out, model = folders
    assert {path.name for path in out.iterdir()} == {
        "model.onnx.gz",
        "memory.onnx.gz",
        "decoder.onnx.gz",
        "decoder_tokens.txt",
        "recognizer.json",
    }
    info = Recognizer(out, threads=1).info
    assert (info.name, info.sample_rate, info.frame_seconds) == ("tiny", 16000, 0.04)
    assert info.window_seconds == pytest.approx(4 / 1.5)  # the rest may be half as long again: 200 frames of 20 ms
    assert info.measured == {"WER": 99.0} and info.decoding.acceptance_threshold == 0.5
    sizes = model.config
    assert info.decoder.memory_per_frame == (1 if sizes.halved_layers or sizes.averaged_states == 2 else 2)
    assert info.decoder.averaged_states == sizes.averaged_states
    assert info.decoder.prompt == (11, 12, 13, 14) and info.decoder.past == (4, 2, 32)


def test_a_language_model_is_taken_along(folders: tuple[Path, Path, Whisper], tmp_path: Path) -> None:
    folder, _, _ = folders
    (folder / "lm.npz").write_bytes(b"none")
    export_recognizer(folder, tmp_path)
    (folder / "lm.npz").unlink()
    assert (tmp_path / "lm.npz").read_bytes() == b"none"


@pytest.mark.parametrize("seconds", [0.5, 1.03, 3.9])
def test_the_graph_says_what_the_model_says(folders: tuple[Path, Path, Whisper], seconds: float) -> None:
    _, out, model = folders
    wav = noise(seconds)
    graphs = [gzip.decompress((out / f"{name}.onnx.gz").read_bytes()) for name in ("model", "memory")]
    sessions = [onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]) for graph in graphs]
    log_probs, encoded = sessions[0].run(["log_probs", "states"], {"wav": wav[None]})
    memory = sessions[1].run(memory_names(4), {"states": encoded})
    memory = [part.swapaxes(2, 3) if n % 2 else part for n, part in enumerate(memory)]
    with torch.inference_mode():
        heard = torch.from_numpy(np.pad(wav, (0, 8000)))  # half a second of silence
        states = model.encoder(model.features(heard[None]), None)
        heard_states = -(-int(seconds * 100) // (4 if model.config.halved_layers else 2))
        expected = model.draft(states[:, :heard_states], None).logits.softmax(2).numpy()
        its = model.decoder.memory(states).numpy()
    assert log_probs.shape == (1, -(-int(seconds * 100) // 4), len(UNITS) + 4)
    assert np.abs(np.exp(log_probs) - expected).max() < 0.1  # products are rounded to 8 bits
    assert np.stack(memory, 1).shape == its.shape
    assert np.abs(np.stack(memory, 1) - its).max() < 0.1 * np.abs(its).max()


def test_rounded_matrices_are_stored_as_they_are(folders: tuple[Path, Path, Whisper]) -> None:
    _, out, model = folders
    graph = onnx.load_from_string(gzip.decompress((out / "decoder.onnx.gz").read_bytes())).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    stored = [
        integers * arrays[name.replace("_quantized", "_scale")]
        for name, integers in arrays.items()
        if name.endswith("_quantized")
    ]
    decoder = model.decoder
    heard = {block.cross_kv for block in decoder.blocks}  # those stand in the other graph
    layers = [layer for layer in decoder.blocks.modules() if isinstance(layer, torch.nn.Linear) and layer not in heard]
    for weight in (layer.weight.detach().numpy().T for layer in layers):
        assert any(its.shape == weight.shape and np.allclose(its, weight, rtol=1e-5, atol=1e-8) for its in stored)
    embedding = next(its for its in stored if its.shape == (64, len(PIECES) + 4))
    np.testing.assert_allclose(embedding[:, : len(PIECES)], decoder.embedding.weight.detach().numpy().T, rtol=1e-5)
    prompt = decoder.prompt.detach().numpy().T  # not rounded: 8 bits are left of it
    assert np.abs(embedding[:, len(PIECES) :] - prompt).max() <= np.abs(prompt).max() / 127
    floats = [array for array in arrays.values() if array.dtype == np.float32]
    assert max(array.size for array in floats) <= 2048


def test_reader_goes_on_as_the_model_does(folders: tuple[Path, Path, Whisper]) -> None:
    _, out, model = folders
    info = Recognizer(out, threads=1).info.decoder
    assert info is not None
    inputs = {"tokens", "past", *SEQUENCE_INPUTS, *JOINT_INPUTS, *memory_names(4)}
    session = RECOGNIZER.session(out / "decoder.onnx", inputs, 1)
    torch.manual_seed(1)
    memory = model.decoder.memory(torch.randn(1, 31, 64)).detach()
    parts = [part.mT if n % 2 else part for n, part in enumerate(memory[0])]  # values are (heads, d_head, T)
    given = {name: part[None].contiguous().numpy() for name, part in zip(memory_names(4), parts)}
    reader = OnnxReader(session, info, Memory(given, memory.shape[3]))
    text: list[int] = []
    rng = np.random.default_rng(0)
    for n_rows, row, n in ((3, 1, 2), (3, 0, 0), (2, 1, 3), (1, 0, 1), (3, 0, 4)):
        rows = rng.integers(0, len(PIECES) - 1, (n_rows, 5))
        checked = reader.read(rows)
        with torch.inference_mode():
            all_of_it = torch.tensor([[*text, *its] for its in rows.tolist()])
            logits = model.decoder(all_of_it, memory.expand(n_rows, -1, -1, -1, -1), None)[:, len(text) :]
        expected = logits.log_softmax(2)
        standing = expected[:, :-1].gather(2, torch.from_numpy(rows)[:, :, None])[:, :, 0]
        np.testing.assert_allclose(checked.log_probs, standing.numpy(), atol=0.15, rtol=0.02)
        np.testing.assert_allclose(checked.best_log_probs, expected.amax(2).numpy(), atol=0.15, rtol=0.02)
        reader.keep(row, n, 3)
        text += [*rows[row, :n].tolist(), 3]


def test_what_is_heard_is_mended_and_placed(folders: tuple[Path, Path, Whisper]) -> None:
    _, out, model = folders
    recognizer = Recognizer(out, threads=1)
    wav = noise(3.9)
    draft, mended = recognizer.transcribe(wav, iterations=0), recognizer.transcribe(wav)
    assert draft.words
    if not model.config.halved_layers:
        assert mended.text != draft.text  # weights are random, and so is what they say
    pieces = BytePairs(PIECES)
    assert pieces.decode(pieces.encode(mended.text)) == mended.text
    starts = [word.start for word in mended.words]
    assert starts == sorted(starts) and all(0 <= word.confidence <= 1 for word in mended.words)
    assert all(word.start <= word.end <= mended.duration for word in mended.words)
    heard = recognizer.transcribe(wav, hotwords=["so it"])  # searched for by the beam, then mended
    assert heard.duration == mended.duration


@pytest.mark.parametrize(("seconds", "frames"), [(0.2, 13), (1.0, 25), (2.9, 73)])
def test_the_decoder_hears_silence_behind_a_single_word(
    folders: tuple[Path, Path, Whisper], seconds: float, frames: int
) -> None:
    _, out, model = folders
    recognizer = Recognizer(out, threads=1)
    for shortest, heard in ((0.5, max(seconds, 0.5)), (2.5, max(seconds, 2.5))):
        encoded = recognizer._encode(noise(seconds), shortest)
        assert len(encoded) == frames and encoded.memory is not None
        states = model.encoder(model.features(torch.zeros(1, int((heard + 0.5) * 16000))), None)
        assert encoded.memory[0].shape == states.shape


def test_a_short_recording_is_heard_with_silence_where_its_draft_is_verified(
    folders: tuple[Path, Path, Whisper], monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = Recognizer(folders[1], threads=1)
    encode, heard = recognizer._encode, []

    def listened(wav: np.ndarray, shortest: float = 0.5) -> EncodedAudio:
        heard.append(shortest)
        return encode(wav, shortest)

    monkeypatch.setattr(recognizer, "_encode", listened)
    recognizer.transcribe(noise(1.0))
    recognizer.transcribe(noise(1.0), iterations=0)
    recognizer.stream().feed(noise(3.0))
    assert heard[0] == pytest.approx(recognizer.info.window_seconds)  # 4 s, if windows are not shorter
    assert set(heard[1:]) == {0.5} and len(heard) > 2


def test_only_recognizers_are_exported(tmp_path: Path) -> None:
    sizes = HarmonicVocosConfig(d_model=8, d_ff=8, n_layers=1)
    save_model(tmp_path, ModelConfig(AUDIO, Choice("harmonic_vocos", sizes)), HarmonicVocos(sizes, AUDIO))
    config.save(CARD, tmp_path / "recognizer.yaml")
    with pytest.raises(ModelError, match="which is no recognizer"):
        export_recognizer(tmp_path, tmp_path / "out")
