"""A Whisper that learns from another one, which hears more silence."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml
from cached import Cached, cached

from speechnar import config
from speechnar.cli import main
from speechnar.config import ConfigError
from speechnar.layers.augment import SpecAugmentConfig
from speechnar.models.asr.whisper import SILENCE, Whisper, WhisperConfig
from speechnar.models.folder import ModelError, load_model, save_model
from speechnar.tasks.fine_tuning import FineTuningConfig, FineTuningTask
from speechnar.tasks.teacher import Teacher
from speechnar.text.symbols import SymbolTable
from speechnar.text.whisper_bpe import DECODER_TOKENS
from speechnar.train.loop import LoopConfig

AVERAGE = Path(__file__).parents[2] / "recipes" / "english_base" / "local" / "average.py"
LOOP = LoopConfig(max_steps=2, log_every=1, validate_every=0, warmup_steps=0, precision="no", ema_decay=0.0)
ONLY = {"ctc": 0.0, "intermediate": 0.0, "tokens": 0.0, "states": 0.0, "distributions": 0.0}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Cached:
    return cached(tmp_path_factory.mktemp("cached"))


@pytest.fixture(scope="module")
def teacher(folders: Cached, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with the same tokens, other weights, and room for the silence."""
    return saved(folders, tmp_path_factory.mktemp("teacher") / "model", max_frames=1500)


def sizes(folder: Path) -> WhisperConfig:
    return load_model(folder)[1].model.value


def saved(folders: Cached, folder: Path, **sizes: int) -> Path:
    whisper, its = load_model(folders.model)
    torch.manual_seed(5)
    made = Whisper(dataclasses.replace(whisper.config, **sizes))  # type: ignore[arg-type]
    its = dataclasses.replace(its, model=config.Choice("whisper", made.config))
    save_model(folder, its, made, SymbolTable.load(folders.model / "tokens.txt"))
    shutil.copy(folders.model / DECODER_TOKENS, folder)
    return folder


def test_a_teacher_hears_ten_seconds_of_silence_behind_each_text(folders: Cached, teacher: Path) -> None:
    rows = [0.1 * torch.randn(1, 16000), 0.1 * torch.randn(1, 9600)]
    written = torch.tensor([[3, 4, 5], [6, 7, 0]])
    states, logits = Teacher(teacher, folders.model, sizes(folders.model), 10.0)(rows, written)
    whisper = load_model(teacher)[0].eval()
    for row, (wav, tokens) in enumerate(zip(rows, written)):
        with torch.no_grad():
            alone = whisper.encoder(whisper.features(F.pad(wav, (0, 160000))), None)
            expected = whisper.decoder(tokens[None], whisper.decoder.memory(alone), None)
        assert torch.allclose(states[row, : alone.shape[1]], alone[0], atol=1e-4)
        assert torch.allclose(logits[row], expected[0], atol=1e-3)


def test_states_are_averaged_for_a_model_that_merges_frames(folders: Cached, teacher: Path, tmp_path: Path) -> None:
    merged = saved(folders, tmp_path / "merged", halved_layers=1)
    rows, written = [0.1 * torch.randn(1, 16000)], torch.tensor([[3]])
    whole, _ = Teacher(teacher, folders.model, sizes(folders.model), 10.0)(rows, written)
    pairs, _ = Teacher(teacher, merged, sizes(merged), 10.0)(rows, written)
    assert torch.allclose(pairs, (whole[:, ::2] + whole[:, 1::2]) / 2, atol=1e-5)
    with pytest.raises(ModelError, match="merges frames, and .* does not"):
        Teacher(merged, folders.model, sizes(folders.model), 10.0)


def test_a_teacher_with_other_tokens_or_states_is_refused(folders: Cached, teacher: Path, tmp_path: Path) -> None:
    other = shutil.copytree(teacher, tmp_path / "other")
    (other / DECODER_TOKENS).write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(ModelError, match="has other tokens than"):
        Teacher(other, folders.model, sizes(folders.model), 10.0)
    wide = saved(folders, tmp_path / "wide", d_model=2 * load_model(folders.model)[0].config.d_model)
    with pytest.raises(ModelError, match="states of .* values"):
        Teacher(wide, folders.model, sizes(folders.model), 10.0)
    short = saved(folders, tmp_path / "short", max_tokens=5)
    with pytest.raises(ModelError, match="reads 5 tokens, and .* writes 20"):
        Teacher(short, folders.model, sizes(folders.model), 10.0)


