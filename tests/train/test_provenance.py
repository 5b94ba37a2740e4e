"""A run whose data changed starts anew, and what was there is kept and named."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hummed import AUDIO
from lhotse import CutSet

from speechnar.config import Choice
from speechnar.data.features import compute_features
from speechnar.data.manifest import load_cuts, save_cuts
from speechnar.models.tts.fastspeech2 import FastSpeech2Config
from speechnar.models.vocoder.discriminators import MelDiscriminatorConfig
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocosConfig
from speechnar.tasks.acoustic import AcousticConfig, train_acoustic
from speechnar.tasks.vocoder import VocoderConfig, train_vocoder
from speechnar.train.loop import LoopConfig
from speechnar.train.provenance import provenance_of, settings_of

LOOP = LoopConfig(max_steps=2, log_every=1, validate_every=2, warmup_steps=0, precision="no", ema_decay=0.0, threads=1)
TINY = FastSpeech2Config(
    d_model=8, d_ff=8, kernel_size=3, n_heads=2, encoder_layers=1, prosody_layers=1, decoder_layers=1
)
ACOUSTIC = AcousticConfig(Choice("fastspeech2", TINY), LOOP, batch_seconds=1.0)
VOCODER = VocoderConfig(
    Choice("harmonic_vocos", HarmonicVocosConfig(d_model=8, d_ff=8, n_layers=1)),
    loop=LOOP, batch_size=2, segment_frames=20,
)  # fmt: skip
Features = tuple[Path, Path, Path]


@pytest.fixture
def corpus(hummed_features: Features, tmp_path: Path) -> Features:
    """A copy of the hummed corpus that a test may change."""
    train, dev = (load_cuts(path) for path in hummed_features[1:])
    for cut in train:  # no F0, so that it is found whatever the durations are
        del cut.supervisions[0].custom["f0"]
    save_cuts(train, tmp_path / "train.jsonl.gz")
    save_cuts(dev, tmp_path / "dev.jsonl.gz")
    made = tmp_path / "features", tmp_path / "train.jsonl.gz", tmp_path / "dev.jsonl.gz"
    compute_features(CutSet.from_cuts(train), made[0], AUDIO, [dev])
    return made


def align_again(corpus: Features) -> None:
    """Moves a frame from the second phone to the first, in every utterance."""
    cuts = load_cuts(corpus[1])
    for cut in cuts:
        durations = cut.supervisions[0].custom["durations"]
        durations[:2] = durations[0] + 1, durations[1] - 1
    save_cuts(cuts, corpus[1])
    compute_features(CutSet.from_cuts(cuts), corpus[0], AUDIO)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_an_acoustic_model_is_trained_anew_on_another_alignment(
    corpus: Features, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    train_acoustic(ACOUSTIC, *corpus, out)
    first, log = weights(out), (out / "log.jsonl").read_text()
    train_acoustic(ACOUSTIC, *corpus, out)
    assert weights(out) == first and not (tmp_path / "out.1").exists()
    longer = dataclasses.replace(ACOUSTIC, loop=dataclasses.replace(LOOP, max_steps=3))
    train_acoustic(longer, *corpus, out)  # more steps go on from where it was
    assert (out / "log.jsonl").read_text().startswith(log)
    second = weights(out)
    capsys.readouterr()
    align_again(corpus)
    train_acoustic(longer, *corpus, out)
    reason = f"speechnar: the training manifest changed since {out} was trained: it is now {out}.1, and training"
    assert reason in capsys.readouterr().err
    assert weights(tmp_path / "out.1") == second != weights(out)
    train_acoustic(longer, *corpus, tmp_path / "elsewhere")
    assert weights(out) == weights(tmp_path / "elsewhere")
    align_again(corpus)
    train_acoustic(longer, *corpus, out)
    assert (tmp_path / "out.2").exists()


def test_a_checkpoint_that_does_not_tell_its_provenance_is_gone_on_from(corpus: Features, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train_acoustic(ACOUSTIC, *corpus, out)
    path = out / "checkpoint" / "state.json"
    state = json.loads(path.read_text())
    del state["provenance"]
    path.write_text(json.dumps(state))
    first = weights(out)
    align_again(corpus)
    train_acoustic(ACOUSTIC, *corpus, out)
    assert weights(out) == first and not (tmp_path / "out.1").exists()


def test_a_checkpoint_of_an_earlier_version_tells_its_provenance_too(corpus: Features, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train_acoustic(ACOUSTIC, *corpus, out)
    path = out / "checkpoint" / "state.json"
    state = json.loads(path.read_text())
    state["origin"] = state.pop("provenance")
    path.write_text(json.dumps(state))
    align_again(corpus)
    train_acoustic(ACOUSTIC, *corpus, out)
    assert (tmp_path / "out.1").exists()


def test_options_of_keeping_and_stopping_do_not_start_anew(corpus: Features, tmp_path: Path) -> None:
    options = {"keep_last": 1, "keep_best": 1, "best_by": "mel", "patience": 3, "accumulate": 2}
    loop = dataclasses.replace(ACOUSTIC.loop, flat_when_extended=True, **options)  # type: ignore[arg-type]
    assert settings_of(dataclasses.replace(ACOUSTIC, loop=loop)) == settings_of(ACOUSTIC)


def test_a_vocoder_is_trained_anew_on_other_mels_and_not_on_another_alignment(
    corpus: Features, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, mels = tmp_path / "out", tmp_path / "mels"
    mels.mkdir()
    frames = {cut.id: cut.num_samples // AUDIO.hop_length for path in corpus[1:] for cut in load_cuts(path)}
    for value in (0.0, 1.0):
        for utt_id, length in frames.items():
            np.save(mels / f"{utt_id}.npy", np.full((length, AUDIO.n_mels), value, np.float32))
        train_vocoder(VOCODER, *corpus, out, mels)
        align_again(corpus)
        train_vocoder(VOCODER, *corpus, out, mels)
    assert "the predicted mels changed since" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.glob("out*")) == ["out", "out.1"]


def test_a_model_folder_is_its_weights_and_other_folders_their_files(tmp_path: Path) -> None:
    model, units = tmp_path / "model", tmp_path / "units"
    for folder, name in ((model, "model.safetensors"), (model, "log.jsonl"), (units, "tokens.txt")):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("a")
    sources = {"model": model, "units": units, "nothing": None, "hub": Path("hf:owner/name"), "names": ("a", "b")}
    first = provenance_of(sources)
    assert len(set(first.values())) == 5 and provenance_of(sources) == first
    (model / "log.jsonl").write_text("b")
    assert provenance_of(sources) == first
    (model / "model.safetensors").write_text("b")
    (units / "tokens.txt").rename(units / "other.txt")
    changed = provenance_of({**sources, "names": ("ab",)})
    assert {name for name in first if changed[name] != first[name]} == {"model", "units", "names"}


def test_another_learning_rate_starts_anew_and_more_steps_go_on(
    corpus: Features, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "acoustic"
    train_acoustic(ACOUSTIC, *corpus, out)
    before = weights(out)
    longer = dataclasses.replace(LOOP, max_steps=3, log_every=2, threads=2)
    train_acoustic(dataclasses.replace(ACOUSTIC, loop=longer), *corpus, out)
    assert not (tmp_path / "acoustic.1").exists() and "changed" not in capsys.readouterr().err
    after = weights(out)
    assert after != before
    faster = dataclasses.replace(LOOP, learning_rate=0.1)
    train_acoustic(dataclasses.replace(ACOUSTIC, loop=faster), *corpus, out)
    assert "the training config changed since" in capsys.readouterr().err
    assert weights(tmp_path / "acoustic.1") == after


def test_settings_at_their_defaults_and_the_length_of_a_run_do_not_count() -> None:
    same = dataclasses.replace(ACOUSTIC, loop=dataclasses.replace(LOOP, max_steps=9, max_minutes=1.0, threads=4))
    assert settings_of(same) == settings_of(ACOUSTIC)
    (text,) = settings_of(ACOUSTIC)
    assert "learning_rate" not in text and "weights" not in text and '"batch_seconds": 1.0' in text
    wider = dataclasses.replace(ACOUSTIC, model=Choice("fastspeech2", dataclasses.replace(TINY, d_ff=16)))
    assert settings_of(wider) != settings_of(ACOUSTIC)
    judged = dataclasses.replace(ACOUSTIC, discriminator=MelDiscriminatorConfig())  # its own settings are the defaults
    assert settings_of(judged) != settings_of(ACOUSTIC)
