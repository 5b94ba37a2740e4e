"""Transcribed speech: what is in a batch is what is on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from lhotse import CutSet
from spoken import AUDIO, make_corpus, speak

from speechnar.data.features import DataError
from speechnar.data.transcribed import TranscribedData
from speechnar.text.tokenizer import train_tokenizer

TEXTS = ["ab c", "a", "cab ba", "b", "ccc"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("spoken")
    train_tokenizer(TEXTS, folder / "units")
    return make_corpus(folder, TEXTS, "train"), folder / "units"


def test_an_epoch_has_every_utterance_once_with_its_samples_and_text(corpus: tuple[Path, Path]) -> None:
    data = TranscribedData(*corpus, AUDIO.sample_rate, max_duration=1.0, num_buckets=2)
    seen = []
    for batch in data.epoch(0):
        for row, utt_id in enumerate(batch.utt_ids):
            text = TEXTS[int(utt_id.split("-")[1])]
            length = int(batch.given_lengths[row])
            np.testing.assert_allclose(batch.given[row, :length], speak(text), atol=1e-4)
            assert not batch.given[row, length:].any()
            ids = batch.tokens[row].tolist()
            assert data.symbols.decode(ids) == text
            n = int(batch.token_lengths[row])
            assert set(ids[n:]) <= {data.symbols.pad_id} and data.symbols.pad_id not in ids[:n]
            seen.append(utt_id)
    assert sorted(seen) == [f"train-{n}" for n in range(5)]


def test_audio_at_another_rate_is_resampled(tmp_path: Path, corpus: tuple[Path, Path]) -> None:
    data = TranscribedData(make_corpus(tmp_path, ["ab"], "fast", 16000), corpus[1], AUDIO.sample_rate)
    wav = data.given("fast-0").numpy()
    assert len(wav) == len(speak("ab"))
    np.testing.assert_allclose(wav[200:500], speak("ab")[200:500], atol=0.02)


def test_what_cannot_be_used_is_named(
    tmp_path: Path, corpus: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rate = AUDIO.sample_rate
    with pytest.raises(DataError, match="no manifest at nowhere"):
        TranscribedData(Path("nowhere"), corpus[1], rate)
    with pytest.raises(DataError, match="no tokenizer in .*: make it with `speechnar tokenizer`"):
        TranscribedData(corpus[0], tmp_path, rate)
    cut = next(iter(CutSet.from_file(corpus[0])))
    cut.supervisions[0].text = "abdÖd"
    CutSet.from_cuts([cut]).to_file(tmp_path / "odd.jsonl.gz")
    capsys.readouterr()
    data = TranscribedData(tmp_path / "odd.jsonl.gz", corpus[1], rate)
    assert "odd.jsonl.gz has characters that the tokenizer of" in (said := capsys.readouterr().err)
    assert said.endswith("and which count as errors: 'Ö' (1), 'd' (2)\n") or said.endswith(": 'd' (2), 'Ö' (1)\n")
    batch = data.batch(["train-0"])
    assert data.symbols.decode(batch.tokens[0].tolist()) == "ab" and batch.token_lengths.tolist() == [3]
    assert data.texts == {"train-0": "abdÖd"}
    cut.supervisions = []
    CutSet.from_cuts([cut]).to_file(tmp_path / "mute.jsonl.gz")
    with pytest.raises(DataError, match="train-0 of .* should have one transcript"):
        TranscribedData(tmp_path / "mute.jsonl.gz", corpus[1], rate)


def test_audio_that_is_gone_is_named(tmp_path: Path, corpus: tuple[Path, Path]) -> None:
    cuts = make_corpus(tmp_path, ["ab"], "gone")
    (tmp_path / "gone-0.wav").unlink()
    data = TranscribedData(cuts, corpus[1], AUDIO.sample_rate)
    with pytest.raises(DataError, match="the audio of gone-0 cannot be read"):
        data.given("gone-0")


def test_samples_that_are_not_numbers_are_named(tmp_path: Path, corpus: tuple[Path, Path]) -> None:
    cuts = make_corpus(tmp_path, ["ab", "ba"], "bad")
    wav = speak("ba")
    wav[100] = np.nan
    soundfile.write(tmp_path / "bad-1.wav", wav, AUDIO.sample_rate, subtype="FLOAT")
    data = TranscribedData(cuts, corpus[1], AUDIO.sample_rate)
    assert torch.isfinite(data.batch(["bad-0"]).given).all()
    with pytest.raises(DataError, match=r"the audio of bad-1 \(.*bad-1.wav\) has samples that are infinite or not a"):
        data.batch(["bad-0", "bad-1"])


def test_a_folder_of_lhotse_shar_is_a_manifest(tmp_path: Path, corpus: tuple[Path, Path]) -> None:
    cuts = CutSet.from_file(make_corpus(tmp_path, TEXTS, "shar"))
    (tmp_path / "shar").mkdir()
    cuts.to_shar(tmp_path / "shar", fields={"recording": "flac"}, shard_size=2)
    for path in tmp_path.glob("shar-*.wav"):
        path.unlink()  # the audio is in the archives
    data = TranscribedData(tmp_path / "shar", corpus[1], AUDIO.sample_rate)
    assert data.texts == {f"shar-{n}": text for n, text in enumerate(TEXTS)}
    for number, text in enumerate(TEXTS):
        np.testing.assert_allclose(data.given(f"shar-{number}"), speak(text), atol=1e-4)
