from __future__ import annotations

import json
from pathlib import Path

import pytest
from scores import bar, note, part, score, tempo, written

from speechnar import cli


@pytest.fixture
def song(tmp_path: Path) -> Path:
    voice = part(
        bar(tempo(60), note("C4", 1, "Hel-"), note("D4", 1, "-lo"), note("E4", 1), note("C4", 0, "zero")), name="Alto"
    )
    piano = part(bar(note("C3", 4)), name="Piano", identity="P2")
    return written(tmp_path / "song.musicxml", score(voice, piano))


def test_notes_phones_and_doubts_are_printed(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", str(song)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "song" and lines[1].startswith("> part 1 'Alto': 3 notes, 2 syllables, C4 to E4, 3.0 s")
    assert lines[2].startswith("  part 2 'Piano': 1 notes, no lyrics")
    assert [line.split()[:5] for line in lines[5:8]] == [
        ["1", "0.000", "1.000", "C4", "Hel-"], ["1", "1.000", "1.000", "D4", "lo"], ["1", "2.000", "1.000", "E4", "~"]
    ]  # fmt: skip
    assert lines[5].split()[5] == "h" and lines[9] == "1 doubt"
    assert lines[10].startswith('  Alto, bar 1: the note C4 "zero" lasts 0 ms')


def test_json_has_the_same(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", str(song), "--json", "--part", "piano"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["part"] == "Piano" and found["parts"][0] == {"name": "Alto", "notes": 3, "syllables": 2}
    (only,) = found["notes"]
    assert (only["onset"], only["length"], only["pitch"], only["syllables"][0]["text"]) == (0, 4, 48, "la")
    assert only["phones"][0] == "l" and found["warnings"][0]["part"] == "Alto"


def test_a_lexicon_comes_first(song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lexicon = written(tmp_path / "own.tsv", "hello\tj ˈoʊ j ˈoʊ\n")
    assert cli.main(["score", str(song), "--lexicon", str(lexicon)]) == 0
    assert "j ˈoʊ" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--part", "Tenor"], ["--verse", "0"]])
def test_errors_are_one_sentence(song: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", str(song), *arguments]) == 1
    told = capsys.readouterr()
    assert told.out == "" and len(told.err.splitlines()) == 1 and told.err.startswith("speechnar: ")
