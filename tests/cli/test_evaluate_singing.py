"""`speechnar evaluate singing`, from scores to a report: the stub voice sings sines, a command hears fixed words."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from scores import bar, note, part, score, tempo, written

from speechnar import cli

HEARING = f"{shlex.quote(sys.executable)} -c \"print('hello so')\""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scores" / "deeper").mkdir(parents=True)
    for name, words in (("one", ("Hel-", "-lo", "so")), ("two", ("so", "so", "so"))):
        alto = part(bar(tempo(60), *(note(p, 1, w) for p, w in zip(("C3", "D3", "E3"), words))), name="Alto")
        written(tmp_path / "scores" / f"{name}.musicxml", score(alto))
    return tmp_path / "scores"


def run(*arguments: object) -> int:
    return cli.main(["evaluate", "singing", *map(str, arguments)])


def test_songs_are_sung_measured_and_drawn(folder: Path, stub_voice: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    given = ["--voice", stub_voice, "--recognizer", HEARING, "--normalizer", "basic", "--out", out, "--plot", out]
    assert run(folder, *given, "--transpose", 0) == 0
    shown = capsys.readouterr().out
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    metrics = report["systems"][0]["metrics"]
    assert metrics["WER, %"]["value"] == pytest.approx(100 * 2 / 5)  # "so so so" heard as "hello so": two errors
    assert metrics["F0 error against notes, median, cents"]["value"] < 60 and "vowel onset" in shown
    assert (out / "list.tsv").read_text(encoding="utf-8").splitlines() == ["one\tHello so", "two\tso so so"]
    assert {path.name for path in out.iterdir()} >= {"one.wav", "two.wav", "one.png", "two.png"}
    assert report["transposed"] == {"one": 0, "two": 0}


def test_recordings_of_another_program_are_measured(folder: Path, stub_voice: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "ours"
    hearing = ["--recognizer", HEARING]
    assert run(folder / "one.musicxml", "--voice", stub_voice, *hearing, "--transpose", 0, "--out", out) == 0
    capsys.readouterr()
    given = ["--audio", out, "--transpose", 0, "--start", -0.075, *hearing, "--out", tmp_path / "new"]
    assert run(folder / "one.musicxml", *given) == 0
    shown = capsys.readouterr().out
    assert "F0 error against notes" in shown and "against the curve" not in shown


def test_the_highest_note_can_be_put_anywhere(folder: Path, stub_voice: Path, tmp_path: Path) -> None:
    given = ["--voice", stub_voice, "--recognizer", HEARING, "--songs", 1, "--top", 60, "--out", tmp_path / "out"]
    assert run(folder, *given) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["transposed"] == {"one": 60 - 52}  # E3 is MIDI 52


def test_what_cannot_be_done_is_one_sentence(folder: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    written(folder / "deeper" / "one.musicxml", (folder / "one.musicxml").read_text(encoding="utf-8"))
    for given, words in (
        ([tmp_path / "empty"], "no score"),
        ([folder], "two scores are called one"),
        ([folder / "one.musicxml", "--songs", 0], "--songs is 0"),
        ([folder / "one.musicxml", "--transpose", "x"], "--transpose is x"),
    ):
        assert run(*given, "--recognizer", HEARING) == 1
        assert words in capsys.readouterr().err
