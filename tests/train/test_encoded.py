"""Encoding recordings once, and a step of training on what that gave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from speechnar.audio import AudioConfig
from speechnar.data.features import DataError
from speechnar.models.folder import ModelConfig, load_model, save_model
from speechnar.models.whisper_ctc import WhisperCTC, WhisperCTCConfig
from speechnar.text.units import make_units
from speechnar.train.loop import LoopConfig
from speechnar.train.whisper_ctc import (
    CopyConfig,
    Encoded,
    WhisperCTCTask,
    WhisperCTCTraining,
    encode,
    train_whisper_ctc,
)

TEXTS = ("so it was", "was it", "it was so so")
SECONDS = (1.0, 0.6, 1.5)
TRAINING = WhisperCTCTraining(
    LoopConfig(max_steps=2, log_every=1, validate_every=2, warmup_steps=0, precision="no", ema_decay=0.0),
    copies=(CopyConfig(), CopyConfig(speed=0.9, noise_share=1.0, bands=2)),
    batch_seconds=2.0,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A start folder, a table of three recordings, and where they are encoded."""
    root = tmp_path_factory.mktemp("whisper")
    symbols = make_units(TEXTS, root / "start")
    config = WhisperCTCConfig(len(symbols), 8, 16, 16, 2, 4, 200, 2, (3,), 0.0)
    torch.manual_seed(0)
    audio = AudioConfig(16000, 400, 160, 400, 8)
    save_model(root / "start", ModelConfig(audio, whisper_ctc=config), WhisperCTC(config))
    rng = np.random.default_rng(0)
    lines = []
    for number, (text, seconds) in enumerate(zip(TEXTS, SECONDS)):
        path = root / f"{number}.wav"
        soundfile.write(path, rng.normal(size=int(seconds * 16000)) * 0.1, 16000)
        lines.append(f"utt{number}\tanna\t{path}\t{text}\n")
    (root / "table.tsv").write_text("".join(lines), encoding="utf-8")
    for name, copy in (("dev", CopyConfig()), *((f"train-{n}", copy) for n, copy in enumerate(TRAINING.copies))):
        encode(root / "start", root / "table.tsv", root / "encoded" / name, copy)
    return root / "start", root / "table.tsv", root / "encoded"


def test_what_is_kept_is_what_the_lower_half_makes(folders: tuple[Path, Path, Path]) -> None:
    start, _, encoded = folders
    model, _ = load_model(start)
    kept = Encoded(encoded / "dev", 16)
    for number, seconds in enumerate(SECONDS):
        wav = torch.from_numpy(soundfile.read(start.parent / f"{number}.wav", dtype="float32")[0])[None]
        with torch.inference_mode():
            expected = model.lower(model.features(wav), None)[0]
        assert kept.index[number]["text"] == TEXTS[number]
        assert len(expected) == round(seconds * 50)
        torch.testing.assert_close(kept.hidden(number), expected, atol=0.1, rtol=0.05)  # bfloat16


def test_a_slow_copy_is_longer_and_can_be_made_again(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    start, table, encoded = folders
    slow = Encoded(encoded / "train-1", 16)
    assert [row["frames"] for row in slow.index] == [pytest.approx(50 * s / 0.9, abs=1) for s in SECONDS]
    encode(start, table, tmp_path / "again", TRAINING.copies[1])
    assert (tmp_path / "again.f16").read_bytes() == (encoded / "train-1.f16").read_bytes()


def test_only_the_upper_half_learns(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    start, _, encoded = folders
    train_whisper_ctc(TRAINING, start, encoded, tmp_path)
    before, after = load_model(start)[0].state_dict(), load_model(tmp_path)[0].state_dict()
    for name, value in before.items():
        lower = name.startswith(("conv", "blocks.0", "blocks.1"))
        assert torch.equal(value, after[name]) == lower, name
    last = json.loads((tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert {"validation/ctc", "validation/intermediate", "validation/wer", "validation/cer"} <= last.keys()


def test_an_epoch_has_each_utterance_once_in_some_copy(folders: tuple[Path, Path, Path]) -> None:
    start, _, encoded = folders
    task = WhisperCTCTask(TRAINING, start, encoded)
    batches = list(task.batches(3, 0))
    assert sum(len(batch.lengths) for batch in batches) == len(TEXTS)
    assert all(int(batch.lengths.max()) * len(batch.lengths) <= 100 for batch in batches)
    for first, second in zip(batches[1:], task.batches(3, 1)):
        assert torch.equal(first.hidden, second.hidden) and torch.equal(first.tokens, second.tokens)


def test_missing_encodings_are_named(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train-0.json: run the stage that encodes"):
        WhisperCTCTask(TRAINING, folders[0], tmp_path)
