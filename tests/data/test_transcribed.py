"""Transcribed speech: what is in a batch is what is on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lhotse import CutSet
from spoken import AUDIO, make_corpus, speak

from speechnar.data.features import DataError
from speechnar.data.transcribed import TranscribedData
from speechnar.text.symbols import TextError
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
            length = int(batch.wav_lengths[row])
            np.testing.assert_allclose(batch.wav[row, :length], speak(text), atol=1e-4)
            assert not batch.wav[row, length:].any()
            ids = batch.tokens[row].tolist()
            assert data.symbols.decode(ids) == text
            n = int(batch.token_lengths[row])
            assert set(ids[n:]) <= {data.symbols.pad_id} and data.symbols.pad_id not in ids[:n]
            seen.append(utt_id)
    assert sorted(seen) == [f"train-{n}" for n in range(5)]


def test_audio_at_another_rate_is_resampled(tmp_path: Path, corpus: tuple[Path, Path]) -> None:
    data = TranscribedData(make_corpus(tmp_path, ["ab"], "fast", 16000), corpus[1], AUDIO.sample_rate)
    wav = data.wav("fast-0").numpy()
    assert len(wav) == len(speak("ab"))
    np.testing.assert_allclose(wav[200:500], speak("ab")[200:500], atol=0.02)


def test_what_cannot_be_used_is_named(tmp_path: Path, corpus: tuple[Path, Path]) -> None:
    rate = AUDIO.sample_rate
    with pytest.raises(DataError, match="no manifest at nowhere"):
        TranscribedData(Path("nowhere"), corpus[1], rate)
    with pytest.raises(DataError, match="no units in .*: make them with `speechnar units`"):
        TranscribedData(corpus[0], tmp_path, rate)
    cut = next(iter(CutSet.from_file(corpus[0])))
    cut.supervisions[0].text = "abd"
    CutSet.from_cuts([cut]).to_file(tmp_path / "odd.jsonl.gz")
    with pytest.raises(TextError, match="'d' in the text 'abd'"):
        TranscribedData(tmp_path / "odd.jsonl.gz", corpus[1], rate)
    cut.supervisions = []
    CutSet.from_cuts([cut]).to_file(tmp_path / "mute.jsonl.gz")
    with pytest.raises(DataError, match="train-0 of .* should have one transcript"):
        TranscribedData(tmp_path / "mute.jsonl.gz", corpus[1], rate)


def test_audio_that_is_gone_is_named(tmp_path: Path, corpus: tuple[Path, Path]) -> None:
    cuts = make_corpus(tmp_path, ["ab"], "gone")
    (tmp_path / "gone-0.wav").unlink()
    data = TranscribedData(cuts, corpus[1], AUDIO.sample_rate)
    with pytest.raises(DataError, match="the audio of gone-0 cannot be read"):
        data.wav("gone-0")
