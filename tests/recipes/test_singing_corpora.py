"""Corpora of songs in small files of their layouts, with answers worked out by hand; songs made of speech."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from scores import bar, note, part, score, tempo, written

from speechnar.audio import AudioConfig
from speechnar.data.features import utterance_of
from speechnar.text.symbols import SymbolTable

LOCAL = Path(__file__).parents[2] / "recipes" / "singing" / "local"
AUDIO = AudioConfig(sample_rate=8000, n_fft=256, hop_length=100, win_length=256, n_mels=12, f_max=4000)  # 12.5 ms


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"singing_{name}", LOCAL / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


corpora = loaded("corpora")


def sound(path: Path, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(int(seconds * 8000)) / 8000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 220 * times), 8000)


def label(start: float, end: float, rest: str) -> str:
    return f"{int(start * 1e7)} {int(end * 1e7)} {rest}\n"


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    for folder in ("wavs", "wav", "deep"):
        sound(tmp_path / folder / "one.wav", 3.0)
    line = "one|ta a|t a a SP|C4 C4 D#4/Eb4 rest|1 1 0.5 0.5|0.1 0.9 0.5 0.5|0 0 1 0\n"
    written(tmp_path / "transcriptions.txt", line)
    for folder in ("csv", "mono_label", "musicxml"):
        (tmp_path / folder).mkdir()
    written(
        tmp_path / "csv" / "one.csv", "start,end,pitch,syllable\n0.5,1.5,60,t_uw_n\n1.5,1.75,62,ah\n2.25,2.75,64,m_iy\n"
    )
    mono = (
        label(0, 0.4, "pau") + label(0.4, 0.5, "t") + label(0.5, 1.5, "a") + label(1.5, 2.5, "o") + label(2.5, 3, "sil")
    )
    written(tmp_path / "mono_label" / "one.lab", mono)
    tune = part(bar(tempo(60), note("R", 0.5), note("C4", 1, "ta"), note("E4", 1, "o"), note("R", 1.5)))
    written(tmp_path / "musicxml" / "one.xml", score(tune))
    full = "p@xx^xx-{}+xx=xx_1/A:xx/E:{}]{}^4=4/F:xx"
    rows = [(0, 0.5, "pau", "xx", 0), (0.5, 0.6, "k", "Db4", 1), (0.6, 1.5, "a", "Db4", 1), (1.5, 2.5, "e", "Db4", 2)]
    written(tmp_path / "deep" / "one.lab", "".join(label(a, b, full.format(p, e, n)) for a, b, p, e, n in rows))
    return tmp_path


EXPECTED = {  # phones, frames of 12.5 ms, pitches, seconds of the notes, slurs of the first phrase
    "opencpop": (["t", "a", "a"], [8, 72, 40], [60, 60, 63], [1, 1, 0.5], [0, 0, 1]),
    "csd": (["t", "uw", "n", "ah"], [6, 67, 7, 20], [60, 60, 60, 62], [1, 1, 1, 0.25], [0, 0, 0, 0]),
    "kiritan": (["t", "a", "o"], [8, 80, 80], [60, 60, 64], [1, 1, 1], [0, 0, 0]),
    "nnsvs": (["k", "a", "e"], [8, 72, 80], [61, 61, 61], [1, 1, 1], [0, 0, 0]),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_phrases_have_the_phones_and_notes_of_the_corpus(songs: Path, name: str) -> None:
    phones, durations, pitches, seconds, slurs = EXPECTED[name]
    cuts = corpora.cuts_of(corpora.READERS[name](songs / "deep" if name == "nnsvs" else songs), AUDIO)
    assert len(cuts) == (2 if name == "csd" else 1)  # in csd a rest of half a second
    cut = cuts[0]
    custom = cut.supervisions[0].custom
    assert (custom["phones"], custom["note_pitch"], custom["slurs"]) == (phones, pitches, slurs)
    assert custom["note_durations"] == pytest.approx(seconds)
    assert np.abs(np.array(custom["durations"]) - durations).max() <= 1
    table = SymbolTable(("<pad>", "<s>", "</s>", *sorted(set(phones))))
    utterance = utterance_of(cut, AUDIO, table)  # audio and durations fit each other
    assert utterance.notes is not None and utterance.notes.shape == (len(phones) + 2, 3)


def test_long_songs_are_cut_where_the_note_changes() -> None:
    sung = [corpora.Sung("a", n, n + 1, 60 + n // 2 % 2, 2.0) for n in range(40)]
    phrases = list(corpora.phrases_of(sung))
    assert sum(map(len, phrases)) == 40 and len(phrases) > 1
    assert all(first[-1].pitch != then[0].pitch for first, then in zip(phrases, phrases[1:]))


@pytest.mark.parametrize(
    ("name", "file", "text", "words"),
    [
        ("opencpop", "transcriptions.txt", "one|two\n", "line 1: 2 fields"),
        ("opencpop", "transcriptions.txt", "one|x|t a|C4|1 1|1 1|0 0\n", "not of one length"),
        ("opencpop", "transcriptions.txt", "one|x|t|H4|1|1|0\n", "'H4' is no pitch"),
        ("kiritan", "mono_label/one.lab", "0 pau\n", "one.lab, line 1"),
        ("nnsvs", "deep/one.lab", "0 10 pau\n", "no full-context label"),
    ],
)
def test_what_is_not_of_the_layout_is_named(songs: Path, name: str, file: str, text: str, words: str) -> None:
    written(songs / file, text)
    with pytest.raises(corpora.CorpusError, match=words):
        corpora.cuts_of(corpora.READERS[name](songs / "deep" if name == "nnsvs" else songs), AUDIO)


def test_missing_audio_is_named(songs: Path) -> None:
    (songs / "wav" / "one.wav").unlink()
    with pytest.raises(corpora.CorpusError, match=r"one\.wav is missing"):
        corpora.cuts_of(corpora.csd(songs), AUDIO)
