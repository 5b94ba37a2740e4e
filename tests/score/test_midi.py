from __future__ import annotations

from pathlib import Path

import pytest

from speechnar.score.midi import read_midi, typed_with_spaces
from speechnar.score.notes import ScoreError
from speechnar.score.syllables import join_typed

mido = pytest.importorskip("mido")


def track(name: str, notes: list[tuple[int, int, int]], words: dict[int, str], kind: str = "lyrics", channel: int = 0):
    """A track of (start, end, pitch) notes in ticks and of words at ticks."""
    events = [(start, 1, mido.Message("note_on", note=p, channel=channel)) for start, _, p in notes]
    events += [(end, 0, mido.Message("note_off", note=p, channel=channel)) for _, end, p in notes]
    events += [(tick, 2, mido.MetaMessage(kind, text=text.encode().decode("latin-1"))) for tick, text in words.items()]
    made, now = mido.MidiTrack([mido.MetaMessage("track_name", name=name)]), 0
    for tick, _, message in sorted(events, key=lambda e: e[:2]):
        made.append(message.copy(time=tick - now))
        now = tick
    return made


def saved(path: Path, *tracks, head: list = (), kind: int = 1) -> Path:
    file = mido.MidiFile(type=kind, ticks_per_beat=480)
    if head:
        file.tracks.append(mido.MidiTrack(head))
    file.tracks.extend(tracks)
    file.save(path)
    return path


NOTES = [(0, 480, 60), (480, 960, 62), (1440, 1920, 64)]


def told(part) -> list[tuple[float, float, float | None, str]]:
    return [(round(n.onset, 3), round(n.length, 3), n.pitch, n.text) for n in part.notes]


def words_of(lyrics: list[str]) -> str:
    shown = ""
    for syllables in join_typed(typed_with_spaces(lyrics)):
        shown += "".join((" " if s.syllabic in ("single", "begin") else "-") + s.text for s in syllables) or " ~"
    return shown.strip()


def test_lyric_events_belong_to_their_notes(tmp_path: Path) -> None:
    meter = mido.MetaMessage("time_signature", numerator=3, denominator=4)
    head = [
        mido.MetaMessage("set_tempo", tempo=1_000_000),
        meter,
        mido.MetaMessage("set_tempo", tempo=500_000, time=960),
    ]
    path = saved(tmp_path / "a.mid", track("Solo", NOTES, {0: "Hal-", 480: "lo", 1440: "là"}), head=head)
    score = read_midi(path)
    # two quarters at 60, then 120: the rest from 2 s lasts half a second
    assert told(score.part("Solo")) == [(0, 1, 60, "Hal"), (1, 1, 62, "lo"), (2, 0.5, None, ""), (2.5, 0.5, 64, "là")]
    assert [n.bar for n in score.part().notes] == ["1", "1", "1", "2"]  # bars of three quarters
    assert [s.syllabic for n in score.part().sung for s in n.syllables] == ["begin", "end", "single"]
    assert not score.warnings


@pytest.mark.parametrize(
    ("lyrics", "words"),
    [
        (["Hal-", "le-", "lu", "men"], "Hal-le-lu men"),
        (["Hal", "lo ", "my ", "love"], "Hal-lo my love"),
        (["\\Hal", "lo", " my", "/love"], "Hal-lo my love"),
        (["love", "-", "you", "+~"], "love ~ you ~"),
        (["so ", "", "be ", "it"], "so ~ be it"),
        (["one", "two", "three"], "one two three"),
    ],
)
def test_words_are_marked_by_hyphens_or_spaces(lyrics: list[str], words: str) -> None:
    assert words_of(lyrics) == words


def test_karaoke_words_go_to_the_melody(tmp_path: Path) -> None:
    words = track("Words", [], {0: "\\Hal", 480: "lo", 1440: " you", 1: "@Tnobody"}, kind="text")
    bass = track("Bass", [(0, 1920, 36)], {}, channel=1)
    melody = track("Melody", NOTES, {}, channel=2)
    score = read_midi(saved(tmp_path / "a.kar", words, bass, melody))
    assert score.part().name == "Melody" and [n.text for n in score.part().sung] == ["Hal", "lo", "you"]


def test_channels_of_a_file_with_one_track_are_parts_and_drums_are_not(tmp_path: Path) -> None:
    one = track("All", NOTES, {0: "a ", 480: "b ", 1440: "c"})
    for start, message in ((0, "note_on"), (1920, "note_off")):
        one.insert(1 if start == 0 else len(one), mido.Message(message, note=40, channel=1))
        one.insert(1 if start == 0 else len(one), mido.Message(message, note=38, channel=9))
    score = read_midi(saved(tmp_path / "a.mid", one, kind=0))
    assert {p.name for p in score.parts} == {"All 1", "All 2"} and score.part().name == "All 1"
    assert [n.text for n in score.part().sung] == ["a", "b", "c"]
    assert any("1 notes are percussion" in str(w) for w in score.warnings)


def test_lyrics_at_no_note_are_named(tmp_path: Path) -> None:
    score = read_midi(saved(tmp_path / "a.mid", track("Solo", NOTES, {0: "a", 480: "b", 1100: "lost"})))
    assert any("1 lyrics ('lost'" in str(w) for w in score.warnings)


def test_without_lyrics_it_is_hummed(tmp_path: Path) -> None:
    score = read_midi(saved(tmp_path / "a.mid", track("Solo", NOTES, {})))
    assert score.part().hummed and [n.text for n in score.part().sung] == ["la"] * 3


def test_broken_files_are_one_sentence(tmp_path: Path) -> None:
    whole = saved(tmp_path / "a.mid", track("Solo", NOTES, {0: "a"})).read_bytes()
    bad = tmp_path / "bad.mid"
    for data in (
        b"",
        b"hello",
        b"MThd",
        whole[:14] + b"MTrk\xff\xff\xff\xff" + whole[22:],
        b"MThd\0\0\0\6\0\1\0\1\0\0",
    ):
        bad.write_bytes(data)
        with pytest.raises(ScoreError, match=r"bad\.mid"):
            read_midi(bad)
    for cut in range(14, len(whole), 3):  # read or refused, never another error
        bad.write_bytes(whole[:cut] + bytes([255]) + whole[cut + 1 :])
        try:
            read_midi(bad)
        except ScoreError as error:
            assert "bad.mid" in str(error)
