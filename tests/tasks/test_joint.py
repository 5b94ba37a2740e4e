"""An aligner and FastSpeech 2 in one run, on tones and hisses whose times are known and never told."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lhotse import CutSet
from tones import RATE, spoken

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.data.batch import SpeechBatch
from speechnar.data.durations import boundaries_of
from speechnar.data.features import compute_features, load_utterance
from speechnar.data.manifest import DataError, load_cuts, save_cuts
from speechnar.infer.align import align_corpus
from speechnar.models.folder import load_model
from speechnar.models.tts.aligner import Aligner, AlignerConfig
from speechnar.models.tts.fastspeech2 import FastSpeech2, FastSpeech2Config
from speechnar.tasks.acoustic import AcousticConfig
from speechnar.tasks.aligner import AlignerTraining
from speechnar.tasks.joint import JointConfig, JointTask, train_joint
from speechnar.train.loop import LoopConfig, TrainingError

VOICE = AudioConfig(RATE, 256, 100, 256, 12, 0.0, 4000.0)  # frames of 12.5 ms
CONFIG = JointConfig(
    AlignerTraining(
        AudioConfig(RATE, 200, 40, 200, 16, 0.0, 4000.0), Choice("aligner", AlignerConfig(n_cepstra=8, d_model=8)),
        phone_states=2, pause_states=2, prior_steps=20, context_step=40, search_step=50,
    ),
    AcousticConfig(
        Choice("fastspeech2", FastSpeech2Config(
            d_model=8, d_ff=8, kernel_size=3, n_heads=2, encoder_layers=1, prosody_layers=1, decoder_layers=1
        )),
        weights={"mel": 2.0},
    ),
    LoopConfig(
        max_steps=60, learning_rate=0.003, warmup_steps=0, precision="no", ema_decay=0.8, validate_every=60,
        log_every=1, threads=1,
    ),
    batch_seconds=6.0, aligner_learning_rate=0.03, acoustic_step=1,
)  # fmt: skip
SHORT = dataclasses.replace(CONFIG, loop=dataclasses.replace(CONFIG.loop, max_steps=5), acoustic_step=2)
Corpus = tuple[Path, Path, Path]


@pytest.fixture(scope="module")
def times() -> dict[str, np.ndarray]:
    """Return the end of each token but the last, in seconds."""
    return {}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, times: dict[str, np.ndarray]) -> Corpus:
    """Features and manifests that know phones and no times."""
    folder = tmp_path_factory.mktemp("tones")
    cuts = []
    for n in range(14):
        cut, times[f"u{n}"] = spoken(folder, n)
        cuts.append(cut)
    paths = folder / "train.jsonl.gz", folder / "dev.jsonl.gz"
    save_cuts(cuts[:12], paths[0])
    save_cuts(cuts[12:], paths[1])
    compute_features(CutSet.from_cuts(cuts[:12]), folder / "features", VOICE, [CutSet.from_cuts(cuts[12:])])
    return folder / "features", *paths


@pytest.fixture(scope="module")
def learned_from() -> list[SpeechBatch]:
    """The batches that the acoustic model of `trained` was given."""
    return []


@pytest.fixture(scope="module")
def trained(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory, learned_from: list[SpeechBatch]) -> Path:
    out = tmp_path_factory.mktemp("joint") / "model"
    config_files.save(CONFIG, out.parent / "joint.yaml")
    features, train, dev = map(str, corpus)
    splits = ["--features", features, "--train", train, "--dev", dev, "--out", str(out)]
    loss = JointTask.acoustic_loss

    def told(task: JointTask, batch, step: int) -> dict[str, torch.Tensor]:
        learned_from.append(task.timed(task.aligner.model, batch))
        return loss(task, batch, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JointTask, "acoustic_loss", told)
        assert main(["train", "joint", str(out.parent / "joint.yaml"), *splits]) == 0
    return out


def lines_of(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def test_the_acoustic_model_learns_from_true_boundaries_in_the_end(
    trained: Path, times: dict[str, np.ndarray], learned_from: list[SpeechBatch]
) -> None:
    assert len(learned_from) == 59
    errors: list[np.ndarray] = []
    for batch in learned_from:
        assert torch.equal(batch.durations.sum(1), batch.mel_lengths)
        ends = batch.durations.cumsum(1).numpy() * VOICE.hop_length / RATE
        of_batch = []
        for utt_id, row, tokens in zip(batch.utt_ids, ends, batch.token_lengths.tolist()):
            of_batch.append(row[: tokens - 1] - times[utt_id])
        errors.append(np.abs(np.concatenate(of_batch)))
    last = np.concatenate(errors[-5:])
    assert last.mean() < 0.0125 and last.max() < 0.032  # a frame, and two and a half
    assert errors[0].mean() > 2 * last.mean()


def test_both_are_logged_and_the_acoustic_model_joins_later(trained: Path) -> None:
    *steps, validation = lines_of(trained)
    assert {"aligner/loss"} <= steps[0].keys() and "acoustic/loss" not in steps[0]
    assert {"aligner/loss", "acoustic/mel", "acoustic/duration"} <= steps[1].keys()
    assert steps[-1]["acoustic/mel"] < 0.8 * steps[1]["acoustic/mel"]
    names = {"best_path", "mel", "duration", "f0_cents", "duration_frames"}
    assert {f"validation/{name}" for name in names} <= validation.keys()


def test_what_it_leaves_is_an_acoustic_model_and_an_aligner(
    trained: Path, corpus: Corpus, times: dict[str, np.ndarray], tmp_path: Path
) -> None:
    acoustic, its = load_model(trained)
    assert isinstance(acoustic, FastSpeech2) and its.audio == VOICE
    assert isinstance(load_model(trained / "aligner")[0], Aligner)
    config_files.save(VOICE, tmp_path / "audio.yaml")
    audio = ["--audio", str(tmp_path / "audio.yaml")]
    aligned = str(tmp_path / "dev.jsonl.gz")
    assert main(["align", str(trained / "aligner"), str(corpus[2]), aligned, *audio]) == 0
    for cut in load_cuts(Path(aligned)):
        assert np.abs(boundaries_of(cut, VOICE) - times[cut.id]).mean() < 0.0125
    features = str(tmp_path / "features")
    assert main(["features", aligned, features, *audio, "--jobs", "1"]) == 0
    assert main(["predict", str(trained), aligned, str(tmp_path / "mels"), "--features", features]) == 0
    assert len(list((tmp_path / "mels").iterdir())) == 2


def test_durations_are_those_of_speechnar_align(trained: Path, corpus: Corpus, tmp_path: Path) -> None:
    task = JointTask(dataclasses.replace(CONFIG, boundary_offset=30.0), *corpus)
    model, _ = load_model(trained / "aligner")
    cuts = align_corpus(trained / "aligner", corpus[1], tmp_path / "out.jsonl.gz", VOICE, boundary_offset=0.03)
    expected = {cut.id: cut.supervisions[0].custom for cut in cuts}
    seen = 0
    for batch in map(task.load, task.batches(0)):
        timed = task.timed(model, batch)
        for utt_id, row, tokens in zip(timed.utt_ids, timed.durations.tolist(), timed.token_lengths.tolist()):
            its = expected[utt_id]
            assert row[:tokens] == [its["lead"], *its["durations"], its["trail"]] and not any(row[tokens:])
            seen += 1
    assert seen == 12
    assert not load_utterance(corpus[0], "u0").durations.any()  # they come from nowhere else


def test_stopped_and_run_again_has_the_same_losses_and_weights(corpus: Corpus, tmp_path: Path) -> None:
    train_joint(SHORT, *corpus, tmp_path / "whole")
    for limit in (0.0, 0.0, 0.0, None):  # one step each, then the rest
        loop = dataclasses.replace(SHORT.loop, max_minutes=limit)
        train_joint(dataclasses.replace(SHORT, loop=loop), *corpus, tmp_path / "parts")
    steps = [[line for line in lines_of(tmp_path / name) if "aligner/loss" in line] for name in ("whole", "parts")]
    assert len(steps[0]) == 5 and steps[0] == steps[1]
    for name in ("model.safetensors", "aligner/model.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_no_gradient_of_the_acoustic_model_reaches_the_aligner(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_joint(SHORT, *corpus, tmp_path / "both")
    train_joint(dataclasses.replace(SHORT, acoustic_step=5), *corpus, tmp_path / "aligner")
    assert "of 5 steps the acoustic model learns in none: it joins at step 5" in capsys.readouterr().err
    both, alone = (load_model(tmp_path / name / "aligner")[0].state_dict() for name in ("both", "aligner"))
    assert all(torch.equal(both[name], alone[name]) for name in alone)
    torch.manual_seed(SHORT.loop.seed)
    start = JointTask(SHORT, *corpus).acoustic.model
    both, alone = (load_model(tmp_path / name)[0] for name in ("both", "aligner"))
    assert torch.equal(alone.mel_out.weight, start.mel_out.weight)
    assert not torch.equal(both.mel_out.weight, start.mel_out.weight)


def test_an_acoustic_model_is_a_start(trained: Path, corpus: Corpus) -> None:
    task = JointTask(CONFIG, *corpus, init=trained)
    assert torch.equal(task.acoustic.model.mel_out.weight, load_model(trained)[0].mel_out.weight)


def test_one_loop_and_one_size_of_batches() -> None:
    with pytest.raises(TrainingError, match="aligner has a loop of its own: move it to the top"):
        JointConfig(aligner=AlignerTraining(loop=LoopConfig(max_steps=3)))
    with pytest.raises(TrainingError, match="acoustic has a batch_seconds of its own"):
        JointConfig(acoustic=AcousticConfig(batch_seconds=3.0))


def test_features_of_other_phones_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    cuts = load_cuts(corpus[1])
    cuts[0].supervisions[0].custom["phones"].pop()
    save_cuts(cuts, tmp_path / "train.jsonl.gz")
    task = JointTask(CONFIG, corpus[0], tmp_path / "train.jsonl.gz", corpus[2])
    with pytest.raises(DataError, match="u0 has 6 phones in the manifest but 7 in the features: run the features"):
        list(map(task.load, task.batches(0)))
