"""Export of a recogniser: what the runtime hears is what the torch model says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.decode.ctc import greedy
from speechnar.decode.units import Units
from speechnar.export import RecognizerCard, export_recognizer
from speechnar.models.folder import ModelConfig, ModelError, save_model
from speechnar.models.harmonic_vocos import HarmonicVocos, HarmonicVocosConfig
from speechnar.models.whisper_ctc import WhisperCTC, WhisperCTCConfig
from speechnar.runtime.recognizer import Recognizer
from speechnar.text.units import make_units

AUDIO = AudioConfig(16000, 400, 160, 400, 8)
CARD = RecognizerCard("tiny", "en", "CC0", "none", measured={"WER": 99.0})


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, WhisperCTC]:
    folder = tmp_path_factory.mktemp("model")
    symbols = make_units(["so it was", "was it so"], folder)
    sizes = WhisperCTCConfig(len(symbols), 8, 64, 128, 2, 4, 200, 2, (3,), 0.0)
    torch.manual_seed(0)
    model = WhisperCTC(sizes).eval()
    torch.nn.init.normal_(model.head.weight, std=0.05)
    torch.nn.init.normal_(model.condition.weight, std=0.05)
    save_model(folder, ModelConfig(AUDIO, whisper_ctc=sizes), model)
    config.save(CARD, folder / "recognizer.yaml")
    return folder, model


def test_the_runtime_hears_what_the_model_says(model_dir: tuple[Path, WhisperCTC], tmp_path: Path) -> None:
    folder, model = model_dir
    (folder / "lm.npz").write_bytes(b"")  # is taken along; an empty one would be refused when a beam needs it
    export_recognizer(folder, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "recognizer.json", "lm.npz"}
    recognizer = Recognizer(tmp_path, threads=1)
    info = recognizer.info
    assert (info.name, info.sample_rate, info.frame_seconds, info.window_seconds) == ("tiny", 16000, 0.04, 4.0)
    assert info.measured == {"WER": 99.0}
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for seconds in (0.5, 1.03, 3.9):
        wav = (0.1 * rng.normal(size=int(seconds * 16000))).astype(np.float32)
        with torch.inference_mode():
            logits = model.upper(model.lower(model.features(torch.from_numpy(wav)[None]), None), None).logits
        made = session.run(["log_probs"], {"wav": wav[None]})[0]
        assert made.shape == (1, -(-int(seconds * 100) // 4), len(info.symbols))
        expected = logits.log_softmax(2).numpy()
        assert np.abs(np.exp(made) - np.exp(expected)).max() < 0.05  # products are rounded to 8 bits
        np.testing.assert_allclose(np.exp(made).sum(2), 1, atol=1e-4)
        heard = recognizer.transcribe(wav).text
        assert heard == greedy(made[0], Units(info.symbols), info.frame_seconds).text


def test_only_recognisers_are_exported(tmp_path: Path) -> None:
    sizes = HarmonicVocosConfig(d_model=8, d_ff=8, n_layers=1)
    save_model(tmp_path, ModelConfig(AUDIO, harmonic_vocos=sizes), HarmonicVocos(sizes, AUDIO))
    config.save(CARD, tmp_path / "recognizer.yaml")
    with pytest.raises(ModelError, match="which is no recogniser"):
        export_recognizer(tmp_path, tmp_path / "out")
