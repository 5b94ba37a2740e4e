"""From a manifest of two speakers to a model of two: names, F0 statistics and vectors stay with whom they belong to."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hummed import AUDIO, make_cut
from lhotse import CutSet, MonoCut
from tiny_acoustic import CONFIG

from speechnar.data.batch import collate
from speechnar.data.dataset import SpeechData
from speechnar.data.features import DataError, compute_features
from speechnar.infer.gta_mels import write_gta_mels
from speechnar.models.folder import load_model
from speechnar.tasks.acoustic import AcousticTask, train_acoustic

HERTZ = {"ann": 220.0, "bob": 110.0}


def of(cut: MonoCut, speaker: str | None) -> MonoCut:
    cut.supervisions[0].speaker = speaker
    return cut


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Features, training and dev manifests: bob comes first and hums an octave lower."""
    folder = tmp_path_factory.mktemp("two")
    cuts = [
        of(make_cut(folder, f"{name}-{n}", [3, 5, 0, 8, 2 + n], HERTZ[name]), name)
        for n in range(3)
        for name in ("bob", "ann")
    ]
    train, dev = CutSet.from_cuts(cuts[:4]), CutSet.from_cuts(cuts[4:])
    train.to_file(folder / "train.jsonl.gz")
    dev.to_file(folder / "dev.jsonl.gz")
    compute_features(train, folder / "features", AUDIO, [dev])
    return folder / "features", folder / "train.jsonl.gz", folder / "dev.jsonl.gz"


def test_statistics_are_kept_by_speaker_in_the_order_of_names(corpus: tuple[Path, Path, Path]) -> None:
    data = SpeechData(corpus[1], corpus[0])
    assert data.speakers == ("ann", "bob") == tuple(data.stats.speakers)
    for name, (mean, std) in data.stats.speakers.items():
        assert mean == pytest.approx(math.log(HERTZ[name]), abs=1e-4) and std < 1e-3
    low, high = (data.stats.speakers[name][0] for name in ("bob", "ann"))
    assert low < data.stats.log_f0_mean < high


def test_batches_know_who_speaks(corpus: tuple[Path, Path, Path]) -> None:
    for path in corpus[1:]:
        data = SpeechData(path, corpus[0])
        batch = collate([data[utt_id] for utt_id in data.utt_ids], data.symbols.pad_id)
        assert [data.speakers[n] for n in batch.speakers.tolist()] == [u.split("-")[0] for u in data.utt_ids]


def test_a_model_of_two_is_trained_and_may_be_the_start_of_another(
    corpus: tuple[Path, Path, Path],
    hummed_features: tuple[Path, Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train_acoustic(CONFIG, *corpus, tmp_path / "out")
    model, config = load_model(tmp_path / "out")
    assert config.model.value.speakers == ("ann", "bob")
    assert model.speaker.weight.any(dim=1).all() and not torch.equal(*model.speaker.weight)
    assert model.log_f0_mean.tolist() == pytest.approx([math.log(220), math.log(110)], abs=1e-4)
    assert float(model.common_log_f0_mean) == pytest.approx(SpeechData(corpus[1], corpus[0]).stats.log_f0_mean)

    write_gta_mels(tmp_path / "out", corpus[0], [corpus[2]], tmp_path / "mels")
    bob = SpeechData(corpus[2], corpus[0])["bob-2"]
    one = collate([bob], 0)
    given = (one.tokens, one.token_lengths, one.durations, one.mel_lengths, one.f0, one.energy)
    with torch.no_grad():
        mel = model(*given, torch.tensor([1])).mel[0]
    np.testing.assert_allclose(np.load(tmp_path / "mels" / "bob-2.npy"), mel, atol=1e-4)
    with pytest.raises(DataError, match="has the speakers one, .* has ann, bob: train it on these features"):
        write_gta_mels(tmp_path / "out", hummed_features[0], [hummed_features[1]], tmp_path / "mels")

    folder = tmp_path / "other"
    folder.mkdir()
    cuts = [of(make_cut(folder, f"utt-{n}", [3, 5, 0, 8, 2]), name) for n, name in enumerate(("zoe", "bob"))]
    CutSet.from_cuts(cuts).to_file(folder / "train.jsonl.gz")
    compute_features(CutSet.from_cuts(cuts), folder / "features", AUDIO)
    task = AcousticTask(
        CONFIG, folder / "features", folder / "train.jsonl.gz", folder / "train.jsonl.gz", tmp_path / "out"
    )
    assert task.model.config.speakers == ("bob", "zoe") and task.model.speaker is not None
    assert torch.equal(task.model.speaker.weight, torch.stack([model.speaker.weight[1], torch.zeros(8)]))
    assert "speakers new: zoe" in capsys.readouterr().err


def test_one_speaker_is_no_choice(hummed_features: tuple[Path, Path, Path]) -> None:
    data = SpeechData(hummed_features[1], hummed_features[0])
    assert data.speakers == () and AcousticTask(CONFIG, *hummed_features).model.speaker is None


def test_speakers_that_do_not_fit_are_named(corpus: tuple[Path, Path, Path], tmp_path: Path) -> None:
    cut = of(make_cut(tmp_path, "x-1", [3, 5, 0, 8, 2]), "eve")
    CutSet.from_cuts([cut]).to_file(tmp_path / "dev.jsonl.gz")
    with pytest.raises(DataError, match="x-1 is of the speaker 'eve', the training set has ann, bob"):
        SpeechData(tmp_path / "dev.jsonl.gz", corpus[0])
    cuts = CutSet.from_cuts([cut, of(make_cut(tmp_path, "x-2", [3, 5, 0, 8, 2]), None)])
    with pytest.raises(DataError, match="utterance x-2 has no speaker, but others have: name it, or none"):
        compute_features(cuts, tmp_path / "features", AUDIO)
