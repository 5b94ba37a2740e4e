"""The training runs of docs/training.md, as they stand there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from spoken import make_corpus

from speechnar import config
from speechnar.config import Choice
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoderConfig
from speechnar.models.asr.ctc import CTCConfig
from speechnar.tasks.recognizer import RecognitionConfig
from speechnar.text.tokenizer import train_tokenizer
from speechnar.train.loop import LoopConfig

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
RECIPE, OWN = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_own_modules_and_losses_in_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(OWN, "training.md", "exec"), {"__name__": "training_page"})
    lines = [json.loads(line) for line in (tmp_path / "exp/regression/log.jsonl").read_text().splitlines()]
    assert lines[-1]["validation/mse"] < 0.05 * lines[0]["fit/mse"]
    assert (tmp_path / "exp/regression/model.safetensors").exists()


def test_a_recipe_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    texts = ["ab", "ba", "cab"]
    train_tokenizer(texts, tmp_path / "data" / "tokenizer")
    for name in ("train", "dev"):
        make_corpus(tmp_path / "data", texts, name)
    from spoken import AUDIO

    model = CTCConfig(0, CTCEncoderConfig(ConformerConfig(8, 1, 2, 8, 3, 2, 4)))
    loop = LoopConfig(max_steps=1, validate_every=1, precision="no", threads=1)
    config.save(RecognitionConfig(AUDIO, Choice("ctc", model), loop=loop), tmp_path / "conf" / "ctc.yaml")
    exec(compile(RECIPE, "training.md", "exec"), {"__name__": "training_page"})
    assert (tmp_path / "exp/ctc/model.safetensors").exists()
    assert len([line for line in RECIPE.splitlines() if line.strip()]) <= 15


def test_every_option_that_the_page_names_exists() -> None:
    fields = LoopConfig.__dataclass_fields__.keys() | {"batch_seconds", "batch_size", "average_models"}
    block = re.search(r"    loop:\n((?:      .*\n)+)", PAGE)
    assert block
    named = re.findall(r"^ +(\w+):", block[1], flags=re.MULTILINE)
    assert len(named) == 4 and set(named) <= fields
