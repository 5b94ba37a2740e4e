"""The last stage of recipes/nar_asr on a cache of three utterances and models that are not trained."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from cached import D_MODEL, TEXTS, cached

from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.models.folder import ModelConfig, build, save_model
from speechnar.models.specs import MODELS
from speechnar.text.tokenizer import load_tokenizer, train_tokenizer

EVALUATE = Path(__file__).parents[2] / "recipes" / "nar_asr" / "local" / "evaluate.py"
ENCODER = CTCEncoderConfig(ConformerConfig(16, 2, 2, 32, 3, 2, 0, dropout=0.0), (), False, D_MODEL)


def test_the_table_has_every_trained_system(tmp_path: Path) -> None:
    made = cached(tmp_path)
    train_tokenizer(TEXTS, tmp_path / "tokenizer")
    symbols = load_tokenizer(tmp_path / "tokenizer")
    for split in ("dev", "test-other"):
        shutil.copytree(made.dev.parent, tmp_path / "exp" / "encoded" / split)
        reference = "".join(f"utt{n} {text}\n" for n, text in enumerate(TEXTS))
        (tmp_path / f"{split}.txt").write_text(reference, encoding="utf-8")
    torch.manual_seed(0)
    for name, parts in {"ctc": (), "align_refine": (DecoderConfig(16, 2, 1, 16, dropout=0.0),)}.items():
        model = MODELS[name].config(len(symbols), ENCODER, *parts)
        config = ModelConfig(AudioConfig(16000, 400, 160, 400, 8), Choice(name, model))
        save_model(tmp_path / "exp" / name, config, build(config), symbols)
    command = [sys.executable, str(EVALUATE), str(tmp_path), str(tmp_path / "exp")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    table = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    assert [line[0] for line in table[2:]] == ["| CTC, greedy", f"| Align-Refine, iterations {_chosen(printed)}"]
    assert "a second, batch 32" in table[0] and "peak memory, MB" in table[0] and table[0][1] == "family"
    assert "\ntest-other\n" in printed
    decoded = tmp_path / "exp" / "decoded" / "test-other"
    assert (decoded / "wer_latency.png").stat().st_size > 5000
    measured = json.loads((decoded / "Align_Refine.speed.json").read_text(encoding="utf-8"))
    assert measured["family"] == "iterative" and measured["decoder_parameters"] > 0


def _chosen(printed: str) -> str:
    """Return the iterations with the lowest rate on dev, the fewest of equals."""
    rates = [line.split() for line in printed.splitlines() if line.startswith("dev, Align-Refine")]
    return min(rates, key=lambda words: float(words[-2]))[-3].rstrip(":")
