"""Caches of encoder states."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from cached import JOINED, SECONDS, SLOW, TEXTS, Cached, cached

from speechnar.cli import main
from speechnar.data.features import DataError
from speechnar.data.manifest import load_cuts, save_cuts
from speechnar.infer.encoder_cache import EncoderCache, Variant, cache_states
from speechnar.models.folder import load_model


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Cached:
    return cached(tmp_path_factory.mktemp("cached"))


def test_the_states_are_those_of_the_encoder(folders: Cached) -> None:
    model, _ = load_model(folders.model)
    cache = EncoderCache(folders.dev)
    for number, seconds in enumerate(SECONDS):
        wav = torch.from_numpy(soundfile.read(folders.model.parent / f"{number}.wav", dtype="float32")[0])[None]
        with torch.inference_mode():
            expected = model.encoder(model.features(torch.nn.functional.pad(wav, (0, 8000))), None)[0]
        run = range(number, number + 1)
        assert cache.texts(run) == [TEXTS[number]]
        whole = cache.states(run, padded=True)
        torch.testing.assert_close(whole, expected, atol=0.1, rtol=0.05)  # bfloat16
        alone = cache.states(run)
        assert len(alone) == round(seconds * 50) and torch.equal(alone, whole[: len(alone)])
        assert cache.seconds(run) == pytest.approx(seconds + 0.5)


def test_the_manifest_is_one_of_lhotse(folders: Cached) -> None:
    windows = load_cuts(folders.train[2])
    assert [[s.id for s in window.supervisions] for window in windows] == [["utt0", "utt1"], ["utt2"]]
    spoken = [s for window in windows for s in window.supervisions]
    assert [s.text for s in spoken] == list(TEXTS) and {s.speaker for s in spoken} == {"anna"}
    assert [s.duration for s in spoken] == pytest.approx(SECONDS)
    assert windows[1].duration == pytest.approx(SECONDS[2] + 0.5)


def test_a_slow_variant_is_longer_and_can_be_made_again(folders: Cached, tmp_path: Path) -> None:
    slow = EncoderCache(folders.train[1])
    assert [u.end - u.start for u in slow.utterances] == [pytest.approx(50 * s / 0.9, abs=1) for s in SECONDS]
    cache_states(folders.model, folders.manifest, tmp_path / "again", SLOW)
    assert (tmp_path / "again" / "states.f16").read_bytes() == folders.train[1].with_name("states.f16").read_bytes()


def test_a_cache_is_kept_until_what_it_was_made_from_changes(
    folders: Cached, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, variant = tmp_path / "cache", tmp_path / "variant.yaml"
    variant.write_text("{joined_seconds: 2.6}\n", encoding="utf-8")
    command = ["encode", str(folders.model), str(folders.manifest), str(out), "--variant", str(variant)]
    assert main(command) == 0 and not capsys.readouterr().out
    assert (out / "cuts.jsonl.gz").read_bytes() == folders.train[2].read_bytes()
    (out / "states.f16").write_bytes(b"")
    assert main(command) == 0 and capsys.readouterr().out == f"{out} is up to date\n"
    assert main([*command, "--seed", "1"]) == 0 and not capsys.readouterr().out
    assert (out / "states.f16").stat().st_size > 0
    fewer = tmp_path / "fewer.jsonl.gz"
    save_cuts(load_cuts(folders.manifest)[:1], fewer)
    cache_states(folders.model, fewer, out, JOINED, seed=1)
    assert [u.utt_id for u in EncoderCache(out / "cuts.jsonl.gz").utterances] == ["utt0"]


def test_joined_utterances_see_each_other_and_are_kept_apart(folders: Cached) -> None:
    alone, joined = EncoderCache(folders.dev), EncoderCache(folders.train[2])
    assert [(u.utt_id, u.end - u.start) for u in joined.utterances] == [
        (u.utt_id, u.end - u.start) for u in alone.utterances
    ]
    each = [range(n, n + 1) for n in range(3)]
    differs = [float((joined.states(run) - alone.states(run)).abs().max()) for run in each]
    assert min(differs[:2]) > 0.1  # the first two are in one window
    assert differs[2] < 0.1
    silences = [len(joined.states(run, padded=True)) - len(joined.states(run)) for run in each]
    assert silences == [0, 25, 25]


def test_runs_are_all_ways_to_cut_a_window(folders: Cached) -> None:
    joined = EncoderCache(folders.train[2])
    rng = np.random.default_rng(0)
    ways = {tuple(joined.runs(rng)) for _ in range(20)}
    assert ways == {(range(0, 1), range(1, 2), range(2, 3)), (range(0, 2), range(2, 3))}
    both = joined.states(range(0, 2))
    first, second = (joined.states(range(n, n + 1)) for n in (0, 1))
    assert torch.equal(both[: len(first)], first) and torch.equal(both[-len(second) :], second)
    assert len(both) > len(first) + len(second)  # the pause between them
    assert joined.texts(range(0, 2)) == list(TEXTS[:2])


def test_what_is_longer_than_the_encoder_is_left_out(folders: Cached, tmp_path: Path) -> None:
    for speed, names in ((0.5, ["utt0", "utt1", "utt2"]), (0.4, ["utt0", "utt1"])):  # 1.5 s become 3 s, or 3.75 s of 4
        cache_states(folders.model, folders.manifest, tmp_path / "cache", Variant(speed=speed))
        assert [u.utt_id for u in EncoderCache(tmp_path / "cache" / "cuts.jsonl.gz").utterances] == names


def test_what_is_missing_is_named(folders: Cached, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no manifest at .*none.jsonl.gz"):
        EncoderCache(tmp_path / "none.jsonl.gz")
    with pytest.raises(DataError, match="is no manifest of a cache: make one with `speechnar encode`"):
        EncoderCache(folders.manifest)
    shutil.copy(folders.dev, tmp_path / "cuts.jsonl.gz")
    with pytest.raises(DataError, match="there is no .*states.f16: make it with `speechnar encode`"):
        EncoderCache(tmp_path / "cuts.jsonl.gz")
    (tmp_path / "states.f16").write_bytes(bytes(2 * 64 * 10))
    with pytest.raises(DataError, match="holds 10 states of 230: delete it"):
        EncoderCache(tmp_path / "cuts.jsonl.gz")
    cuts = load_cuts(folders.manifest)
    cuts[1].supervisions = []
    save_cuts(cuts, tmp_path / "mute.jsonl.gz")
    with pytest.raises(DataError, match="utterance utt1 of .* should have one supervision with a text"):
        cache_states(folders.model, tmp_path / "mute.jsonl.gz", tmp_path / "mute")
