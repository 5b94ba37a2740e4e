"""Recognizers that learn from and decode cached encoder states, of a model and of the recognizer in the wheel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from cached import D_MODEL, SECONDS, TEXTS, Cached, cached

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.export import RecognizerCard
from speechnar.infer.encoded_data import EncodedData
from speechnar.infer.encoder_cache import EncoderCache, Variant, cache_states
from speechnar.infer.shipped_encoder import ShippedEncoder
from speechnar.layers.augment import SpecAugmentConfig
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig
from speechnar.models.asr.ctc import CTCConfig
from speechnar.models.folder import ModelError
from speechnar.tasks.recognizer import Augmentation, RecognitionConfig
from speechnar.text.tokenizer import train_tokenizer
from speechnar.train.loop import LoopConfig

AUDIO = AudioConfig(16000, 400, 160, 400, 8)
ENCODER = CTCEncoderConfig(ConformerConfig(16, 2, 2, 32, 3, 2, 0, dropout=0.0), (1,), True, D_MODEL)
LOOP = LoopConfig(80, log_every=10, validate_every=80, learning_rate=0.01, warmup_steps=5, precision="no", ema_decay=0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Cached:
    root = tmp_path_factory.mktemp("cached")
    train_tokenizer(TEXTS, root / "tokenizer")
    return cached(root)


def test_an_epoch_has_every_utterance_once_in_some_variant(folders: Cached) -> None:
    data = EncodedData(folders.train[:2], folders.model.parent / "tokenizer", max_duration=3.0, num_buckets=1)
    caches = [EncoderCache(path) for path in folders.train[:2]]
    assert len(data) == 3 and data.texts == {f"utt{n}": text for n, text in enumerate(TEXTS)}
    variants = set()
    for epoch in range(8):
        assert data.batch_ids(epoch) == data.batch_ids(epoch)
        items = [item for batch in data.batch_ids(epoch) for item in batch]
        assert sorted(utt_id for utt_id, _ in items) == ["utt0", "utt1", "utt2"]
        variants.update(items)
        for batch, ids in zip(data.epoch(epoch), data.batch_ids(epoch)):
            for row, (utt_id, variant) in enumerate(ids):
                number = int(utt_id[-1])
                states = caches[variant].states(range(number, number + 1))
                assert torch.equal(batch.given[row, : batch.given_lengths[row]], states)
                tokens = batch.tokens[row, : batch.token_lengths[row]].tolist()
                assert data.symbols.decode(tokens) == TEXTS[number]
    assert len(variants) == 6  # all three, in both variants


def test_stacked_states_do_not_see_padding() -> None:
    torch.manual_seed(0)
    model = CTCEncoder(ENCODER, AUDIO, 7).eval()
    states = torch.randn(2, 21, D_MODEL)
    batch = model(*model.features(states, torch.tensor([21, 13])))
    alone = model(*model.features(states[1:, :13], None))
    assert batch.lengths.tolist() == [11, 7] and alone.log_probs.shape[1] == 7
    torch.testing.assert_close(batch.log_probs[1:, :7], alone.log_probs, atol=1e-5, rtol=0)
    (batch.log_probs * torch.randn_like(batch.log_probs)).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_recognizer_is_trained_on_states_and_reads_them(
    folders: Cached, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = Augmentation(spec=SpecAugmentConfig(0, 0, 1.0, 3))
    config = RecognitionConfig(AUDIO, Choice("ctc", CTCConfig(0, ENCODER)), LOOP, masks, batch_seconds=3.0)
    config_files.save(config, tmp_path / "ctc.yaml")
    tokenizer = str(folders.model.parent / "tokenizer")
    data = ["--tokenizer", tokenizer, "--dev", str(folders.dev), "--out", str(tmp_path / "ctc"), "--train"]
    assert main(["train", "recognizer", str(tmp_path / "ctc.yaml"), *data, *map(str, folders.train[:1])]) == 0
    assert main(["decode", str(tmp_path / "ctc"), str(folders.dev), str(tmp_path / "read.txt")]) == 0
    read = (tmp_path / "read.txt").read_text(encoding="utf-8").splitlines()
    assert read == [f"utt{n} {text}" for n, text in enumerate(TEXTS)]
    assert f"{sum(SECONDS):.1f} s of audio" in capsys.readouterr().out
    config_files.save(RecognizerCard("states", "en", "CC0-1.0", "none"), tmp_path / "ctc" / "recognizer.yaml")
    assert main(["export", str(tmp_path / "ctc"), str(tmp_path / "exported")]) == 1
    assert "reads encoder states that were cached" in capsys.readouterr().err
    assert main(["decode", str(tmp_path / "ctc"), str(folders.manifest), str(tmp_path / "read.txt")]) == 1
    assert "is no manifest of a cache" in capsys.readouterr().err


def test_audio_is_trained_on_from_one_manifest(
    folders: Cached, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = CTCEncoderConfig(ConformerConfig(8, 2, 1, 8, 3, 2, 4))
    config_files.save(RecognitionConfig(AUDIO, Choice("ctc", CTCConfig(0, encoder))), tmp_path / "ctc.yaml")
    manifest = str(folders.manifest)
    data = ["--tokenizer", str(folders.model.parent / "tokenizer"), "--dev", manifest, "--out", str(tmp_path / "ctc")]
    assert main(["train", "recognizer", str(tmp_path / "ctc.yaml"), *data, "--train", manifest, manifest]) == 1
    assert "there are 2 manifests to train on" in capsys.readouterr().err


def test_the_shipped_encoder_s_states_are_cached(folders: Cached, tmp_path: Path) -> None:
    cache_states(Path("english_base"), folders.manifest, tmp_path, Variant())
    cache, encoder = EncoderCache(tmp_path / "cuts.jsonl.gz"), ShippedEncoder("english_base")
    for number, seconds in enumerate(SECONDS):
        wav = soundfile.read(folders.model.parent / f"{number}.wav", dtype="float32")[0]
        states = encoder(torch.from_numpy(wav))
        found = cache.states(range(number, number + 1))
        assert found.shape == (round(seconds * 50), 512)
        np.testing.assert_allclose(found, states[: len(found)], atol=0.02, rtol=1e-3)  # 16 bits
        assert float(found.std()) > 0.1
    with pytest.raises(ModelError, match="mel bands cannot be masked"):
        cache_states(Path("english_base"), folders.manifest, tmp_path / "masked", Variant(mask_bands=2))
