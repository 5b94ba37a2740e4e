"""Recognizers on pre-trained encoders of transformers, tiny and drawn at random, trained together from audio."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from spoken import make_corpus
from tiny_transformers import KINDS, saved

from speechnar import config as config_files
from speechnar.audio import AudioConfig
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.export import RecognizerCard
from speechnar.infer.pretrained_encoder import FrozenEncoder
from speechnar.layers.augment import SpecAugmentConfig
from speechnar.layers.conformer import ConformerConfig
from speechnar.layers.ctc_encoder import CTCEncoder, CTCEncoderConfig
from speechnar.layers.decoder_block import DecoderConfig
from speechnar.layers.pretrained_encoder import PretrainedEncoderConfig
from speechnar.models.asr.ctc import CTCConfig
from speechnar.models.asr.mask_ctc import MaskCTCConfig
from speechnar.models.folder import ModelConfig, ModelError, load_model
from speechnar.models.text.ctc import TextCTCConfig
from speechnar.nar.blocks import BlockConfig
from speechnar.tasks.recognizer import Augmentation, RecognitionConfig, RecognitionTask, train_recognizer
from speechnar.text.tokenizer import train_tokenizer
from speechnar.train.loop import LoopConfig

pytest.importorskip("transformers")

AUDIO = AudioConfig(16000, 480, 160, 480, 80, 0.0, 8000.0)
TEXTS = ["ab", "ba c", "cab", "b a", "ac", "bcb"]
CONFORMER = ConformerConfig(16, 2, 1, 32, 3, 2, 0, dropout=0.0)
LINEAR = dataclasses.replace(CONFORMER, n_layers=0, subsampling=1)
QUIET = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0, "feat_proj_dropout": 0.0}
LOOP = LoopConfig(max_steps=1, log_every=1, validate_every=0, warmup_steps=0, precision="no", ema_decay=0.0, threads=1)
Corpus = tuple[Path, Path, Path]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Tokenizer, training and dev manifests."""
    folder = tmp_path_factory.mktemp("spoken")
    train_tokenizer(TEXTS, folder / "tokenizer")
    manifests = (make_corpus(folder, texts, name, 16000) for name, texts in (("train", TEXTS), ("dev", TEXTS[:2])))
    return folder / "tokenizer", *manifests


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A pre-trained encoder of each kind, without dropout."""
    root = tmp_path_factory.mktemp("pretrained")
    found = {kind: saved(kind, root / kind, layerdrop=0.0, **QUIET) for kind in KINDS[:3]}
    return found | {"whisper": saved("whisper", root / "whisper")}


def config_of(kind: str, conformer: ConformerConfig = LINEAR, loop: LoopConfig = LOOP, **options: Any) -> Any:
    pretrained = PretrainedEncoderConfig(unpadded=kind == "whisper", **options)
    model = CTCConfig(0, CTCEncoderConfig(conformer, pretrained=pretrained))
    plain = Augmentation((1.0,), 0.0, spec=None)
    return RecognitionConfig(AUDIO, Choice("ctc", model), loop=loop, batch_seconds=6.0, augmentation=plain)


def task_of(kind: str, corpus: Corpus, init: Path | None, **options: Any) -> RecognitionTask:
    torch.manual_seed(0)
    return RecognitionTask(config_of(kind, **options), *corpus, init)


def weights_of(folder: Path, prefix: str = "") -> dict[str, torch.Tensor]:
    found = load_file(folder / "model.safetensors")
    return {name.removeprefix(prefix): tensor for name, tensor in found.items() if name.startswith(prefix)}


@pytest.mark.parametrize("kind", KINDS)
def test_the_encoder_learns_but_for_its_frozen_parts(
    kind: str, folders: dict[str, Path], corpus: Corpus, tmp_path: Path
) -> None:
    loop = dataclasses.replace(LOOP, max_steps=30, learning_rate=0.01)
    train_recognizer(config_of(kind, loop=loop, frozen_layers=1), *corpus, tmp_path / "model", folders[kind])
    log = [json.loads(line) for line in (tmp_path / "model" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert log[-1]["recognizer/ctc"] < 0.6 * log[0]["recognizer/ctc"]
    before = weights_of(folders[kind], "encoder." if kind == "whisper" else "")
    after = weights_of(tmp_path / "model", "encoder.pretrained.model.")
    assert after.keys() == before.keys() - {"masked_spec_embed"}
    layers = "layers." if kind == "whisper" else "encoder.layers."
    ends = "layer_norm." if kind == "whisper" else f"{layers}1."
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert {f"{layers}1.fc2.weight", f"{layers}1.feed_forward.output_dense.weight"} & moved
    assert all(name.startswith((ends, f"{layers}1.")) for name in moved)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_reaches_every_weight_that_is_not_frozen(kind: str, folders: dict[str, Path], corpus: Corpus) -> None:
    task = task_of(kind, corpus, folders[kind], frozen_convolutions=False)
    task.model.train()
    (loss,) = task.loss(task.load(["train-0", "train-1"]), 0).values()
    loss.value.backward()
    for name, weight in task.model.named_parameters():
        if name.endswith("embed_positions.weight"):  # sinusoids
            assert not weight.requires_grad
        elif not name.endswith("k_proj.bias"):  # which softmax cancels
            assert weight.grad is not None and weight.grad.abs().sum() > 0, name


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind: str, folders: dict[str, Path], corpus: Corpus) -> None:
    model = task_of(kind, corpus, folders[kind], conformer=CONFORMER).model.eval()
    wavs = [torch.randn(samples) * 0.1 for samples in (3001, 16000, 9217)]
    lengths = torch.tensor([len(wav) for wav in wavs])
    padded = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True, padding_value=0.7)
    with torch.inference_mode():
        batch = model(*model.encoder.features(padded, lengths))
        for row, wav in enumerate(wavs):
            alone = model(*model.encoder.features(wav[None], None))
            size = alone.log_probs.shape[1]
            assert int(batch.lengths[row]) == size
            torch.testing.assert_close(batch.log_probs[row, :size], alone.log_probs[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("unpadded", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_states_are_those_that_speechnar_encode_caches(
    kind: str, unpadded: bool, folders: dict[str, Path], corpus: Corpus
) -> None:
    if unpadded and kind != "whisper":
        return
    task = task_of(kind, corpus, folders[kind])
    encoder = task.model.encoder.pretrained.eval()
    encoder.config = dataclasses.replace(encoder.config, unpadded=unpadded)
    frozen = FrozenEncoder(folders[kind], unpadded=unpadded)
    batch = task.load(["train-0", "train-1"])
    with torch.inference_mode():
        states, lengths = encoder(*encoder.features(batch.given, batch.given_lengths))
    for row, length in enumerate(batch.given_lengths.tolist()):
        expected = frozen(batch.given[row, :length])
        assert len(expected) == int(lengths[row])
        torch.testing.assert_close(states[row, : len(expected)], expected, atol=1e-5, rtol=1e-4)


def test_it_learns_to_read_and_its_folder_holds_everything(
    folders: dict[str, Path], corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    source = shutil.copytree(folders["whisper"], tmp_path / "whisper")
    (tmp_path / "conf.yaml").write_text(
        "audio: {sample_rate: 16000, n_fft: 480, hop_length: 160, win_length: 480, n_mels: 80, f_min: 0, f_max: 8000}\n"
        "ctc: {encoder: {pretrained: {unpadded: true, frozen_convolutions: false, frozen_steps: 5},\n"
        "      conformer: {d_model: 16, n_heads: 2, d_ff: 32, n_layers: 1, kernel_size: 3, dropout: 0,\n"
        "                  subsampling: 2, subsampling_channels: 0}}}\n"
        "augmentation: {speeds: [1.0], spec: null}\nbatch_seconds: 6\n"
        "loop: {max_steps: 250, learning_rate: 0.01, warmup_steps: 10, precision: 'no', ema_decay: 0, threads: 1}\n",
        encoding="utf-8",
    )
    tokenizer, train, dev = map(str, corpus)
    made = str(tmp_path / "model")
    command = ["train", "recognizer", str(tmp_path / "conf.yaml"), "--tokenizer", tokenizer, "--train", train]
    assert main([*command, "--dev", dev, "--init", str(source), "--out", made]) == 0
    shutil.rmtree(source)
    assert not list(Path(made).rglob("*.bin")) and {path.name for path in Path(made).glob("*.*")} >= {
        "config.yaml", "tokens.txt", "model.safetensors"
    }  # fmt: skip
    hyp = tmp_path / "hyp.txt"
    for batch in ("1", "4"):
        assert main(["decode", made, train, str(hyp), "--batch", batch]) == 0
        read = hyp.read_text(encoding="utf-8").splitlines()
        assert read == [f"train-{number} {text}" for number, text in enumerate(TEXTS)]
    config_files.save(RecognizerCard("letters", "en-us", "CC0-1.0", "tones"), Path(made) / "recognizer.yaml")
    assert main(["export", made, str(tmp_path / "exported")]) == 1
    assert "the encoder is one of transformers, which the runtime has no graph for" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert main(["decode", made, train, str(hyp)]) == 1
    assert "a pre-trained encoder needs transformers: pip install 'speechnar[encoders]'" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_the_encoder_rests_for_the_first_steps(kind: str, folders: dict[str, Path], corpus: Corpus) -> None:
    task = task_of(kind, corpus, folders[kind], frozen_convolutions=False, frozen_steps=2)
    encoder = task.model.train().encoder
    for step in (1, 2):
        task.model.zero_grad()
        (loss,) = task.loss(task.load(["train-0", "train-1"]), step).values()
        loss.value.backward()
        assert encoder.head.out.weight.grad is not None
        assert any(weight.grad is not None for weight in encoder.pretrained.parameters()) == (step == 2)


def test_all_blocks_frozen_is_the_whole_encoder(folders: dict[str, Path], corpus: Corpus) -> None:
    for kind in KINDS:
        encoder = task_of(kind, corpus, folders[kind], frozen_layers=2).model.encoder
        assert not any(weight.requires_grad for weight in encoder.pretrained.parameters())
        assert encoder.head.out.weight.requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_decoders_train_on_top_in_bfloat16_and_start_from_a_fine_tuned_model(
    kind: str, folders: dict[str, Path], corpus: Corpus, tmp_path: Path
) -> None:
    train_recognizer(config_of(kind, CONFORMER), *corpus, tmp_path / "ctc", folders[kind])
    config = config_of(kind, CONFORMER, dataclasses.replace(LOOP, precision="bf16"))
    decoder = DecoderConfig(16, 2, 1, 16, dropout=0.0)
    model = Choice("mask_ctc", MaskCTCConfig(0, config.model.value.encoder, decoder))
    masks = Augmentation((0.9, 1.1), 0.5, spec=SpecAugmentConfig(1, 2, 1.0, 5, 0.2))
    config = dataclasses.replace(config, model=model, two_views=True, augmentation=masks)
    train_recognizer(config, *corpus, tmp_path / "mask", tmp_path / "ctc")
    assert main(["decode", str(tmp_path / "mask"), str(corpus[2]), str(tmp_path / "hyp"), "--method", "mask_ctc"]) == 0
    before, after = (weights_of(tmp_path / name, "encoder.pretrained.") for name in ("ctc", "mask"))
    assert before.keys() == after.keys()
    frozen = [name for name in after if name.startswith(("model.feature_extractor", "model.conv"))]
    assert frozen and all(torch.equal(before[name], after[name]) for name in frozen)
    assert 0 < sum((before[name] - after[name]).abs().max() for name in after) < 0.5


def test_what_is_saved_is_what_was_trained(folders: dict[str, Path], corpus: Corpus, tmp_path: Path) -> None:
    for kind in KINDS:
        task = task_of(kind, corpus, folders[kind])
        task.save(tmp_path / kind, task.modules)
        loaded, config = load_model(tmp_path / kind)
        assert config == task.config
        batch = task.load(["train-0", "train-1"])
        with torch.inference_mode():
            expected, found = (
                model.eval()(*model.encoder.features(batch.given, batch.given_lengths)).log_probs
                for model in (task.model, loaded)
            )
        torch.testing.assert_close(found, expected, atol=0, rtol=0)


def test_large_models_normalize_after_their_blocks(corpus: Corpus, tmp_path: Path) -> None:
    large = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
    folder = saved("wav2vec2", tmp_path / "large", **large)
    task = task_of("wav2vec2", corpus, folder, frozen_layers=1)
    assert task.model.encoder.pretrained.model.encoder.layer_norm.weight.requires_grad
    wav = torch.randn(1, 9000) * 0.1
    samples = (wav - wav.mean()) / (wav.var(correction=0) + 1e-7).sqrt()
    encoder = task.model.encoder.pretrained.eval()
    with torch.inference_mode():
        states, _ = encoder(*encoder.features(wav, None))
        torch.testing.assert_close(states, encoder.model(samples).last_hidden_state, atol=1e-5, rtol=1e-4)


def test_an_encoder_is_drawn_at_random_where_the_config_describes_it(corpus: Corpus, tmp_path: Path) -> None:
    sizes = {"d_model": 8, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 8, "num_mel_bins": 40}
    task = task_of("whisper", corpus, None, architecture={"model_type": "whisper", **sizes})
    encoder = task.model.encoder.pretrained
    assert (encoder.channels, encoder.width, len(encoder.blocks)) == (40, 8, 1)
    task.save(tmp_path, task.modules)
    assert load_model(tmp_path)[0].encoder.pretrained.width == 8


def test_what_cannot_be_trained_is_one_sentence(folders: dict[str, Path], corpus: Corpus, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (other / name).write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    with pytest.raises(ModelError, match="is a model of type bert but should be one of wav2vec2, hubert, wavlm, whi"):
        task_of("wav2vec2", corpus, other)
    for damaged in ("{", "[]"):
        (other / "config.json").write_text(damaged, encoding="utf-8")
        with pytest.raises(ModelError, match=r"config.json is no description of a model: fetch the model again"):
            task_of("wav2vec2", corpus, other)
    translator = tmp_path / "translator"
    translator.mkdir()
    config_files.save(ModelConfig(AUDIO, Choice("text_ctc", TextCTCConfig())), translator / "config.yaml")
    with pytest.raises(ModelError, match="translator holds the model text_ctc, which is no recognizer: start from an"):
        task_of("wav2vec2", corpus, translator)
    with pytest.raises(ValueError, match="has no architecture: give a transformers model by --init DIR or --init hf:"):
        task_of("wav2vec2", corpus, None)
    with pytest.raises(ValueError, match="frozen_layers is 3, but the pre-trained encoder has 2 blocks"):
        task_of("hubert", corpus, folders["hubert"], frozen_layers=3)
    plain = CTCConfig(0, CTCEncoderConfig(dataclasses.replace(CONFORMER, subsampling_channels=4)))
    config = dataclasses.replace(config_of("wavlm"), model=Choice("ctc", plain))
    with pytest.raises(ModelError, match=r"wavlm is an encoder of transformers: add `pretrained: {}` to the config"):
        RecognitionTask(config, *corpus, folders["wavlm"])
    with pytest.raises(ValueError, match="leave d_states and blocks out, and set subsampling_channels to 0"):
        CTCEncoderConfig(LINEAR, blocks=BlockConfig(2, 0, 0), pretrained=PretrainedEncoderConfig())
    with pytest.raises(ValueError, match="of model_type bert, which should be one of wav2vec2, hubert, wavlm, whisper"):
        PretrainedEncoderConfig({"model_type": "bert"})
    with pytest.raises(ValueError, match="frozen_layers is -1 and frozen_steps 0; both should be 0 or more"):
        PretrainedEncoderConfig(frozen_layers=-1)
    encoder = task_of("whisper", corpus, folders["whisper"]).model.encoder
    with pytest.raises(ValueError, match="an utterance of 30.1 s is longer than the 30 s that the pre-trained encoder"):
        encoder.features(torch.zeros(1, 481600), None)
    config = dataclasses.replace(encoder.config.pretrained, unpadded=False)
    with pytest.raises(ValueError, match="the audio has 8000 Hz, but a pre-trained encoder reads 16000 Hz"):
        CTCEncoder(CTCEncoderConfig(LINEAR, pretrained=config), dataclasses.replace(AUDIO, sample_rate=8000), 5)
