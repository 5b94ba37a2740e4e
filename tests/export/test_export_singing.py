"""A voice that got a singing model: the graph says what the model says, and `Singer` sings by it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.cli import main
from speechnar.config import Choice
from speechnar.export import VoiceCard, export_singing, export_voice
from speechnar.export.singing import SingingGraph, singing_inputs
from speechnar.models.folder import ModelConfig, ModelError, load_model, save_model
from speechnar.models.tts.fastspeech2 import FastSpeech2, FastSpeech2Config
from speechnar.models.vocoder.harmonic_vocos import HarmonicVocos, HarmonicVocosConfig
from speechnar.runtime import load_voice
from speechnar.runtime.singing import Melody, Singer
from speechnar.runtime.sung_mel import AFTER, BEFORE, SungMel, on_notes
from speechnar.score.notes import Note, Part, Syllable, make_part
from speechnar.score.pitch import PitchOptions
from speechnar.text.symbols import EN_US, SymbolTable

AUDIO = AudioConfig(sample_rate=8000, n_fft=300, hop_length=100, win_length=300, n_mels=8, f_max=4000)
SIZES = {"n_mels": 8, "d_model": 16, "d_ff": 160, "n_heads": 2, "encoder_layers": 1, "prosody_layers": 1}
MAMA = {"mama": ("m", "ˈɑ", "m", "ə")}


def save(folder: Path, name: str, symbols: SymbolTable, notes: bool, audio: AudioConfig = AUDIO) -> None:
    torch.manual_seed(0)
    its = FastSpeech2Config(n_symbols=len(symbols.symbols), decoder_layers=2, notes=notes, **SIZES)
    model = FastSpeech2(its)
    model.duration_out.bias.data.fill_(1.8)
    model.prosody_out.bias.data[1] = 3.0  # voiced
    model.set_statistics(log_f0_mean=5.0, log_f0_std=0.2)
    save_model(folder / name, ModelConfig(audio, Choice("fastspeech2", its)), model, symbols)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("singing")
    save(folder, "acoustic", SymbolTable(EN_US), notes=False)
    vocoder = HarmonicVocosConfig(d_model=16, d_ff=32, n_layers=2)
    save_model(folder / "vocoder", ModelConfig(AUDIO, Choice("harmonic_vocos", vocoder)), HarmonicVocos(vocoder, AUDIO))
    config.save(VoiceCard("tiny", "en-us", "CC0", "none"), folder / "voice.yaml")
    export_voice(folder, folder / "plain")
    save(folder, "singing", SymbolTable((*EN_US[:3], *reversed(EN_US[3:]))), notes=True)  # a table of its own
    assert main(["export", str(folder), str(folder / "voice")]) in (0, None)
    return folder


def tune() -> Part:
    rows = [(0.5, 0.5, 50.0, ("ma", "begin")), (1.0, 0.5, 55.0, ("ma", "end")), (1.5, 0.5, 57.0, None)]
    notes = [Note(o, d, p, (Syllable(*text),) if text else (), slur=not text) for o, d, p, text in rows]
    return make_part("Alto", notes)[0]


def test_the_voice_sings_at_the_times_of_the_melody_by_this_model(models: Path) -> None:
    melody = Melody.of(tune(), lexicon=MAMA)
    options = PitchOptions(vibrato=0, expression=0)
    song = Singer(load_voice(models / "voice", threads=1)).sing(melody, options)
    by_rule = Singer(load_voice(models / "plain", threads=1)).sing(melody, options)
    assert song.phones == by_rule.phones
    assert np.isfinite(song.wav).all()


def test_a_breath_is_heard_before_a_phrase_and_in_a_pause(models: Path) -> None:
    notes = [Note(o, 0.5, 50.0, (Syllable("ma"),)) for o in (0.5, 1.3, 4.0)]
    melody = Melody.of(make_part("Alto", notes)[0], lexicon={"ma": ("ˈɑ",)})
    singer = Singer(load_voice(models / "voice", threads=1))
    breathing, silent = (singer.sing(melody, PitchOptions(0, 0, breaths=breaths)) for breaths in (True, False))
    assert breathing.mel.shape == silent.mel.shape and breathing.phones == silent.phones
    changed = np.abs(breathing.mel - silent.mel).max(axis=1) > 0.01
    times = (np.arange(len(changed)) + 0.5) * AUDIO.hop_length / AUDIO.sample_rate
    for rest, last in ((0.0, 0.5), (1.0, 1.3), (1.8, 4.0)):
        inside = times[changed & (times > rest) & (times < last)]
        assert inside.size and inside.max() - inside.min() < 0.47 and 0.05 < last - inside.max() < 0.08
    assert not changed[(times > 0.5) & (times < 1.0)].any() and not breathing.f0[changed].any()


def test_the_mel_is_the_model_s_whatever_the_order_of_its_symbols(models: Path) -> None:
    model, its = load_model(models / "singing")
    sung = SungMel(load_voice(models / "voice", threads=1))
    phones = ["m", "ˈɑ", "."]
    tokens = on_notes([False, True, False], [0, 3, 12, 15], [3, 8])
    pitches = np.array([[60.0, 0.2], [64.0, 0.3]])
    f0 = np.linspace(200, 300, 15)
    mel, voiced = sung(phones, tokens, pitches, f0)
    table = SymbolTable.load(models / "singing" / "tokens.txt")
    own = torch.tensor([[60.0, 0.2, 0], [60, 0.2, 0], [60, 0.2, 0], [64, 0.3, 1], [64, 0.3, 0], [64, 0.3, 0]])
    with torch.inference_mode():
        expected, its_voiced = SingingGraph(model)(
            torch.tensor([table.encode(["m", "ˈɑ", "ˈɑ", "."])]),
            torch.tensor([[BEFORE, 3, 5, 4, 3, AFTER]]),
            own[None],
            torch.from_numpy(np.pad(f0, (BEFORE, AFTER), mode="edge"))[None].float(),
        )
    np.testing.assert_allclose(mel, expected[0, BEFORE:-AFTER], atol=0.05)  # weights of 8 bits
    assert (voiced == (its_voiced[0, BEFORE:-AFTER].numpy() > 0)).all()


def test_a_model_that_is_early_is_heard_later(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "voice", tmp_path / "late")
    graph = onnx.load(tmp_path / "late" / "singing.onnx")
    graph.metadata_props.add(key="early", value="2")
    onnx.save(graph, tmp_path / "late" / "singing.onnx")
    tokens = on_notes([False, True, False], [0, 3, 12, 15], [3, 8])
    mels = [
        SungMel(load_voice(folder, threads=1))(
            ["m", "ˈɑ", "."], tokens, np.array([[60.0, 0.2]] * 2), np.full(15, 200.0)
        )[0]
        for folder in (models / "voice", tmp_path / "late")
    ]
    assert mels[0].shape == mels[1].shape
    np.testing.assert_allclose(mels[1][2:], mels[0][:-2], atol=1e-5)


def test_f0_in_hz_reaches_the_mel(models: Path) -> None:
    model = load_model(models / "singing")[0]
    given = singing_inputs(model)
    graph = SingingGraph(model)
    with torch.inference_mode():
        low, high = graph(**given)[0], graph(**(given | {"f0": 2 * given["f0"]}))[0]
    assert not torch.allclose(low, high)


def test_it_can_be_added_to_a_voice_that_is_there(models: Path, tmp_path: Path) -> None:
    save(tmp_path, "singing", SymbolTable(EN_US), notes=True)
    export_voice(models, tmp_path / "voice")
    assert SungMel.of(load_voice(tmp_path / "voice", threads=1)) is None
    assert main(["export", str(tmp_path), str(tmp_path / "voice")]) in (0, None)
    assert SungMel.of(load_voice(tmp_path / "voice", threads=1)) is not None


def test_a_model_of_speech_or_of_other_audio_is_refused(models: Path, tmp_path: Path) -> None:
    export_voice(models, tmp_path / "voice")
    save(tmp_path, "singing", SymbolTable(EN_US), notes=False)
    with pytest.raises(ModelError, match="notes: true"):
        export_singing(tmp_path, tmp_path / "voice")
    other = AudioConfig(sample_rate=8000, n_fft=300, hop_length=80, win_length=300, n_mels=8, f_max=4000)
    save(tmp_path, "singing", SymbolTable(EN_US), notes=True, audio=other)
    with pytest.raises(ModelError, match="hop_length"):
        export_singing(tmp_path, tmp_path / "voice")
    assert not (tmp_path / "voice" / "singing.onnx").exists()
