"""A voice of several speakers: each is heard as its model says, by name, on the command line as well."""

from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from speechnar import cli, config
from speechnar.audio import AudioConfig
from speechnar.config import Choice
from speechnar.export import VoiceCard, export_voice, restore_voice
from speechnar.export.graph import parity
from speechnar.export.voice_graphs import AcousticGraph, acoustic_inputs
from speechnar.models.folder import ModelConfig, ModelError, load_model, save_model
from speechnar.models.tts.fastspeech2 import FastSpeech2, FastSpeech2Config
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocos, HarmonicVocosConfig
from speechnar.runtime.speech import SpeechError
from speechnar.runtime.voice import Voice, load_voice
from speechnar.serve.engine import Engine, Limits
from speechnar.text.symbols import EN_US, SymbolTable

AUDIO = AudioConfig(sample_rate=8000, n_fft=300, hop_length=100, win_length=300, n_mels=8, f_max=4000)
MEANS = {"ann": 5.3, "bob": 4.7, "eve": 5.5}
TEXT = "Hello there."


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folders, exported to `voice`."""
    folder = tmp_path_factory.mktemp("speakers")
    torch.manual_seed(0)
    acoustic = FastSpeech2(
        FastSpeech2Config(
            n_symbols=len(EN_US), n_mels=8, d_model=16, d_ff=16, kernel_size=3, n_heads=2, encoder_layers=1,
            prosody_layers=1, decoder_layers=1, speakers=tuple(MEANS),
        )
    )  # fmt: skip
    vocoder = HarmonicVocos(HarmonicVocosConfig(d_model=8, d_ff=8, n_layers=1), AUDIO)
    for tensor in (*acoustic.state_dict().values(), *vocoder.state_dict().values()):
        tensor += 0.1 * torch.randn(tensor.shape)  # no two weights are equal after training
    acoustic.duration_out.bias.data.fill_(1.8)  # about 5 frames a token
    acoustic.set_statistics(log_f0_mean=list(MEANS.values()), log_f0_std=[0.2, 0.1, 0.3])
    acoustic.set_statistics(common_log_f0_mean=5.2, common_log_f0_std=0.4)
    save_model(
        folder / "acoustic", ModelConfig(AUDIO, Choice("fastspeech2", acoustic.config)), acoustic, SymbolTable(EN_US)
    )
    save_model(folder / "vocoder", ModelConfig(AUDIO, Choice("harmonic_vocos", vocoder.config)), vocoder)
    config.save(VoiceCard("three", "en-us", "CC0", "none"), folder / "voice.yaml")
    export_voice(folder, folder / "voice")
    return folder


def test_the_graph_says_what_the_model_says_of_every_speaker(models: Path) -> None:
    model, _ = load_model(models / "acoustic")
    for number in range(3):
        given = acoustic_inputs(model) | {"speaker_weights": torch.eye(len(MEANS))[None, number]}
        assert parity(AcousticGraph(model, 8), given, models / "voice" / "acoustic.onnx") < 1e-3


def test_each_speaker_has_a_voice_and_the_first_is_the_default(models: Path) -> None:
    voice = Voice(models / "voice", threads=1)
    assert voice.speakers == tuple(MEANS)
    mels = [voice.synthesize(TEXT, speaker=name, speed=1.0).mel.mean(0) for name in (None, *MEANS)]
    np.testing.assert_array_equal(mels[0], mels[1])
    assert all(np.abs(mels[a] - mels[b]).max() > 1e-3 for a, b in ((1, 2), (1, 3), (2, 3)))


@pytest.mark.parametrize("name", MEANS)
def test_pitch_is_about_the_speaker_s_own(models: Path, name: str) -> None:
    voice = Voice(models / "voice", threads=1)
    plain = voice.synthesize(TEXT, speaker=name)
    voiced = plain.f0 > 0
    assert voiced.any()
    monotone = voice.synthesize(TEXT, speaker=name, pitch_range=0.0)
    np.testing.assert_allclose(monotone.f0[voiced], math.exp(MEANS[name]), rtol=1e-4)
    higher = voice.synthesize(TEXT, speaker=name, pitch=12.0)
    np.testing.assert_allclose(higher.f0[voiced], 2 * plain.f0[voiced], rtol=1e-4)
    assert higher.phones == plain.phones
    louder = voice.synthesize(TEXT, speaker=name, energy=6.0)
    np.testing.assert_allclose(louder.mel - plain.mel, 6 * np.log(10) / 20, atol=1e-3)
    np.testing.assert_allclose(louder.f0, plain.f0, rtol=1e-5)


def test_speakers_have_gains_and_a_blend_their_mean(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models, tmp_path, dirs_exist_ok=True)
    card = config.load(VoiceCard, models / "voice.yaml")
    config.save(dataclasses.replace(card, speaker_gains={"bob": -4.0}), tmp_path / "voice.yaml")
    export_voice(tmp_path, tmp_path / "voice")
    usual, with_gains = (Voice(folder / "voice", threads=1) for folder in (models, tmp_path))
    for speaker, gain in (("ann", 0.0), ("bob", -4.0), ("ann:3,bob:1", -1.0)):
        before, after = (voice.synthesize(TEXT, speaker=speaker).mel for voice in (usual, with_gains))
        np.testing.assert_allclose(after - before, gain * np.log(10) / 20, atol=1e-3)
    config.save(dataclasses.replace(card, speaker_gains={"joe": 1.0}), tmp_path / "voice.yaml")
    with pytest.raises(ModelError, match="has a gain of joe, but the speakers are ann, bob, eve"):
        export_voice(tmp_path, tmp_path / "other")


def test_a_blend_is_between_its_speakers(models: Path) -> None:
    voice = Voice(models / "voice", threads=1, speaker="ann:0.25, bob:0.75")
    blended = voice.synthesize(TEXT, pitch_range=0.0)
    mean = 0.25 * MEANS["ann"] + 0.75 * MEANS["bob"]
    np.testing.assert_allclose(blended.f0[blended.f0 > 0], math.exp(mean), rtol=1e-4)
    same = voice.synthesize(TEXT, speaker="ann:1,bob:3", pitch_range=0.0)
    np.testing.assert_allclose(same.mel, blended.mel, atol=1e-4)
    alone = voice.synthesize(TEXT, speaker="eve:2,bob:0")
    np.testing.assert_array_equal(alone.mel, voice.synthesize(TEXT, speaker="eve").mel)


@pytest.mark.parametrize(
    ("blend", "message"),
    [
        ("ann:0.5,joe:0.5", "no speaker 'joe'; take ann, bob, eve"),
        ("ann:-1", "weight of ann should be a number from 0 on but is '-1'"),
        ("ann:x", "weight of ann should be a number from 0 on but is 'x'"),
        ("ann:nan", "weight of ann should be a number"),
        ("ann:inf", "weight of ann should be a number"),
        ("ann:", "weight of ann should be a number from 0 on but is ''"),
        ("ann:0,bob:0", "weights in 'ann:0,bob:0' are all 0"),
        ("ann,", "no speaker ''"),
    ],
)
def test_blends_that_cannot_be_are_refused(models: Path, blend: str, message: str) -> None:
    with pytest.raises(SpeechError, match=message):
        Voice(models / "voice", threads=1, speaker=blend)


def test_speakers_of_installed_voices_are_voices(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(models / "voice", tmp_path / "three")
    monkeypatch.setattr("speechnar.runtime.voice_folder.VOICES", tmp_path)
    assert load_voice("three", threads=1).speaker == "ann"
    assert load_voice("eve", threads=1).speaker == "eve"
    assert load_voice("eve:0.5,bob:0.5", threads=1).speaker == "eve:0.5,bob:0.5"
    with pytest.raises(
        SpeechError, match="there is no voice 'joe'; take three, ann, bob, eve or the folder of a voice"
    ):
        load_voice("joe")


def test_a_speaker_called_as_the_voice_is_the_default(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "voice", tmp_path / "bob")
    path = tmp_path / "bob" / "voice.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"three"', '"bob"'), encoding="utf-8")
    assert Voice(tmp_path / "bob", threads=1).speaker == "bob"


def test_a_server_offers_every_speaker(models: Path, tmp_path: Path) -> None:
    voice = Voice(models / "voice", threads=1)
    engine = Engine({"three": voice}, recognizer=None, limits=Limits())
    assert engine.names() == ["three", "ann", "bob", "eve"]
    assert engine.find("three") == (voice, None)
    assert engine.find("eve") == engine.find("three/eve") == (voice, "eve")
    assert engine.find("eve:0.5,bob:0.5") == (voice, "eve:0.5,bob:0.5")
    both = Engine({"three": voice, "bob": voice}, recognizer=None, limits=Limits())
    assert both.names() == ["three", "three/ann", "three/bob", "three/eve", "bob", "bob/ann", "bob/eve"]
    for name in both.names():
        assert both.find(name)[0] is voice


def test_a_stream_has_the_speaker_too(models: Path) -> None:
    voice = Voice(models / "voice", threads=1)
    wav = np.concatenate(list(voice.stream(TEXT, speaker="bob")))
    np.testing.assert_allclose(wav, voice.synthesize(TEXT, speaker="bob").wav, atol=1e-3)


def test_unknown_speakers_are_refused_with_those_known(models: Path, stub_voice: Path) -> None:
    with pytest.raises(SpeechError, match="the voice three has no speaker 'joe'; take ann, bob, eve"):
        Voice(models / "voice", threads=1).synthesize(TEXT, speaker="joe")
    with pytest.raises(SpeechError, match="no speaker 'ann'; it has only one: leave the speaker out"):
        Voice(stub_voice, threads=1).synthesize(TEXT, speaker="ann")


def test_restoring_brings_the_speakers_back(models: Path, tmp_path: Path) -> None:
    restore_voice(models / "voice", tmp_path / "out")
    (before, _), (after, _) = load_model(models / "acoustic"), load_model(tmp_path / "out" / "acoustic")
    assert after.config.speakers == tuple(MEANS)
    assert torch.equal(before.speaker.weight, after.speaker.weight)
    for name in ("log_f0_mean", "common_log_f0_mean", "common_log_f0_std"):
        assert torch.equal(getattr(before, name), getattr(after, name))
    assert isinstance(after, FastSpeech2)


def test_the_command_line_takes_and_lists_speakers(models: Path, tmp_path: Path, capsys) -> None:
    voice = ["--voice", str(models / "voice"), "--threads", "1"]
    wavs = [tmp_path / f"{name}.wav" for name in ("ann", "eve")]
    for wav in wavs:
        assert cli.main(["synth", TEXT, "-o", str(wav), *voice, "--speaker", wav.stem]) == 0
    assert wavs[0].read_bytes() != wavs[1].read_bytes()
    capsys.readouterr()  # random weights are loud, which is said
    assert cli.main(["synth", TEXT, "-o", str(tmp_path / "no.wav"), *voice, "--speaker", "joe"]) == 1
    assert capsys.readouterr().err == "speechnar: the voice three has no speaker 'joe'; take ann, bob, eve\n"
    assert not (tmp_path / "no.wav").exists()
    assert cli.main(["voices", str(models / "voice")]) == 0
    assert "  ann, bob, eve" in capsys.readouterr().out
