"""The last stages of recipes/nar_asr on a cache of three utterances and models that are not trained."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jiwer
import torch
from cached import D_MODEL, TEXTS, cached

from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.decode.methods import DecodeOptions
from speechnar.evaluate.wer.transcripts import read
from speechnar.infer.decode import decode_corpus
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.models.folder import ModelConfig, build, save_model
from speechnar.models.specs import MODELS
from speechnar.text.tokenizer import load_tokenizer, train_tokenizer

LOCAL = Path(__file__).parents[2] / "recipes" / "nar_asr" / "local"
ENCODER = CTCEncoderConfig(ConformerConfig(16, 2, 2, 32, 3, 2, 0, dropout=0.0), (), False, D_MODEL)
DECODER = DecoderConfig(16, 2, 1, 16, dropout=0.0)


def made(root: Path, names: dict[str, str]) -> None:
    """Make exp/encoded, references and models of the recipe, which are not trained: folder to name of the model."""
    dev = cached(root).dev
    train_tokenizer(TEXTS, root / "tokenizer")
    symbols = load_tokenizer(root / "tokenizer")
    for split in ("dev", "test-other"):
        shutil.copytree(dev.parent, root / "exp" / "encoded" / split)
        reference = "".join(f"utt{n} {text}\n" for n, text in enumerate(TEXTS))
        (root / f"{split}.txt").write_text(reference, encoding="utf-8")
    torch.manual_seed(0)
    for folder, name in names.items():
        model = MODELS[name].config(len(symbols), ENCODER, *(() if name == "ctc" else (DECODER,)))
        config = ModelConfig(AudioConfig(16000, 400, 160, 400, 8), Choice(name, model))
        save_model(root / "exp" / folder, config, build(config), symbols)


def run(script: str, root: Path, *options: str) -> str:
    """Return what a script of the recipe prints."""
    command = [sys.executable, str(LOCAL / script), str(root), str(root / "exp"), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_table_has_every_trained_system(tmp_path: Path) -> None:
    made(tmp_path, {"ctc": "ctc", "align_refine": "align_refine"})
    printed = run("evaluate.py", tmp_path)
    table = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    assert [line[0] for line in table[2:]] == ["| CTC, greedy", f"| Align-Refine, iterations {_chosen(printed)}"]
    assert "a second, batch 32" in table[0] and "peak memory, MB" in table[0] and table[0][1] == "family"
    assert "\ntest-other\n" in printed
    decoded = tmp_path / "exp" / "decoded" / "test-other"
    assert (decoded / "wer_latency.png").stat().st_size > 5000
    measured = json.loads((decoded / "Align_Refine.speed.json").read_text(encoding="utf-8"))
    assert measured["family"] == "iterative" and measured["decoder_parameters"] > 0


def test_every_trick_of_trained_models_has_a_row_with_its_errors(tmp_path: Path) -> None:
    made(tmp_path, {"mask_ctc": "mask_ctc", "aed": "aed"})
    printed = run("ablation.py", tmp_path, "--split", "test-other")
    assert (tmp_path / "exp" / "ablation-test-other.md").read_text(encoding="utf-8") == printed
    rows = [line.strip("| ").split(" | ") for line in printed.splitlines()]
    assert rows[0] == ["trick", "model", "without", "with", "WER", "p", "decoder, ms", "steps"]
    assert {len(row) for row in rows} == {8}
    assert {row[1] for row in rows[2:]} == {"mask_ctc", "aed"}
    gates = [row for row in rows if row[0] == "entropy gate" and row[1] == "mask_ctc"]
    assert [row[2:4] for row in gates] == [
        ["mask predict, iterations 4", f"entropy gate {x}"] for x in (0.25, 0.3, 0.35)
    ]
    options = DecodeOptions("mask_predict", 4, length_beam=3)
    cuts = tmp_path / "exp" / "encoded" / "test-other" / "cuts.jsonl.gz"
    decode_corpus(tmp_path / "exp" / "mask_ctc", cuts, tmp_path / "hyp.txt", options)
    texts = [read(tmp_path / name).values() for name in ("test-other.txt", "hyp.txt")]
    rate = 100 * jiwer.wer(*map(list, texts))
    assert [row[4].split(" to ")[1] for row in rows if row[3] == "length beam 3"] == [f"{rate:.2f} %"]
    empty = [sys.executable, str(LOCAL / "ablation.py"), str(tmp_path), str(tmp_path / "model")]
    failed = subprocess.run(empty, capture_output=True, text=True)
    assert failed.returncode == 2 and "holds no trained model: run the stages before" in failed.stderr


def _chosen(printed: str) -> str:
    """Return the iterations with the lowest rate on dev, the fewest of equals."""
    rates = [line.split() for line in printed.splitlines() if line.startswith("dev, Align-Refine")]
    return min(rates, key=lambda words: float(words[-2]))[-3].rstrip(":")
