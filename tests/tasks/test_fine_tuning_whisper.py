"""Training the encoder, the draft and the decoder of a Whisper together, on audio."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from cached import SECONDS, TEXTS, Cached, cached

from speechnar import config
from speechnar.cli import main
from speechnar.config import ConfigError
from speechnar.data.manifest import DataError, load_cuts, save_cuts
from speechnar.infer.encoder_cache import EncoderCache, Variant, cache_states
from speechnar.models.asr.whisper import SILENCE
from speechnar.models.folder import load_model
from speechnar.tasks.fine_tuning import FineTuningConfig, FineTuningTask, Joined, _rows
from speechnar.tasks.speculative import CachedBatch
from speechnar.text.whisper_bpe import DECODER_TOKENS
from speechnar.train.loop import LoopConfig

HALVE = Path(__file__).parents[2] / "recipes" / "english_base" / "local" / "halve.py"
LOOP = LoopConfig(max_steps=2, log_every=1, validate_every=2, warmup_steps=0, precision="no", ema_decay=0.0)
TRAINING = FineTuningConfig(LOOP, batch_seconds=5.0, variant=Variant(joined_seconds=3.4, noise_share=0.5))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Cached:
    return cached(tmp_path_factory.mktemp("cached"))


def task_of(folders: Cached, **changes: object) -> FineTuningTask:
    settings = dataclasses.replace(TRAINING, **changes)  # type: ignore[arg-type]
    return FineTuningTask(settings, folders.model, [folders.manifest], folders.manifest)


def trained(folders: Cached, out: Path, **changes: object) -> dict[str, torch.Tensor]:
    written = out.with_suffix(".yaml")
    written.write_text(yaml.safe_dump(config.to_dict(dataclasses.replace(TRAINING, **changes))))  # type: ignore[arg-type]
    manifest = str(folders.manifest)
    options = ["--init", str(folders.model), "--train", manifest, "--dev", manifest, "--out", str(out)]
    assert main(["train", "whisper", str(written), *options]) == 0
    return load_model(out)[0].state_dict()


def test_all_parts_are_trained_but_the_frozen_layers(folders: Cached, tmp_path: Path) -> None:
    before, after = load_model(folders.model)[0].state_dict(), trained(folders, tmp_path / "m", frozen_layers=1)
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in changed} == {"encoder", "draft", "decoder"}
    frozen = ("encoder.conv", "encoder.blocks.0.")
    assert not any(name.startswith(frozen) for name in changed)
    assert any(name.startswith("encoder.blocks.1.") for name in changed)
    assert (tmp_path / "m" / DECODER_TOKENS).read_bytes() == (folders.model / DECODER_TOKENS).read_bytes()
    last = json.loads((tmp_path / "m" / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert {f"validation/{name}" for name in ("ctc", "intermediate", "tokens", "right", "wer", "cer")} <= last.keys()


def test_the_draft_has_a_learning_rate_of_its_own(folders: Cached, tmp_path: Path) -> None:
    """The first step of Adam moves each weight by its learning rate."""
    loop = dataclasses.replace(LOOP, max_steps=1, learning_rate=1e-4, weight_decay=0.0, schedule="constant")
    before = load_model(folders.model)[0].state_dict()
    after = trained(folders, tmp_path / "m", loop=loop, draft_learning_rate_ratio=30.0)
    moved = {name: float((after[name] - before[name]).abs().max()) for name in after}
    assert moved["encoder.blocks.0.qkv.weight"] == pytest.approx(1e-4, rel=0.05)
    assert moved["decoder.blocks.0.expand.weight"] == pytest.approx(1e-4, rel=0.05)
    assert moved["draft.head.out.weight"] == pytest.approx(3e-3, rel=0.05)


def test_encoder_and_decoder_are_saved_between_start_and_end(folders: Cached, tmp_path: Path) -> None:
    before = load_model(folders.model)[0].state_dict()
    ends = [trained(folders, tmp_path / f"m{share}", interpolation_weight=share) for share in (0.0, 0.25, 1.0)]
    for name in ("encoder.blocks.0.qkv.weight", "decoder.prompt"):
        moved = [(after[name] - before[name]) for after in ends]
        assert moved[0].abs().max() > 0
        assert torch.allclose(moved[1], 0.75 * moved[0], atol=1e-7)
        assert torch.equal(moved[2], torch.zeros_like(moved[2]))
    draft = "draft.head.out.weight"
    assert torch.equal(ends[0][draft], ends[2][draft])
    assert not torch.equal(ends[2][draft], before[draft])


def test_an_epoch_has_every_utterance_once_in_windows_that_fit(folders: Cached) -> None:
    task = task_of(folders)
    drawn = [[window for batch in task.batches(epoch) for window in batch] for epoch in range(8)]
    for windows in drawn:
        assert sorted(cut.id for window in windows for cut in window.cuts) == ["utt0", "utt1", "utt2"]
        assert all(len(w.cuts) == 1 or sum(cut.duration + 0.6 for cut in w.cuts) <= 3.4 for w in windows)
    shapes = {tuple(len(window.cuts) for window in windows) for windows in drawn}
    assert any(max(shape) > 1 for shape in shapes) and any(max(shape) == 1 for shape in shapes)
    assert [str(each) for each in task.batches(3)[0]] == [str(each) for each in task.batches(3)[0]]


def test_a_window_has_the_audio_and_the_texts_of_its_utterances(folders: Cached) -> None:
    task = task_of(folders, variant=Variant(joined_seconds=3.4))
    window = next(w for epoch in range(20) for batch in task.batches(epoch) for w in batch if len(w.cuts) == 2)
    first = [cut.id for cut in window.cuts] == ["utt0", "utt1"]
    batch = task.load([window])
    seconds, text = sum(SECONDS[:2] if first else SECONDS[1:]), " ".join(TEXTS[:2] if first else TEXTS[1:])
    assert 16000 * (seconds + 0.1) <= int(batch.lengths[0]) <= 16000 * (seconds + 0.6)
    assert task.decoder_tokens.decode(batch.written[0].tolist()) == text
    assert task.draft_tokens.decode(batch.drafted[0].tolist()) == text
    with torch.no_grad():
        for_draft, for_decoder = task.encoded(batch, *task.features_of(_rows(batch), batch.wav.device))
    assert int(for_decoder.lengths[0]) - int(for_draft.lengths[0]) == SILENCE * 50
    assert for_draft.states.shape[1] == int(for_draft.lengths[0])


def encoded(task: FineTuningTask, windows: list[Joined]) -> tuple[CachedBatch, CachedBatch]:
    batch = task.load(windows)
    return task.encoded(batch, *task.features_of(_rows(batch), batch.wav.device))


def test_utterances_are_the_same_beside_longer_ones(folders: Cached) -> None:
    task = task_of(folders)
    windows = [window for batch in task.batches(0) for window in batch]
    for module in task.modules.values():
        module.eval()
    with torch.no_grad():
        together, _ = encoded(task, windows)
        for row, window in enumerate(windows):
            alone, _ = encoded(task, [window])
            length = int(alone.lengths[0])
            assert int(together.lengths[row]) == length
            assert torch.allclose(together.states[row, :length], alone.states[0], atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interpolation_weight": 1.5}, "interpolation_weight is 1.5 but should be from 0 to 1"),
        ({"frozen_layers": -1}, "frozen_layers is -1 but should be 0 or more"),
        ({"draft_learning_rate_ratio": -3.0}, "draft_learning_rate_ratio is -3.0 but should be 0 or more"),
        ({"weights": {"token": 0.5}}, "there is no term 'token' to weigh: the terms are ctc, intermediate, tokens"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FineTuningConfig(**changes)  # type: ignore[arg-type]


def test_more_frozen_layers_than_there_are_is_one_sentence(folders: Cached) -> None:
    with pytest.raises(ConfigError, match="frozen_layers is 3 but the encoder has 2"):
        task_of(folders, frozen_layers=3)


@pytest.mark.parametrize("text", ["", " "])
def test_an_utterance_without_text_is_one_sentence(folders: Cached, tmp_path: Path, text: str) -> None:
    cuts = list(load_cuts(folders.manifest))
    cuts[1].supervisions[0].text = text
    save_cuts(cuts, tmp_path / "silent.jsonl.gz")
    with pytest.raises(DataError, match="utt1"):
        FineTuningTask(TRAINING, folders.model, [tmp_path / "silent.jsonl.gz"], folders.manifest)


def test_what_is_too_long_to_hear_or_to_write_is_left_out(
    folders: Cached, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cuts = list(load_cuts(folders.manifest))
    cuts[0].supervisions[0].text = "so it was " * 10  # more than the 20 tokens that the model writes
    path = tmp_path / "long.jsonl.gz"
    save_cuts(cuts, path)
    task = FineTuningTask(TRAINING, folders.model, [path], path)
    assert [cut.id for cut in task.corpora[0]] == [cut.id for cut in task.dev] == ["utt1", "utt2"]
    assert f"1 of {path} are too long and left out" in capsys.readouterr().err
    save_cuts(cuts[:1], path)
    with pytest.raises(DataError, match="has no utterance of 3.5 s or less"):
        FineTuningTask(TRAINING, folders.model, [folders.manifest], path)


def test_windows_longer_than_the_model_hears_at_the_slowest_speed_are_refused(folders: Cached) -> None:
    variant = Variant(joined_seconds=3.4, speed_range=0.2)
    with pytest.raises(ConfigError, match="joined_seconds is 3.4 but the model hears 2.8 s"):
        task_of(folders, variant=variant)
    with pytest.raises(ConfigError, match="speed_range is 1.2 but should be less than the speed"):
        Variant(speed_range=1.2)


def test_a_run_that_was_stopped_goes_on_with_the_same_learning_rates(folders: Cached, tmp_path: Path) -> None:
    loop = dataclasses.replace(LOOP, max_steps=4, schedule="constant")
    changes = {"draft_learning_rate_ratio": 15.0, "loop": loop}
    whole = trained(folders, tmp_path / "whole", **changes)
    trained(folders, tmp_path / "part", **changes | {"loop": dataclasses.replace(loop, max_steps=2)})
    resumed = trained(folders, tmp_path / "part", **changes)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.fixture(scope="module")
def halved(folders: Cached, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of the same weights, whose upper layer runs on merged frames."""
    folder = tmp_path_factory.mktemp("halved") / "model"
    subprocess.run([sys.executable, str(HALVE), str(folders.model), str(folder), "--layers", "1"], check=True)
    return folder


