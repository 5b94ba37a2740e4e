"""Batches: padding, order, and entering an epoch in its middle."""

from __future__ import annotations

import math
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hummed import AUDIO
from lhotse import CutSet

from speechnar.data import dataset as dataset_module
from speechnar.data.batch import Utterance, collate
from speechnar.data.dataset import SpeechData
from speechnar.data.features import DataError, compute_features, load_utterance
from speechnar.data.sampling import BucketSampler


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, corpus: CutSet) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("prepared")
    corpus.to_file(folder / "cuts.jsonl.gz")
    compute_features(corpus, folder / "features", AUDIO)
    return folder / "cuts.jsonl.gz", folder / "features"


def utterance(name: str, durations: list[int], hop: int = 4) -> Utterance:
    frames, rng = sum(durations), np.random.default_rng(len(name))
    return Utterance(
        name,
        tokens=np.arange(3, 3 + len(durations)),
        durations=np.array(durations),
        mel=rng.normal(size=(frames, 5)).astype(np.float32),
        f0=rng.uniform(80, 200, frames).astype(np.float32),
        energy=rng.normal(size=frames).astype(np.float32),
        wav=rng.integers(-32768, 32767, frames * hop).astype(np.int16),
    )


def test_collate_pads_and_keeps() -> None:
    utterances = [utterance("a", [2, 1]), utterance("bb", [1, 2, 4])]
    batch = collate(utterances, pad_id=9)
    assert len(batch) == 2 and batch.utt_ids == ("a", "bb")
    assert batch.tokens.tolist() == [[3, 4, 9], [3, 4, 5]]
    assert batch.durations.tolist() == [[2, 1, 0], [1, 2, 4]]
    assert batch.token_lengths.tolist() == [2, 3]
    assert batch.mel_lengths.tolist() == batch.durations.sum(1).tolist() == [3, 7]
    assert batch.wav.shape == (2, 28) and batch.wav.dtype == torch.float32
    for row, u in enumerate(utterances):
        n = len(u.mel)
        np.testing.assert_array_equal(batch.mel[row, :n], u.mel)
        np.testing.assert_array_equal(batch.f0[row, :n], u.f0)
        np.testing.assert_array_equal(batch.energy[row, :n], u.energy)
        np.testing.assert_allclose(batch.wav[row, : 4 * n] * 32768, u.wav)
        assert (batch.mel[row, n:] == torch.tensor(math.log(1e-5))).all()
        assert not batch.f0[row, n:].any() and not batch.energy[row, n:].any() and not batch.wav[row, 4 * n :].any()


def test_batch_moves_to_a_device() -> None:
    batch = collate([utterance("a", [2, 1])], pad_id=0).to("meta")
    assert {t.device.type for t in vars(batch).values() if isinstance(t, torch.Tensor)} == {"meta"}
    assert batch.utt_ids == ("a",)


def test_epoch_holds_each_utterance_once_within_the_limit(prepared: tuple[Path, Path]) -> None:
    data = SpeechData(*prepared, max_duration=0.8, num_buckets=3)
    for epoch in range(1, 6):
        assert sorted(u for these in data.batch_ids(epoch) for u in these) == sorted(data.utt_ids)
    batches = list(data.epoch(0))
    assert sorted(u for b in batches for u in b.utt_ids) == sorted(data.utt_ids) == [f"utt-{n}" for n in range(8)]
    assert all(len(b) * b.mel.shape[1] * 100 / 8000 <= 0.8 for b in batches)
    assert len(batches) < 8
    for batch in batches:
        for row, utt_id in enumerate(batch.utt_ids):
            u = load_utterance(prepared[1], utt_id)
            np.testing.assert_array_equal(batch.mel[row, : len(u.mel)], u.mel)
            assert batch.tokens[row, : len(u.tokens)].tolist() == u.tokens.tolist()


def test_order_depends_on_seed_and_epoch_alone(prepared: tuple[Path, Path]) -> None:
    def order(seed: int, epoch: int) -> list[tuple[str, ...]]:
        return SpeechData(*prepared, max_duration=0.8, num_buckets=3, seed=seed).batch_ids(epoch)

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed in (0, 100) for epoch in range(3)}) > 4
    data = SpeechData(*prepared, max_duration=0.8, num_buckets=3)
    list(data.epoch(0))
    assert [b.utt_ids for b in data.epoch(1)] == order(0, 1)  # epochs before do not matter


