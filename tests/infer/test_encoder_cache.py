"""Encoding recordings once, and a step of training on what that gave."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from speechnar.audio import AudioConfig
from speechnar.config import ConfigError
from speechnar.data.features import DataError
from speechnar.infer.encoder_cache import CopyConfig, Encoded, encode
from speechnar.layers.augment import SpecAugmentConfig, spec_augment
from speechnar.models.asr.whisper import Whisper, WhisperConfig
from speechnar.models.folder import ModelConfig, load_model, save_model
from speechnar.tasks.speculative import WhisperTask, WhisperTraining, train_whisper
from speechnar.text.symbols import BLANK, BOS, EOS, PAD, SymbolTable
from speechnar.text.whisper_bpe import PIECES
from speechnar.train.loop import LoopConfig

TEXTS = ("so it was", "was it", "it was so so")
SECONDS = (1.0, 0.6, 1.5)
UNITS = ("▁", *"aiostw")
TRAINING = WhisperTraining(
    "draft", LoopConfig(max_steps=2, log_every=1, validate_every=2, warmup_steps=0, precision="no", ema_decay=0.0),
    copies=(CopyConfig(), CopyConfig(speed=0.9, noise_share=1.0, bands=2), CopyConfig(joined_seconds=2.6)),
    batch_seconds=2.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A start folder, a table of three recordings, and where they are encoded."""
    root = tmp_path_factory.mktemp("whisper")
    symbols = SymbolTable((BLANK, *UNITS, PAD, BOS, EOS))
    config = WhisperConfig(
        n_symbols=len(symbols), n_tokens=len(UNITS) + 2, n_mels=8, d_model=64, d_ff=64, n_heads=4, n_layers=2,
        decoder_layers=1, max_frames=200, max_tokens=20, d_draft=16, draft_layers=2,
    )  # fmt: skip
    torch.manual_seed(0)
    audio = AudioConfig(16000, 400, 160, 400, 8)
    save_model(root / "start", ModelConfig(audio, whisper=config), Whisper(config), symbols)
    (root / "start" / PIECES).write_text("\n".join((*UNITS, "▁s", EOS)) + "\n", encoding="utf-8")
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


def test_what_is_kept_is_what_the_encoder_makes(folders: tuple[Path, Path, Path]) -> None:
    start, _, encoded = folders
    model, _ = load_model(start)
    kept = Encoded(encoded / "dev", 64)
    for number, seconds in enumerate(SECONDS):
        wav = torch.from_numpy(soundfile.read(start.parent / f"{number}.wav", dtype="float32")[0])[None]
        with torch.inference_mode():
            expected = model.encoder(model.features(torch.nn.functional.pad(wav, (0, 8000))), None)[0]
        assert kept.text(range(number, number + 1)) == TEXTS[number]
        whole = kept.states(range(number, number + 1), silence=True)
        torch.testing.assert_close(whole, expected, atol=0.1, rtol=0.05)  # bfloat16
        alone = kept.states(range(number, number + 1))
        assert len(alone) == round(seconds * 50) and torch.equal(alone, whole[: len(alone)])


