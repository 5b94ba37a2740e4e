"""Encoders of transformers, tiny and drawn at random, against transformers' own output."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from tiny_transformers import KINDS, D, manifest_of, noise, saved

from speechnar.cli import main
from speechnar.hub.fetch import HubError
from speechnar.infer.encoder_cache import EncoderCache, cache_states
from speechnar.infer.pretrained_encoder import FrozenEncoder, pretrained_folder, wanted_files
from speechnar.layers.pretrained_encoder import load_transformers
from speechnar.models.folder import ModelError

pytest.importorskip("transformers")
transformers = load_transformers()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pretrained")
    return {kind: saved(kind, root / kind) for kind in KINDS}


@pytest.mark.parametrize("layer", [None, 0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_states_are_those_of_transformers(folders: dict[str, Path], kind: str, layer: int | None) -> None:
    wav = noise(16123)
    if kind == "whisper":
        theirs = transformers.WhisperModel.from_pretrained(folders[kind]).eval().encoder
        features = transformers.WhisperFeatureExtractor.from_pretrained(folders[kind])(
            wav.numpy(), sampling_rate=16000, return_tensors="pt"
        ).input_features
        count = 51  # 16123 / 320, rounded up
    else:
        theirs = transformers.AutoModel.from_pretrained(folders[kind]).eval()
        features = ((wav - wav.mean()) / (wav.var(correction=0) + 1e-7).sqrt())[None]
        count = 50  # the 400 samples of each fit: (16123 - 400) // 320 + 1
    with torch.inference_mode():
        made = theirs(features, output_hidden_states=True)
        expected = made.last_hidden_state if layer is None else made.hidden_states[layer]
    encoder = FrozenEncoder(folders[kind], layer)
    states = encoder(wav)
    assert states.shape == (count, D) and encoder.width == D
    torch.testing.assert_close(states, expected[0, :count], atol=1e-5, rtol=1e-4)


def test_whisper_without_silence_is_its_encoder_written_down_again(folders: dict[str, Path]) -> None:
    wav = noise(9 * 320)
    model = transformers.WhisperModel.from_pretrained(folders["whisper"]).eval().encoder
    mel = transformers.WhisperFeatureExtractor.from_pretrained(folders["whisper"])(
        wav.numpy(), sampling_rate=16000, return_tensors="pt", padding=False
    ).input_features
    assert mel.shape == (1, 80, 18)
    with torch.inference_mode():
        hidden = torch.nn.functional.gelu(model.conv2(torch.nn.functional.gelu(model.conv1(mel)))).mT
        hidden = hidden + model.embed_positions.weight[:9]
        for block in model.layers:
            hidden = block(hidden, None)
        expected = model.layer_norm(hidden)[0]
    encoder = FrozenEncoder(folders["whisper"], unpadded=True)
    for _ in range(2):  # another length in between changes nothing
        torch.testing.assert_close(encoder(wav), expected, atol=1e-5, rtol=1e-4)
        assert encoder(noise(100)).shape == (1, D) and encoder(noise(20000)).shape == (63, D)
    with_silence = FrozenEncoder(folders["whisper"])(wav)
    assert with_silence.shape == (9, D) and not torch.allclose(with_silence, expected, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_holds_the_states_of_each_utterance_alone(folders: dict[str, Path], kind: str, tmp_path: Path) -> None:
    lengths = (8000, 16000, 3001)
    assert main(["encode", str(folders[kind]), str(manifest_of(tmp_path, lengths)), str(tmp_path / "out")]) == 0
    cache, encoder = EncoderCache(tmp_path / "out" / "cuts.jsonl.gz"), FrozenEncoder(folders[kind])
    for number, length in enumerate(lengths):
        states = cache.states(range(number, number + 1))
        assert len(states) == (math.ceil(length / 320) if kind == "whisper" else (length - 400) // 320 + 1)
        torch.testing.assert_close(states, encoder(noise(length, number)), atol=2e-3, rtol=2e-3)  # float16


def test_a_decoder_trains_on_the_states(folders: dict[str, Path], tmp_path: Path) -> None:
    from speechnar.models.folder import load_model

    cuts = manifest_of(tmp_path, (8000, 16000))
    command = ["encode", str(folders["hubert"]), str(cuts), str(tmp_path / "encoded"), "--layer", "1"]
    assert main(command) == 0
    assert main(["tokenizer", str(cuts), str(tmp_path / "tokenizer")]) == 0
    (tmp_path / "ctc.yaml").write_text(
        "audio: {sample_rate: 16000, n_fft: 400, hop_length: 160, win_length: 400, n_mels: 80, f_min: 0, f_max: 8000}\n"
        "ctc: {encoder: {d_states: 512, conformer: {d_model: 16, n_layers: 1, n_heads: 2, d_ff: 16, kernel_size: 3,"
        " subsampling: 2, subsampling_channels: 0}}}\n"
        "loop: {max_steps: 1, precision: 'no'}\n",
        encoding="utf-8",
    )
    encoded = str(tmp_path / "encoded" / "cuts.jsonl.gz")
    train = ["train", "recognizer", str(tmp_path / "ctc.yaml"), "--tokenizer", str(tmp_path / "tokenizer")]
    assert main([*train, "--train", encoded, "--dev", encoded, "--out", str(tmp_path / "model")]) == 0
    assert load_model(tmp_path / "model")[1].model.value.encoder.d_states == D
    assert main(["decode", str(tmp_path / "model"), encoded, str(tmp_path / "hyp.txt")]) == 0
    assert len((tmp_path / "hyp.txt").read_text(encoding="utf-8").splitlines()) == 2


def test_the_layer_and_the_padding_are_a_part_of_a_cache(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cuts, out = manifest_of(tmp_path, (4000,)), tmp_path / "out"
    held = set()
    for options in ((), ("--layer", "1"), ("--unpadded",)):
        command = ["encode", str(folders["whisper"]), str(cuts), str(out), *options]
        assert main(command) == 0 and "up to date" not in capsys.readouterr().out
        assert main(command) == 0 and "up to date" in capsys.readouterr().out
        held.add((out / "states.f16").read_bytes())
    assert len(held) == 3


def test_what_cannot_be_used_is_one_sentence(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(HubError, match="has no model.safetensors, and pickled weights are not read"):
        wanted_files(["config.json", "preprocessor_config.json", "pytorch_model.bin"], "somebody")
    with pytest.raises(HubError, match="somebody has no preprocessor_config.json: take a model as"):
        wanted_files(["config.json", "model.safetensors"], "somebody")
    with pytest.raises(HubError, match="should look like hf:owner/name"):
        pretrained_folder(Path("hf:owner"))
    other = tmp_path / "other"
    transformers.BertConfig().save_pretrained(other)
    with pytest.raises(ModelError, match="is a model of type bert but should be one of wav2vec2, hubert, wavlm, whi"):
        FrozenEncoder(other)
    with pytest.raises(ModelError, match="--layer is 3 but should be from 0 to 2, the layers of"):
        FrozenEncoder(folders["wavlm"], layer=3)
    with pytest.raises(ModelError, match="is a model of type hubert, which is never padded: leave --unpadded out"):
        FrozenEncoder(folders["hubert"], unpadded=True)
    cuts = manifest_of(tmp_path, (4000,))
    with pytest.raises(ModelError, match="english_base is no model of transformers: leave --layer"):
        cache_states(Path("english_base"), cuts, tmp_path / "out", layer=1)
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert main(["encode", str(folders["hubert"]), str(cuts), str(tmp_path / "out")]) == 1
    assert "needs transformers: pip install 'speechnar[encoders]'" in capsys.readouterr().err


def test_weights_that_are_missing_are_not_drawn_at_random(tmp_path: Path) -> None:
    folder = saved("wav2vec2", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}), encoding="utf-8")
    with pytest.raises(ModelError, match="lacks 16 weights of its encoder, such as encoder.layers.2"):
        FrozenEncoder(folder)


def test_a_model_in_shards_is_whole_or_one_sentence(tmp_path: Path) -> None:
    whole = saved("wav2vec2", tmp_path / "whole")
    folder = tmp_path / "shards"
    transformers.Wav2Vec2Model.from_pretrained(whole).save_pretrained(folder, max_shard_size="10KB")
    (folder / "preprocessor_config.json").write_bytes((whole / "preprocessor_config.json").read_bytes())
    shards = sorted(path.name for path in folder.glob("model-*.safetensors"))
    assert len(shards) > 2
    wav = noise(4000)
    torch.testing.assert_close(FrozenEncoder(pretrained_folder(folder))(wav), FrozenEncoder(whole)(wav))
    assert set(wanted_files([path.name for path in folder.iterdir()], folder)) == {
        "config.json", "preprocessor_config.json", "model.safetensors.index.json", *shards
    }  # fmt: skip
    both = ["config.json", "preprocessor_config.json", "model.safetensors", "model.safetensors.index.json", *shards]
    assert wanted_files(both, folder) == both[:3]
    (folder / shards[0]).unlink()
    (folder / shards[2]).unlink()
    with pytest.raises(
        HubError, match=f"shards lacks 2 of the {len(shards)} files of its weights, such as {shards[0]}: "
    ):
        pretrained_folder(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": []}', encoding="utf-8")
    with pytest.raises(HubError, match="model.safetensors.index.json is no index of weights: fetch"):
        pretrained_folder(folder)
    (folder / "model.safetensors.index.json").unlink()
    with pytest.raises(HubError, match="shards has no model.safetensors, and pickled weights are not read"):
        pretrained_folder(folder)


@pytest.mark.parametrize("name", ["preprocessor_config.json", "config.json"])
def test_a_cache_is_made_again_where_the_encoder_is_described_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder, cuts = saved("hubert", tmp_path / "model"), manifest_of(tmp_path, (4000,))
    command = ["encode", str(folder), str(cuts), str(tmp_path / "out")]
    assert main(command) == 0
    before = (tmp_path / "out" / "states.f16").read_bytes()
    changed = json.loads((folder / name).read_text(encoding="utf-8"))
    changed |= {"do_normalize": False} if name.startswith("pre") else {"layer_norm_eps": 0.1}
    (folder / name).write_text(json.dumps(changed), encoding="utf-8")
    assert main(command) == 0 and "up to date" not in capsys.readouterr().out
    assert (tmp_path / "out" / "states.f16").read_bytes() != before
    assert main(command) == 0 and "up to date" in capsys.readouterr().out