def test_every_process_draws_the_same_batches(prepared: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    drawn = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        drawn.append(SpeechData(*prepared, max_duration=0.8, num_buckets=3).batch_ids(1))
    assert drawn[0] == drawn[1] == drawn[2]
    assert sorted(u for these in drawn[0] for u in these) == [f"utt-{n}" for n in range(8)]


def test_without_shuffling_every_epoch_is_the_same(prepared: tuple[Path, Path]) -> None:
    data = SpeechData(*prepared, max_duration=0.8, num_buckets=1, shuffle=False)
    assert data.batch_ids(0) == data.batch_ids(5)
    assert [u for batch in data.batch_ids(0) for u in batch] == [f"utt-{n}" for n in range(8)]


def test_features_are_read_once_and_kept(prepared: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    data = SpeechData(*prepared, max_duration=0.5, num_buckets=2)
    read: list[str] = []

    def load(folder: Path, utt_id: str) -> Utterance:
        read.append(utt_id)
        return load_utterance(folder, utt_id)

    monkeypatch.setattr(dataset_module, "load_utterance", load)
    first = data.batch_ids(3)[0]
    assert data.batch(first).utt_ids == first and sorted(read) == sorted(first)
    list(data.epoch(3))
    assert sorted(read) == [f"utt-{n}" for n in range(8)]


def test_one_utterance_is_enough(tmp_path: Path, prepared: tuple[Path, Path], corpus: CutSet) -> None:
    corpus.subset(first=1).to_file(tmp_path / "cuts.jsonl.gz")
    data = SpeechData(tmp_path / "cuts.jsonl.gz", prepared[1])
    assert [b.utt_ids for b in data.epoch(0)] == [("utt-0",)]


@pytest.mark.parametrize("seconds", [[1.0, 1.1], [1.0, 1.0, 9.0]])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_few_utterances_make_batches_without_warnings(seconds: list[float], shuffle: bool) -> None:
    of_each = {f"u{n}": duration for n, duration in enumerate(seconds)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = BucketSampler(of_each, 10.0, 10, shuffle, seed=0).batch_ids(0)
    assert sorted(name for batch in batches for name in batch) == list(of_each)


def test_utterances_without_durations_are_refused_unless_none_are_needed(tmp_path: Path, corpus: CutSet) -> None:
    cut = corpus[0]
    cut.supervisions[0].custom = {"phones": cut.supervisions[0].custom["phones"]}
    CutSet.from_cuts([cut]).to_file(tmp_path / "cuts.jsonl.gz")
    compute_features(CutSet.from_cuts([cut]), tmp_path / "features", AUDIO)
    with pytest.raises(DataError, match=f"utterance {cut.id} has no durations: align the corpus"):
        list(SpeechData(tmp_path / "cuts.jsonl.gz", tmp_path / "features").epoch(0))
    (batch,) = SpeechData(tmp_path / "cuts.jsonl.gz", tmp_path / "features", aligned=False).epoch(0)
    assert not batch.durations.any() and int(batch.mel_lengths) == cut.num_samples // AUDIO.hop_length


def test_errors_of_the_thread_reach_the_loop(tmp_path: Path, prepared: tuple[Path, Path], corpus: CutSet) -> None:
    cuts = list(corpus)
    CutSet.from_cuts([*cuts[:-1], cuts[-1].with_id("utt-x")]).to_file(tmp_path / "cuts.jsonl.gz")
    with pytest.raises(DataError, match="no features of utterance utt-x"):
        list(SpeechData(tmp_path / "cuts.jsonl.gz", prepared[1]).epoch(0))


def test_thread_ends_when_an_epoch_is_left(prepared: tuple[Path, Path]) -> None:
    before = threading.active_count()
    epoch = SpeechData(*prepared, max_duration=0.4, num_buckets=2).epoch(0)
    next(epoch)
    epoch.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_missing_manifest_or_features(tmp_path: Path, prepared: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match="no manifest at"):
        SpeechData(tmp_path / "none.jsonl.gz", prepared[1])
    with pytest.raises(DataError, match="no finished features in"):
        SpeechData(prepared[0], tmp_path)


def test_the_bound_of_a_batch_counts_its_padding(capsys: pytest.CaptureFixture[str]) -> None:
    """Utterances of 29 to 45 s among short ones, and one that is longer than a batch may be."""
    rng = np.random.default_rng(0)
    seconds = {f"short-{n}": float(s) for n, s in enumerate(rng.uniform(1, 12, 200))}
    seconds |= {f"long-{n}": float(s) for n, s in enumerate(rng.uniform(29, 45, 20))} | {"whole": 75.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler = BucketSampler(seconds, 60.0, 10, True, seed=0)
        batches = sampler.batch_ids(0)
    assert sorted(name for batch in batches for name in batch) == sorted(seconds)
    padded = {batch: len(batch) * max(seconds[name] for name in batch) for batch in batches}
    assert [batch for batch, length in padded.items() if length > 60] == [("whole",)]
    assert len(batches) < 100
    said = capsys.readouterr().err
    assert "longer than the 60 s of a batch and make one each: 1, up to whole with 75.0 s" in said
