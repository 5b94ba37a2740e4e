"""The text of `speechnar synth`, and its audio without `-o`."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

import pytest

from speechnar import audio, cli

POSIX = pytest.mark.skipif(os.name != "posix", reason="makes programs of shell scripts")


@pytest.fixture
def synth(stub_voice: Path, tmp_path: Path, monkeypatch):
    """Runs `speechnar synth` with the stub voice, in a folder of its own, and returns the exit code."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: cli.main(["synth", "--voice", str(stub_voice), *map(str, args)])


def test_words_are_joined(synth) -> None:
    assert synth("Hello", "world", "-o", "a.wav") == 0
    assert synth("Hello world", "-o", "b.wav") == 0
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes()


def test_a_file_in_place_of_a_text_leads_to_f(synth, capsys) -> None:
    Path("story.txt").write_text("Once.")
    assert synth("story.txt", "-o", "y.wav") == 1
    assert capsys.readouterr().err == "speechnar: story.txt is a file: -f story.txt speaks the text in it\n"
    assert not Path("y.wav").exists()
    assert synth("story.text", "-o", "y.wav") == 0  # there is no such file


def player(name: str, script: str) -> None:
    Path(name).write_text(f"#!/bin/sh\n{script}\n")
    Path(name).chmod(0o755 | stat.S_IXUSR)


@POSIX
@pytest.mark.parametrize("name", ["aplay", "paplay", "afplay", "ffplay"])
def test_without_o_the_audio_is_played(synth, tmp_path: Path, monkeypatch, name: str, capsys) -> None:
    player(name, 'for last; do :; done; /bin/cp "$last" played.wav')
    monkeypatch.setenv("PATH", str(tmp_path))
    assert synth("Hello.") == 0
    assert synth("Hello.", "-o", "a.wav") == 0
    assert Path("played.wav").read_bytes() == Path("a.wav").read_bytes()
    assert audio.read("played.wav")[0].any()
    assert capsys.readouterr() == ("", "")


@POSIX
def test_a_player_that_fails_is_one_sentence(synth, tmp_path: Path, monkeypatch, capsys) -> None:
    player("aplay", "echo 'audio open error: no device' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert synth("Hello.") == 1
    assert capsys.readouterr().err == (
        "speechnar: aplay cannot play audio (audio open error: no device): give -o FILE\n"
    )


def test_without_a_player_o_is_asked_for(synth, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", "")
    assert synth("Hello.") == 1
    assert capsys.readouterr().err == (
        "speechnar: there is no program to play audio (aplay, paplay, afplay, ffplay): give -o FILE\n"
    )


def test_lines_need_o(synth, capsys) -> None:
    assert synth("Hello.", "--lines") == 1
    assert "-o should be a folder, or a pattern such as out/{}.flac, but is missing" in capsys.readouterr().err


def test_a_huge_number_has_a_bar_of_its_sentences(synth, monkeypatch, capsys) -> None:
    """A number is read digit by digit however long it is, in sentences of a bounded length that are counted."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert synth("7" * 2500, "-o", "a.wav") == 0
    counts = [int(n) for n in re.findall(r"(\d+) sentences", capsys.readouterr().err)]
    assert counts[0] == 0 < counts[-1] < 2500  # the last one shown depends on the time that the rest takes