def test_a_teacher_hears_no_more_than_it_can(folders: Cached) -> None:
    """The model of the fixture hears 4 s: of 3 s, with 1 s of silence, there are 200 states."""
    own = sizes(folders.model)
    assert own.max_frames == 200
    states, _ = Teacher(folders.model, folders.model, own, 10.0)([torch.zeros(1, 48000)], torch.tensor([[3]]))
    assert states.shape[1] == 200


def test_a_term_without_its_teacher_is_refused(folders: Cached, tmp_path: Path) -> None:
    settings = FineTuningConfig(LOOP, weights={"states": 1.0})
    with pytest.raises(ConfigError, match="the weight of states needs a teacher: give --teacher"):
        FineTuningTask(settings, folders.model, [folders.manifest], folders.manifest)


@pytest.mark.parametrize(("term", "part"), [("states", "encoder"), ("distributions", "decoder")])
def test_each_term_of_a_teacher_trains(folders: Cached, teacher: Path, tmp_path: Path, term: str, part: str) -> None:
    settings = FineTuningConfig(
        dataclasses.replace(LOOP, weight_decay=0.0), batch_seconds=5.0, weights=ONLY | {term: 1.0}
    )
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config.to_dict(settings)), encoding="utf-8")
    options = ["--init", folders.model, "--train", folders.manifest, "--dev", folders.manifest, "--teacher", teacher]
    out = tmp_path / "m"
    assert main(["train", "whisper", str(tmp_path / "c.yaml"), *map(str, options), "--out", str(out)]) == 0
    before, after = load_model(folders.model)[0].state_dict(), load_model(out)[0].state_dict()
    changed = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert part in changed and "draft" not in changed
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[0][f"whisper/{term}"] > 0
    once_more = ["train", "whisper", str(tmp_path / "c.yaml"), *map(str, options[:-1]), str(folders.model)]
    assert main([*once_more, "--out", str(out)]) == 0
    assert len(list(tmp_path.glob("m*"))) == 2  # the run with the other teacher was renamed


def itself(folders: Cached, start: Path, out: Path) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Train `start` to predict what the model of `folders` predicts of the same audio; its weights, and the losses."""
    settings = FineTuningConfig(
        dataclasses.replace(LOOP, weight_decay=0.0, max_steps=2), batch_seconds=5.0,
        weights=ONLY | {"distributions": 1.0}, masks=SpecAugmentConfig(band_masks=0, time_masks_per_second=0.0),
        teacher_silence=SILENCE, frozen_layers=2, only_cross_attention=True,
        draft_learning_rate_ratio=0.0,
    )  # fmt: skip
    path = out.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config.to_dict(settings)), encoding="utf-8")
    options = ["--init", start, "--train", folders.manifest, "--dev", folders.manifest, "--teacher", folders.model]
    assert main(["train", "whisper", str(path), *map(str, options), "--out", str(out)]) == 0
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["whisper/distributions"] for line in lines if "whisper/distributions" in line]
    return load_model(out)[0].state_dict(), losses


def test_a_decoder_that_hears_means_of_states_learns_from_itself(folders: Cached, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(AVERAGE), str(folders.model), str(tmp_path / "start")], check=True)
    model, _ = load_model(tmp_path / "start")
    assert model.config.averaged_states == 2
    before = model.state_dict()
    after, losses = itself(folders, tmp_path / "start", tmp_path / "m")
    changed = [name for name in after if not torch.equal(after[name], before[name])]
    assert changed and all(name.startswith("decoder.") and ".cross_" in name for name in changed)
    assert losses[0] > 0
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run([sys.executable, str(AVERAGE), str(tmp_path / "m"), str(tmp_path / "again")], check=True)


def test_what_hears_as_its_teacher_does_has_nothing_to_learn(folders: Cached, tmp_path: Path) -> None:
    _, losses = itself(folders, folders.model, tmp_path / "m")
    assert losses[0] < 1e-6


def test_a_teacher_hears_no_less_silence_than_the_model() -> None:
    with pytest.raises(ConfigError, match="teacher_silence is 0.2 but should be 0.5 or more"):
        FineTuningConfig(teacher_silence=0.2)
