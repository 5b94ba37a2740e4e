from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scores import bar, note, part, score, tempo, written

from speechnar import audio, cli


@pytest.fixture
def song(tmp_path: Path) -> Path:
    alto = part(bar(tempo(60), note("C3", 1, "Hel-"), note("D3", 1, "-lo"), note("E3", 1, "so")), name="Alto")
    bass = part(bar(note("C3", 2, "go"), note("R", 1), note("C3", 1, "on")), name="Bass", identity="P2")
    piano = part(bar(note("C3", 4)), name="Piano", identity="P3")
    return written(tmp_path / "song.musicxml", score(alto, bass, piano))


def run(*arguments: object) -> int:
    return cli.main(["sing", *map(str, arguments)])


def test_a_song_and_its_timings_are_written(song: Path, stub_voice: Path, tmp_path: Path, capsys) -> None:
    out, said = tmp_path / "song.wav", tmp_path / "song.json"
    assert run(song, "-o", out, "--voice", stub_voice, "--timings", said) == 0
    wav, rate = audio.read(out)
    found = json.loads(said.read_text(encoding="utf-8"))
    assert [word["text"] for word in found["words"]] == ["Hello", "so"]
    assert found["words"][-1]["end"] == pytest.approx(3.075, abs=0.02)  # an h of 75 ms comes before the first note
    assert len(wav) / rate == pytest.approx(3.125, abs=0.02) and np.abs(wav).max() > 0.05
    assert capsys.readouterr().err == ""


def test_options_change_the_song(song: Path, stub_voice: Path, tmp_path: Path, capsys) -> None:
    one, two = tmp_path / "one.wav", tmp_path / "two.wav"
    for arguments in (
        ["--tempo", 2],
        ["--part", "bass"],
        ["--transpose", 4],
        ["--vibrato", 0],
        ["--expression", 2],
        ["--parts", "all"],
    ):
        assert run(song, "-o", one, "--voice", stub_voice) == run(song, "-o", two, "--voice", stub_voice, *arguments)
        (before, _), (after, _) = audio.read(one), audio.read(two)
        assert len(before) != len(after) or np.abs(before - after).max() > 1e-3, arguments
    lexicon = written(tmp_path / "own.tsv", "so\tz ˈi\n")
    said = tmp_path / "own.json"
    assert run(song, "-o", two, "--voice", stub_voice, "--lexicon", lexicon, "--timings", said) == 0
    assert [p["text"] for p in json.loads(said.read_text(encoding="utf-8"))["phones"]][-2:] == ["z", "ˈi"]


def test_every_part_with_lyrics_is_in_the_mix(song: Path, stub_voice: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "choir.wav"
    assert run(song, "-o", out, "--voice", stub_voice, "--parts", "all") == 0
    wav, rate = audio.read(out)
    assert 4.0 < len(wav) / rate < 4.3  # the bass sings longest
    assert np.abs(wav[int(3.3 * rate) : int(3.9 * rate)]).max() > 0.02
    assert "la" not in capsys.readouterr().err.split()


def test_what_is_changed_is_said(song: Path, stub_voice: Path, tmp_path: Path, capsys) -> None:
    high = written(tmp_path / "high.musicxml", score(part(bar(note("C6", 4)), name="Flute")))
    assert run(high, "-o", tmp_path / "high.flac", "--voice", stub_voice) == 0
    told = capsys.readouterr().err
    assert 'Flute: there are no lyrics; every note is sung on "la"' in told and "-25 semitones" in told
    assert run(song, "-o", tmp_path / "piano.wav", "--voice", stub_voice, "--part", "Piano") == 0
    assert 'Piano: there are no lyrics; every note is sung on "la"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--part", "Tenor"], "no part 'Tenor'"),
        (["--transpose", "up"], "--transpose is up but should be auto or"),
        (["--transpose", "50"], "--transpose is 50"),
        (["--tempo", "0"], "the tempo is 0 but"),
        (["--vibrato", "-1"], "--vibrato is -1 cents"),
        (["--expression", "3"], "--expression is 3 but should be from 0 to 2"),
        (["--verse", "0"], "the verse is 0"),
        (["--speaker", "Ann"], "has no speaker 'Ann'"),
        (["--timings", "x.txt"], "x.txt should end in"),
        (["--parts", "all", "--timings", "x.srt"], "--timings are of one part"),
        (["--voice", "nobody"], "nobody"),
    ],
)
def test_errors_are_one_sentence(song: Path, stub_voice: Path, tmp_path: Path, capsys, arguments, told: str) -> None:
    out = tmp_path / "out.wav"
    assert run(song, "-o", out, "--voice", stub_voice, *arguments) == 1
    said = capsys.readouterr().err
    assert told in said and len(said.splitlines()) == 1 and said.startswith("speechnar: ") and not out.exists()


def test_bad_files_are_one_sentence(stub_voice: Path, tmp_path: Path, capsys) -> None:
    rests = written(tmp_path / "rests.musicxml", score(part(bar(note("R", 4)))))
    for path in (
        rests,
        written(tmp_path / "no.mxl", "no archive"),
        written(tmp_path / "a.xml", "<a>"),
        tmp_path / "0.ds",
    ):
        assert run(path, "-o", tmp_path / "out.wav", "--voice", stub_voice) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
