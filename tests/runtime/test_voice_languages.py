"""Voices of other languages read text by their own front end and check phones by their own table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import stub

from speechnar import config
from speechnar.cli import main
from speechnar.runtime.voice import Voice
from speechnar.runtime.voice_folder import VoiceInfo
from speechnar.text.characters import TextWarning
from speechnar.text.symbols import BOS, EOS, PAD, PAUSES, WORD_BREAK, TextError

GERMAN = (PAD, BOS, EOS, WORD_BREAK, *PAUSES, "f", "ˈʏ", "n", "t", "s", "v", "k", "ˈaː", "ɐ")
FINNISH = (PAD, BOS, EOS, WORD_BREAK, *PAUSES, *"adehiknoprstuvyäöl")


def voice_of(folder: Path, language: str, symbols: tuple[str, ...]) -> Path:
    stub.save_voice(folder)
    info = VoiceInfo(1, "other", language, "CC0-1.0", "none", stub.AUDIO, symbols)
    config.save(info, folder / "voice.json")
    return folder


def test_german_text_is_read_as_german(tmp_path: Path) -> None:
    voice = Voice(voice_of(tmp_path / "v", "de", GERMAN))
    speech = voice.synthesize("5.")
    assert [word.text for word in speech.words] == ["fünf"]
    assert [phone.text for phone in speech.phones] == ["f", "ˈʏ", "n", "f", "."]
    with pytest.warns(TextWarning, match="the voice has no 'ɡ', as in 'Guten': it is left out"):
        assert voice.synthesize("Guten Tag").words


def test_a_language_without_a_lexicon_is_read_letter_by_letter(tmp_path: Path) -> None:
    speech = Voice(voice_of(tmp_path / "v", "fi-FI", FINNISH)).synthesize("Hyvää yötä 8")
    assert "".join(phone.text for phone in speech.phones) == "hyvää yötä kahdeksan."


def test_phones_and_a_lexicon_are_those_of_the_voice(tmp_path: Path, capsys) -> None:
    folder = voice_of(tmp_path / "v", "de", GERMAN)
    timings = tmp_path / "t.json"
    speak = ["synth", "--voice", str(folder), "-o", str(tmp_path / "a.wav"), "--timings", str(timings)]
    assert main([*speak, "--phonemes", "t ˈaː k"]) == 0
    assert [phone["text"] for phone in json.loads(timings.read_text(encoding="utf-8"))["phones"]] == ["t", "ˈaː", "k"]
    assert main([*speak, "--phonemes", "t ɬ k"]) == 1
    assert "'ɬ' is not a phone" in capsys.readouterr().err
    (tmp_path / "words.tsv").write_text("tak\tt ˈaː k\n", encoding="utf-8")
    assert main([*speak, "--lexicon", str(tmp_path / "words.tsv"), "Tak"]) == 0
    assert json.loads(timings.read_text(encoding="utf-8"))["words"][0]["text"] == "Tak"


def test_a_voice_of_no_language_still_speaks_phones(tmp_path: Path) -> None:
    voice = Voice(voice_of(tmp_path / "v", "my own", GERMAN))
    with pytest.raises(TextError, match="the language is 'my own' but should be a code"):
        voice.synthesize("Tag")


def test_phonemize_and_voices_show_the_language(tmp_path: Path, capsys) -> None:
    assert main(["phonemize", "--language", "de", "Tag"]) == 0
    assert capsys.readouterr().out == "t ˈaː k .\n"
    assert main(["voices", str(voice_of(tmp_path / "v", "de", GERMAN))]) == 0
    name, language = capsys.readouterr().out.splitlines()[1].split()[:2]
    assert (name, language) == ("other", "de")