def test_a_model_with_merged_frames_begins_with_the_same_weights_and_is_trained(
    folders: Cached, halved: Path, tmp_path: Path
) -> None:
    before, start = (load_model(folder)[0].state_dict() for folder in (folders.model, halved))
    merges = {"encoder.merge.1.weight", "encoder.merge.1.bias"}
    assert start.keys() - before.keys() == merges
    changed = {name for name, value in before.items() if not torch.equal(value, start[name])}
    assert changed == {"draft.merge.weight"}
    first, second = before["draft.merge.weight"].chunk(2, dim=1)
    torch.testing.assert_close(start["draft.merge.weight"], first + second)

    after = trained(dataclasses.replace(folders, model=halved), tmp_path / "m", frozen_layers=1)
    assert not torch.equal(after["encoder.merge.1.weight"], start["encoder.merge.1.weight"])
    after = trained(dataclasses.replace(folders, model=halved), tmp_path / "frozen", frozen_layers=2)
    assert all(torch.equal(after[name], start[name]) for name in merges)


def test_states_of_merged_frames_are_cached_and_quantized(folders: Cached, halved: Path, tmp_path: Path) -> None:
    cache_states(halved, folders.manifest, tmp_path / "cache")
    cache, plain = EncoderCache(tmp_path / "cache" / "cuts.jsonl.gz"), EncoderCache(folders.train[0])
    assert (cache.rate, plain.rate) == (25.0, 50.0)
    for number, seconds in enumerate(SECONDS):
        run = range(number, number + 1)
        assert len(cache.states(run)) == -(-len(plain.states(run)) // 2)
        assert cache.seconds(run) == pytest.approx(seconds + SILENCE, abs=0.04)
    assert main(["quantize", str(halved), str(folders.manifest), str(tmp_path / "q"), "--utterances", "2"]) == 0
    made, before = (load_model(folder)[0].state_dict() for folder in (tmp_path / "q", halved))
    assert torch.equal(made["encoder.merge.1.weight"], before["encoder.merge.1.weight"])  # has one step already: 1/2
    name = "encoder.blocks.1.expand.weight"
    step = 0.12 * before[name].square().mean(1, keepdim=True).sqrt()
    torch.testing.assert_close(made[name] / step, (made[name] / step).round(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("layers", "message"), [("0", "--layers is 0 but should be from 1 to 2"), ("3", "is 3 but")])
def test_no_more_layers_are_halved_than_there_are(folders: Cached, tmp_path: Path, layers: str, message: str) -> None:
    command = [sys.executable, str(HALVE), str(folders.model), str(tmp_path / "out"), "--layers", layers]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