def test_a_slow_copy_is_longer_and_can_be_made_again(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    start, table, encoded = folders
    slow = Encoded(encoded / "train-1", 64)
    assert [row["end"] - row["start"] for row in slow.index] == [pytest.approx(50 * s / 0.9, abs=1) for s in SECONDS]
    encode(start, table, tmp_path / "again", TRAINING.copies[1])
    assert (tmp_path / "again.f16").read_bytes() == (encoded / "train-1.f16").read_bytes()


def test_joined_utterances_are_heard_together_and_kept_apart(folders: tuple[Path, Path, Path]) -> None:
    start, _, encoded = folders
    alone, joined = Encoded(encoded / "dev", 64), Encoded(encoded / "train-2", 64)
    assert [(row["utt_id"], row["end"] - row["start"]) for row in joined.index] == [
        (row["utt_id"], row["end"] - row["start"]) for row in alone.index
    ]
    each = [range(n, n + 1) for n in range(3)]
    differs = [float((joined.states(run) - alone.states(run)).abs().max()) for run in each]
    assert min(differs[:2]) > 0.1  # the first two are one window
    assert differs[2] < 0.1
    silences = [len(joined.states(run, silence=True)) - len(joined.states(run)) for run in each]
    assert silences == [0, 25, 25]


def test_joined_utterances_are_read_in_all_ways(folders: tuple[Path, Path, Path]) -> None:
    joined = Encoded(folders[2] / "train-2", 64)
    rng = np.random.default_rng(0)
    ways = {tuple(joined.runs(rng)) for _ in range(20)}
    assert ways == {(range(0, 1), range(1, 2), range(2, 3)), (range(0, 2), range(2, 3))}
    both = joined.states(range(0, 2))
    first, second = (joined.states(range(n, n + 1)) for n in (0, 1))
    assert torch.equal(both[: len(first)], first) and torch.equal(both[-len(second) :], second)
    assert len(both) > len(first) + len(second)  # the pause between them
    assert joined.text(range(0, 2)) == f"{TEXTS[0]} {TEXTS[1]}"


def test_two_views_are_masked_apart_and_learn_from_each_other(folders: tuple[Path, Path, Path]) -> None:
    start, _, encoded = folders
    masks = SpecAugmentConfig(band_masks=0, time_masks_per_second=10.0, time_width=15)
    training = dataclasses.replace(TRAINING, masks=masks, weights={"consistency": 0.2}, batch_seconds=10.0)
    task = WhisperTask(training, start, encoded)
    draft, batch = task.modules["model"].eval(), next(task.batches(0, 0))
    with torch.no_grad():
        torch.nn.init.normal_(draft.head.weight)
        torch.manual_seed(2)
        terms = task.loss(batch, 0)
        torch.manual_seed(2)
        views = spec_augment(torch.cat([batch.states] * 2), torch.cat([batch.lengths] * 2), masks).chunk(2)
        first, second = (draft(view, batch.lengths) for view in views)
        apart = 0.0
        for row, length in enumerate(first.lengths.tolist()):
            p, q = (view.logits[row, :length].log_softmax(1) for view in (first, second))
            apart += 0.5 * float(((p.exp() - q.exp()) * (p - q)).sum())
        assert apart > 0.1
        assert float(terms["consistency"]) == pytest.approx(apart / int(batch.token_lengths.sum()), rel=1e-4)

        task.settings = dataclasses.replace(training, masks=dataclasses.replace(masks, time_masks_per_second=0.0))
        alike = task.loss(batch, 0)
        assert float(alike["consistency"]) == pytest.approx(0, abs=1e-5)
        assert float(alike["ctc"]) == pytest.approx(float(task._terms(batch)[0]["ctc"]), rel=1e-4)
        task.settings = dataclasses.replace(training, weights={})
        assert "consistency" not in task.loss(batch, 0)


@pytest.mark.parametrize("part", ["draft", "decoder"])
def test_only_one_part_learns(folders: tuple[Path, Path, Path], tmp_path: Path, part: str) -> None:
    start, _, encoded = folders
    train_whisper(dataclasses.replace(TRAINING, part=part), start, encoded, tmp_path)
    before, (model, _) = load_model(start)[0].state_dict(), load_model(tmp_path)
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {part}
    assert (tmp_path / PIECES).read_bytes() == (start / PIECES).read_bytes()
    last = json.loads((tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    expected = {"ctc", "intermediate", "wer", "cer"} if part == "draft" else {"tokens", "right"}
    assert {f"validation/{name}" for name in expected} <= last.keys()


def test_training_on_other_utterances_starts_anew(
    folders: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, _, encoded = folders
    theirs, out = tmp_path / "encoded", tmp_path / "draft"
    shutil.copytree(encoded, theirs)
    for _ in range(2):
        train_whisper(TRAINING, start, theirs, out)
    assert "changed" not in capsys.readouterr().err and not (tmp_path / "draft.1").exists()
    index = json.loads((theirs / "train-2.json").read_text(encoding="utf-8"))
    (theirs / "train-2.json").write_text(json.dumps(index[:2]), encoding="utf-8")
    train_whisper(TRAINING, start, theirs, out)
    assert "the list of train-2 changed since" in capsys.readouterr().err
    assert (tmp_path / "draft.1" / "model.safetensors").exists() and (out / "model.safetensors").exists()


def test_the_decoder_is_taught_each_piece_and_the_end(folders: tuple[Path, Path, Path]) -> None:
    start, _, encoded = folders
    task = WhisperTask(dataclasses.replace(TRAINING, part="decoder", batch_seconds=10.0), start, encoded)
    batch = next(task.batches(0, 0))
    with torch.no_grad():
        loss = float(task._terms(batch)[0]["tokens"])
        decoder, total, count = task.modules["model"], 0.0, 0
        for row, (length, pieces) in enumerate(zip(batch.lengths.tolist(), batch.token_lengths.tolist())):
            text = batch.tokens[row, :pieces]
            logits = decoder(text[None], decoder.memory(batch.states[row : row + 1, :length]), None)[0]
            wanted = torch.cat([text, torch.tensor([task.pieces.end_id])])
            total -= float(logits.log_softmax(1).gather(1, wanted[:, None]).sum())
            count += len(wanted)
    assert loss == pytest.approx(total / count, abs=1e-4)


def test_what_is_saved_lies_between_the_start_and_what_was_learned(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    start, _, encoded = folders
    task = WhisperTask(dataclasses.replace(TRAINING, part="decoder", kept=0.25), start, encoded)
    learned = task.modules["model"]
    with torch.no_grad():
        for weight in learned.parameters():
            weight.add_(1.0)
    expected = {name: value - 0.25 for name, value in learned.state_dict().items()}
    task.save(tmp_path, task.modules)
    saved = load_model(tmp_path)[0].decoder.state_dict()
    torch.testing.assert_close(saved, expected)
    for name, value in learned.state_dict().items():  # training goes on with what it has
        torch.testing.assert_close(value, saved[name] + 0.25)


def test_an_epoch_has_each_text_once_in_some_copy(folders: tuple[Path, Path, Path]) -> None:
    start, _, encoded = folders
    task = WhisperTask(TRAINING, start, encoded)
    batches = list(task.batches(3, 0))
    pieces = torch.cat([batch.tokens[batch.tokens > 0] for batch in batches])
    expected = [symbol for text in TEXTS for symbol in task._tokens(text)]
    assert sorted(pieces.tolist()) == sorted(expected)
    assert all(int(batch.lengths.max()) * len(batch.lengths) <= 100 for batch in batches)
    for first, second in zip(batches[1:], task.batches(3, 1)):
        assert torch.equal(first.states, second.states) and torch.equal(first.tokens, second.tokens)


def test_what_is_missing_or_unknown_is_named(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train-0.json: run the stage that encodes"):
        WhisperTask(TRAINING, folders[0], tmp_path)
    with pytest.raises(ConfigError, match="should be draft or decoder"):
        dataclasses.replace(TRAINING, part="encoder")
    with pytest.raises(ConfigError, match="term of the draft's"):
        dataclasses.replace(TRAINING, part="decoder", weights={"consistency": 0.2})
    with pytest.raises(ConfigError, match="leave kept out"):
        dataclasses.replace(TRAINING, kept=0.5)
