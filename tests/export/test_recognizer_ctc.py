"""Our own recognizers to a runtime folder: what the runtime hears is what the model hears."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.export import RecognizerCard, export_recognizer
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.models.asr.ctc import CTCConfig
from speechnar.models.asr.mask_ctc import MaskCTCConfig
from speechnar.models.folder import ModelConfig, build, load_model, save_model
from speechnar.runtime.recognizer_folder import RecognizerInfo
from speechnar.text.symbols import SymbolTable

AUDIO = AudioConfig(sample_rate=8000, n_fft=240, hop_length=80, win_length=240, n_mels=10, f_min=0.0, f_max=4000.0)
ENCODER = CTCEncoderConfig(ConformerConfig(8, 2, 2, 8, 3, 4, 4), (1,), True)
SYMBOLS = SymbolTable(("<blank>", "▁", "a", "<mask>", "<pad>", "<s>", "</s>"))
CONFIGS = {
    "ctc": ModelConfig(AUDIO, Choice("ctc", CTCConfig(7, ENCODER))),
    "mask_ctc": ModelConfig(AUDIO, Choice("mask_ctc", MaskCTCConfig(7, ENCODER, DecoderConfig(8, 2, 1, 8)))),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_graph_takes_samples_of_any_length(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build(CONFIGS[name])
    model.encoder.mel_mean.fill_(-3.0)  # type: ignore[operator, union-attr]
    save_model(tmp_path / "model", CONFIGS[name], model, SYMBOLS)
    card = RecognizerCard("tones", "en-us", "CC0-1.0", "none", measured={"WER": 0.5})
    config_files.save(card, tmp_path / "model" / "recognizer.yaml")
    export_recognizer(tmp_path / "model", tmp_path / "out")
    info = RecognizerInfo.load(tmp_path / "out")
    assert info.symbols == SYMBOLS.symbols and info.sample_rate == 8000 and info.frame_seconds == 0.04
    assert info.window_seconds == 20
    assert {k: getattr(info, k) for k in ("name", "measured")} == {"name": "tones", "measured": {"WER": 0.5}}
    graph = gzip.decompress((tmp_path / "out" / "model.onnx.gz").read_bytes())
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    model = load_model(tmp_path / "model")[0]
    for length in (900, 8123):
        wav = 0.1 * np.random.default_rng(0).standard_normal((1, length), dtype=np.float32)
        (log_probs,) = session.run(["log_probs"], {"wav": wav})
        assert log_probs.shape == (1, -(-(length // 80) // 4), 7)
        with torch.no_grad():
            expected = model(*model.encoder.features(torch.from_numpy(wav), None)).log_probs
        np.testing.assert_allclose(log_probs, expected, atol=0.05)  # weights of 8 bits
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model.onnx.gz", "recognizer.json"]


def test_what_is_not_exported_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, config in CONFIGS.items():
        save_model(tmp_path / name, config, build(config), SYMBOLS)
        config_files.save(RecognizerCard("tones", "en-us", "CC0-1.0", "none"), tmp_path / name / "recognizer.yaml")
        export_recognizer(tmp_path / name, tmp_path / "out")
        said = capsys.readouterr().err
        if name == "mask_ctc":
            assert said.startswith("speechnar: the masked decoder (methods ") and said.count("\n") == 1
            assert said.endswith(f"of {tmp_path / name} is not exported: the recognizer decodes by CTC alone\n")
        else:
            assert said == ""
