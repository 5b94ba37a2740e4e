"""Training the draft and the decoder on cached encoder states."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from cached import TEXTS, Cached, cached

from speechnar import config
from speechnar.cli import main
from speechnar.config import ConfigError
from speechnar.data.manifest import load_cuts, save_cuts
from speechnar.layers.augment import SpecAugmentConfig, spec_augment
from speechnar.models.folder import load_model
from speechnar.tasks.speculative import DecoderTask, DraftTask, SpeculativeConfig, train_speculative
from speechnar.text.whisper_bpe import DECODER_TOKENS
from speechnar.train.loop import LoopConfig

TRAINING = SpeculativeConfig(
    "draft", LoopConfig(max_steps=2, log_every=1, validate_every=2, warmup_steps=0, precision="no", ema_decay=0.0),
    batch_seconds=2.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Cached:
    return cached(tmp_path_factory.mktemp("cached"))


def draft_task(folders: Cached, **changes: object) -> DraftTask:
    return DraftTask(dataclasses.replace(TRAINING, **changes), folders.model, folders.train, folders.dev)  # type: ignore[arg-type]


def decoder_task(folders: Cached, **changes: object) -> DecoderTask:
    settings = dataclasses.replace(TRAINING, part="decoder", **changes)  # type: ignore[arg-type]
    return DecoderTask(settings, folders.model, folders.train, folders.dev)


def test_two_views_are_masked_apart_and_learn_from_each_other(folders: Cached) -> None:
    masks = SpecAugmentConfig(band_masks=0, time_masks_per_second=10.0, time_width=15)
    task = draft_task(folders, masks=masks, weights={"consistency": 0.2}, batch_seconds=10.0)
    draft, batch = task.modules["model"].eval(), task.load(task.batches(0)[0])
    with torch.no_grad():
        torch.nn.init.normal_(draft.head.out.weight)
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
        assert float(terms["consistency"].value) == pytest.approx(apart / int(batch.token_lengths.sum()), rel=1e-4)

        task.settings = dataclasses.replace(task.settings, masks=dataclasses.replace(masks, time_masks_per_second=0.0))
        alike = task.loss(batch, 0)
        assert float(alike["consistency"].value) == pytest.approx(0, abs=1e-5)
        assert float(alike["ctc"].value) == pytest.approx(float(task.terms(draft, batch)["ctc"]), rel=1e-4)
        task.settings = dataclasses.replace(task.settings, weights={})
        assert "consistency" not in task.loss(batch, 0)


@pytest.mark.parametrize("part", ["draft", "decoder"])
def test_only_one_part_is_trained(folders: Cached, tmp_path: Path, part: str) -> None:
    written = tmp_path / "config.yaml"
    written.write_text(yaml.safe_dump(config.to_dict(dataclasses.replace(TRAINING, part=part))), encoding="utf-8")
    train = [str(path) for path in folders.train]
    options = ["--init", str(folders.model), "--train", *train, "--dev", str(folders.dev), "--out", str(tmp_path / "m")]
    assert main(["train", "speculative", str(written), *options]) == 0
    before, (model, _) = load_model(folders.model)[0].state_dict(), load_model(tmp_path / "m")
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {part}
    assert (tmp_path / "m" / DECODER_TOKENS).read_bytes() == (folders.model / DECODER_TOKENS).read_bytes()
    last = json.loads((tmp_path / "m" / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    expected = {"ctc", "intermediate", "wer", "cer"} if part == "draft" else {"tokens", "right"}
    assert {f"validation/{name}" for name in expected} <= last.keys()


def test_training_on_other_utterances_starts_anew(
    folders: Cached, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs, out = tmp_path / "cache", tmp_path / "draft"
    shutil.copytree(folders.train[0].parent, theirs)
    manifests = [theirs / "cuts.jsonl.gz", folders.train[2]]
    for _ in range(2):
        train_speculative(TRAINING, folders.model, manifests, folders.dev, out)
    assert "changed" not in capsys.readouterr().err and not (tmp_path / "draft.1").exists()
    save_cuts(load_cuts(manifests[0])[:2], manifests[0])
    train_speculative(TRAINING, folders.model, manifests, folders.dev, out)
    assert "the manifest 0 of --train changed since" in capsys.readouterr().err
    assert (tmp_path / "draft.1" / "model.safetensors").exists() and (out / "model.safetensors").exists()


def test_the_decoder_is_taught_each_token_and_the_end(folders: Cached) -> None:
    task = decoder_task(folders, batch_seconds=10.0)
    batch = task.load(task.batches(0)[0])
    decoder, total, count = task.modules["model"], 0.0, 0
    with torch.no_grad():
        loss = float(task.terms(decoder, batch)["tokens"])
        for row, (length, tokens) in enumerate(zip(batch.lengths.tolist(), batch.token_lengths.tolist())):
            text = batch.tokens[row, :tokens]
            logits = decoder(text[None], decoder.memory(batch.states[row : row + 1, :length]), None)[0]
            targets = torch.cat([text, torch.tensor([task.tokenizer.eos_id])])
            total -= float(logits.log_softmax(1).gather(1, targets[:, None]).sum())
            count += len(targets)
    assert loss == pytest.approx(total / count, abs=1e-4)


def test_what_is_saved_lies_between_the_start_and_what_was_trained(folders: Cached, tmp_path: Path) -> None:
    task = decoder_task(folders, interpolation_weight=0.25)
    trained = task.modules["model"]
    with torch.no_grad():
        for weight in trained.parameters():
            weight.add_(1.0)
    expected = {name: value - 0.25 for name, value in trained.state_dict().items()}
    task.save(tmp_path, task.modules)
    saved = load_model(tmp_path)[0].decoder.state_dict()
    torch.testing.assert_close(saved, expected)
    for name, value in trained.state_dict().items():  # training goes on with the weights that it has
        torch.testing.assert_close(value, saved[name] + 0.25)


def test_an_epoch_has_each_text_once_in_some_variant(folders: Cached) -> None:
    task = draft_task(folders)
    batches = [task.load(runs) for runs in task.batches(3)]
    tokens = torch.cat([batch.tokens[batch.tokens > 0] for batch in batches])
    expected = [symbol for text in TEXTS for symbol in task.tokens(text)]
    assert sorted(tokens.tolist()) == sorted(expected)
    again, other = task.batches(3), task.batches(4)
    assert again == task.batches(3) and again != other


def test_draft_and_decoder_write_the_same_tokens(folders: Cached) -> None:
    draft, decoder = draft_task(folders), decoder_task(folders)
    letters = [draft.symbols.symbols[token] for token in draft.tokens("it was")]
    assert letters == list("▁it▁was") == [decoder.tokenizer.symbols[token] for token in decoder.tokens("it was")]


def test_a_former_key_is_announced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "decoder.yaml").write_text("part: decoder\nkept: 0.4\n", encoding="utf-8")
    assert config.load(SpeculativeConfig, tmp_path / "decoder.yaml").interpolation_weight == 0.4
    assert "'kept' is now called 'interpolation_weight'" in capsys.readouterr().err


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="should be draft or decoder"):
        dataclasses.replace(TRAINING, part="encoder")
    with pytest.raises(ConfigError, match="consistency is a term of the draft"):
        dataclasses.replace(TRAINING, part="decoder", weights={"consistency": 0.2})
    with pytest.raises(ConfigError, match="leave interpolation_weight out"):
        dataclasses.replace(TRAINING, interpolation_weight=0.5)
