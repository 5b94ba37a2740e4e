"""docs/adding_a_model.md, followed: its code and its YAML train, decode and export a model unknown to the rest."""

from __future__ import annotations

import dataclasses
import gzip
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from spoken import AUDIO, make_corpus
from torch import Tensor, nn

from speechnar import config as config_files
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.export import RecognizerCard, VoiceCard, export_recognizer, export_voice
from speechnar.export.voice import ORIGIN, Origin
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.models import specs
from speechnar.models.folder import ModelConfig, build, load_model, save_model
from speechnar.models.specs import MODELS, ModelSpec
from speechnar.models.tts.fastspeech2 import FastSpeech2, FastSpeech2Config
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocosConfig
from speechnar.runtime.voice_folder import VoiceInfo
from speechnar.tasks.acoustic import AcousticConfig, train_acoustic
from speechnar.text.tokenizer import train_tokenizer
from speechnar.train.loop import LoopConfig

DOCS = (Path(__file__).parents[2] / "docs" / "adding_a_model.md").read_text(encoding="utf-8")
TEXTS = ["ab", "ba c", "cab", "b a", "ac", "bcb"]
ENCODER = CTCEncoderConfig(ConformerConfig(8, 2, 2, 8, 3, 2, 4, dropout=0.0), (1,), True)
LOOP = LoopConfig(max_steps=2, log_every=1, validate_every=2, warmup_steps=0, precision="no", ema_decay=0.0)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The model of the page, in a copy of `MODELS` that is put in its place."""
    module, entry = blocks("python")
    file = ModuleType("averaged_ctc")
    monkeypatch.setitem(sys.modules, file.__name__, file)  # where configs look for the types of their fields
    exec(compile(module, "averaged_ctc.py", "exec"), vars(file))
    models: dict[str, ModelSpec] = {}
    exec(entry, vars(specs) | vars(file) | {"MODELS": models})
    ((name, spec),) = models.items()
    monkeypatch.setitem(MODELS, name, spec)
    assert len(module.splitlines()) < 50
    return SimpleNamespace(name=name, spec=spec)


def test_the_page_s_model_trains_decodes_and_is_exported(
    added: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_tokenizer(TEXTS, tmp_path / "units")
    train, dev = (str(make_corpus(tmp_path, TEXTS, name)) for name in ("train", "dev"))
    (yaml,) = blocks("yaml")
    (tmp_path / "averaged_ctc.yaml").write_text(yaml, encoding="utf-8")
    out, read = tmp_path / "model", tmp_path / "read.txt"
    data = ["--tokenizer", str(tmp_path / "units"), "--train", train, "--dev", dev, "--out", str(out)]
    assert main(["train", "recognizer", str(tmp_path / "averaged_ctc.yaml"), *data]) == 0
    assert main(["decode", str(out), dev, str(read)]) == 0
    assert read.read_text(encoding="utf-8").splitlines() == [f"dev-{n} {text}" for n, text in enumerate(TEXTS)]
    assert main(["decode", str(out), dev, str(read), "--method", "autoregressive"]) == 1
    assert f"holds the model {added.name}, which cannot decode by autoregressive" in capsys.readouterr().err

    config_files.save(RecognizerCard("averaged", "en", "CC0-1.0", "none"), out / "recognizer.yaml")
    export_recognizer(out, tmp_path / "exported")
    graph = gzip.decompress((tmp_path / "exported" / "model.onnx.gz").read_bytes())
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    wav = 0.1 * np.random.default_rng(0).standard_normal((1, 5000), dtype=np.float32)
    model = load_model(out)[0]
    with torch.no_grad():
        expected = model(*model.encoder.features(torch.from_numpy(wav), None)).log_probs
    np.testing.assert_allclose(session.run(["log_probs"], {"wav": wav})[0], expected, atol=0.1)  # weights of 8 bits


def test_the_page_s_model_does_not_see_padding_and_learns_in_every_weight(added: SimpleNamespace) -> None:
    torch.manual_seed(0)
    model = build(ModelConfig(AUDIO, Choice(added.name, added.spec.config(7, ENCODER)))).eval()
    mel = torch.randn(2, 30, AUDIO.n_mels)
    batch = model(mel, torch.tensor([30, 17]))
    alone = model(mel[1:, :17], None)
    torch.testing.assert_close(batch.log_probs[1:, : alone.log_probs.shape[1]], alone.log_probs, atol=1e-5, rtol=0)
    (batch.log_probs * torch.randn_like(batch.log_probs)).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


class LinearDecoder(nn.Module):
    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.layer = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.layer(x)


class LinearTTS(FastSpeech2):
    """FastSpeech 2 with one linear layer as its decoder."""

    def __init__(self, config: FastSpeech2Config) -> None:
        super().__init__(config)
        self.decoder = LinearDecoder(config.d_model)


def test_a_tts_decoder_is_added_by_its_entry_alone(
    monkeypatch: pytest.MonkeyPatch, hummed_features: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    spec = dataclasses.replace(MODELS["fastspeech2"], build=lambda config, audio: LinearTTS(config))
    monkeypatch.setitem(MODELS, "linear_tts", spec)
    sizes = {"d_model": 8, "d_ff": 8, "kernel_size": 3, "n_heads": 2, "encoder_layers": 1, "prosody_layers": 1}
    values = {"linear_tts": sizes, "loop": config_files.to_dict(LOOP), "batch_seconds": 1.0}
    train_acoustic(config_files.from_dict(AcousticConfig, values), *hummed_features, tmp_path / "acoustic")
    model, config = load_model(tmp_path / "acoustic")
    assert config.model.name == "linear_tts" and type(model) is LinearTTS
    vocoder = ModelConfig(config.audio, Choice("harmonic_vocos", HarmonicVocosConfig(d_model=8, d_ff=8, n_layers=1)))
    save_model(tmp_path / "vocoder", vocoder, build(vocoder))
    config_files.save(VoiceCard("linear", "en-us", "CC0-1.0", "none"), tmp_path / "voice.yaml")
    export_voice(tmp_path, tmp_path / "voice")
    assert config_files.load(Origin, tmp_path / "voice" / ORIGIN).acoustic == config.model
    assert VoiceInfo.load(tmp_path / "voice").name == "linear"
