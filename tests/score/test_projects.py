"""OpenUtau, UTAU and DiffSinger files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scores import written

from speechnar.score.ds import parse_pitch, read_ds
from speechnar.score.notes import ScoreError
from speechnar.score.reading import read_score
from speechnar.score.ust import read_ust
from speechnar.score.ustx import read_ustx

USTX = """
name: Song
ustx_version: "0.7"
resolution: 480
time_signatures:
- {bar_position: 0, beat_per_bar: 3, beat_unit: 4}
tempos:
- {position: 0, bpm: 120}
- {position: 1440, bpm: 60}
tracks:
- {track_name: Lead}
- {track_name: Choir}
voice_parts:
- name: intro
  track_no: 0
  position: 480
  notes:
  - {position: 0, duration: 480, tone: 60, tuning: 25, lyric: "hello[hh ah0 l ow1]"}
  - {position: 480, duration: 480, tone: 62, lyric: "+"}
  - {position: 960, duration: 480, tone: 64, lyric: "+~"}
  - {position: 1440, duration: 480, tone: 65, lyric: "my"}
- name: second
  track_no: 1
  position: 0
  notes:
  - {position: 0, duration: 480, tone: 48, lyric: "oo"}
"""


def told(part) -> list[tuple[float, float, float | None, str, bool]]:
    return [(round(n.onset, 3), round(n.length, 3), n.pitch, n.text, n.slur) for n in part.notes]


def test_an_openutau_project(tmp_path: Path) -> None:
    score = read_ustx(written(tmp_path / "a.ustx", USTX))
    assert score.title == "Song" and [p.name for p in score.parts] == ["Lead", "Choir"]
    # 480 ticks are half a second until tick 1440, then a second
    assert told(score.part("Lead")) == [
        (0, 0.5, None, "", False), (0.5, 0.5, 60.25, "hello", False), (1, 0.5, 62, "", False),
        (1.5, 1, 64, "", True), (2.5, 1, 65, "my", False),
    ]  # fmt: skip
    notes = score.part("Lead").notes
    assert notes[1].syllables[0].phones == ("h", "ə", "l", "ˈoʊ") and notes[1].syllables[0].syllabic == "begin"
    assert notes[2].syllables[0].syllabic == "end" and [n.bar for n in notes] == ["1", "1", "1", "2", "2"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1, 2", "not whole YAML"),
        ("just text", "no OpenUtau project"),
        ("- 1\n- 2", "no OpenUtau project"),
        ("a: &x [1]\nb: [*x, *x]", "aliases"),
        ("\t", "not whole YAML"),
        ("[" * 5000, "not whole YAML"),
    ],
)
def test_what_is_no_openutau_project_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ScoreError, match=sentence):
        read_ustx(written(tmp_path / "a.ustx", text))


def test_a_project_with_odd_values_is_sung_as_far_as_it_can_be(tmp_path: Path) -> None:
    odd = USTX.replace("tone: 62", "tone: high").replace("duration: 480, tone: 65", "duration: x, tone: 65")
    notes = read_ustx(written(tmp_path / "a.ustx", odd)).part("Lead").sung
    assert [n.pitch for n in notes] == [60.25, 64]
    assert read_ustx(written(tmp_path / "b.ustx", "tracks: 3\nvoice_parts: [1, {notes: 2}]")).parts == ()


UST = """[#VERSION]
UST Version1.2
[#SETTING]
Tempo=120.00
ProjectName={name}
[#0000]
Length=480
Lyric={lyric}
NoteNum=60
[#0001]
Length=240
Lyric=R
NoteNum=60
[#0002]
Length=480
Lyric=-
NoteNum=62
Tempo=60
[#TRACKEND]
"""


@pytest.mark.parametrize("encoding", ["utf-8", "shift_jis"])
def test_a_utau_project_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.ust"
    path.write_bytes(UST.format(name="歌", lyric="さ").replace("\n", "\r\n").encode(encoding))
    score = read_ust(path)
    assert score.title == "歌"
    assert told(score.part()) == [(0, 0.5, 60, "さ", False), (0.5, 0.25, None, "", False), (0.75, 1, 62, "", True)]


def test_a_utau_project_names_its_charset_and_hints(tmp_path: Path) -> None:
    path = tmp_path / "a.ust"
    path.write_bytes(
        UST.format(name="ü", lyric="!hh ah").replace("[#SETTING]", "Charset=latin-1\n[#SETTING]").encode("latin-1")
    )
    score = read_ust(path)
    assert score.title == "ü" and score.part().notes[0].syllables[0].phones == ("h", "ʌ")


def test_what_is_no_utau_project_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="no UTAU project"):
        read_ust(written(tmp_path / "a.ust", "hello"))
    (tmp_path / "b.ust").write_bytes(b"[#0000]\nLyric=\x81\xff\xfd\n")
    with pytest.raises(ScoreError, match="neither UTF-8 nor Shift-JIS"):
        read_ust(tmp_path / "b.ust")
    empty = read_ust(written(tmp_path / "c.ust", "[#SETTING]\nTempo=x\n[#0000]\nLength=\nNoteNum=\nLyric=a"))
    assert not empty.part.__self__.parts[0].sung


DS = [
    {
        "offset": 0.5,
        "text": "SP hello cat SP",
        "ph_seq": "SP hh ah l ow k ae t SP",
        "ph_num": "2 4 2 1",
        "note_seq": "rest C4 D4 Eb4+20 rest",
        "note_dur": "0.5 0.5 0.25 0.5 0.1",
        "note_slur": "0 0 1 0 0",
    }
]


def test_a_diffsinger_script(tmp_path: Path) -> None:
    part = read_ds(written(tmp_path / "a.ds", json.dumps(DS))).part()
    assert told(part) == [
        (0, 1, None, "", False), (1, 0.5, 60, "hello", False), (1.5, 0.25, 62, "", False), (1.75, 0.5, 63.2, "cat",
        False)
    ]  # fmt: skip
    assert [s.phones for n in part.sung for s in n.syllables] == [("h", "ʌ", "l", "oʊ"), (), ("k", "æ", "t")]
    assert [s.syllabic for n in part.sung for s in n.syllables] == ["begin", "end", "single"]


def test_a_script_with_other_phones_keeps_its_words(tmp_path: Path) -> None:
    text = json.dumps([{**DS[0], "ph_seq": "SP hh1x ah l ow k ae t SP"}])
    part = read_ds(written(tmp_path / "a.ds", text)).part()
    assert [n.text for n in part.sung] == ["hello", "", "cat"] and part.sung[1].slur


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not whole JSON"),
        ("[]", "no DiffSinger script"),
        ('[{"text": "a"}]', "lacks note_seq"),
        ('[{"note_seq": "C4 D4", "note_dur": "1"}]', "2 notes in note_seq but 1 lengths"),
        ('[{"note_seq": "H4", "note_dur": "1"}]', "'H4' is no pitch"),
        ("[" * 100_000, "not whole JSON"),
    ],
)
def test_what_is_no_script_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ScoreError, match=sentence):
        read_ds(written(tmp_path / "a.ds", text))


@pytest.mark.parametrize(
    ("name", "pitch"), [("C4", 60), ("A4", 69), ("f#3", 54), ("Bb4+20", 70.2), ("C-1", 0), ("61.5", 61.5), ("x", None)]
)
def test_pitches_are_read(name: str, pitch: float | None) -> None:
    assert parse_pitch(name) == pitch


def test_the_suffix_says_the_format(tmp_path: Path) -> None:
    assert read_score(written(tmp_path / "a.USTX", USTX)).title == "Song"
    assert any("--verse 2" in str(w) for w in read_score(tmp_path / "a.USTX", 2).warnings)
    with pytest.raises(ScoreError, match=r"should end in \.musicxml, .*\.ds"):
        read_score(tmp_path / "song.pdf")
    with pytest.raises(ScoreError, match="verse is 0"):
        read_score(tmp_path / "a.USTX", 0)
    with pytest.raises(OSError):
        read_score(tmp_path / "missing.ust")
