from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from scores import bar, grace, lyric, note, part, score, tempo, written

from speechnar.score.musicxml import read_musicxml
from speechnar.score.notes import ScoreError

REPEAT, FORWARD = '<repeat direction="backward"/>', '<repeat direction="forward"/>'
TIE, TIED = '<tie type="start"/>', '<tie type="stop"/>'


def read(tmp_path: Path, text: str, verse: int | None = None):
    return read_musicxml(written(tmp_path / "song.musicxml", text), verse)


def told(notes) -> list[tuple[float, float, float | None, str]]:
    return [(round(n.onset, 4), round(n.length, 4), n.pitch, n.text) for n in notes]


def words(notes) -> str:
    """`Hal-le lu_ja ~`: hyphens where a word goes on, `~` where a vowel does."""
    shown = []
    for n in notes:
        goes_on = bool(n.syllables) and n.syllables[-1].syllabic in ("begin", "middle")
        shown.append("~ " if n.slur else n.text + ("-" if goes_on else " "))
    return "".join(shown).strip()


def test_notes_have_seconds_pitches_and_syllables(tmp_path: Path) -> None:
    text = score(
        part(bar(tempo(60), note("C4", 1, "Hal-"), note("F#4", 0.5, "-le-"), note("R", 0.5), note("Bb3", 2, "-lu")))
    )
    found = read(tmp_path, text).part()
    assert told(found.notes) == [
        (0.0, 1.0, 60.0, "Hal"), (1.0, 0.5, 66.0, "le"), (1.5, 0.5, None, ""), (2.0, 2.0, 58.0, "lu")
    ]  # fmt: skip
    assert [s.syllabic for n in found.notes for s in n.syllables] == ["begin", "middle", "end"]
    assert found.notes[2].rest and {n.bar for n in found.notes} == {"1"}


def test_the_tempo_changes_inside_a_bar_and_holds_in_every_part(tmp_path: Path) -> None:
    piano = part(bar(tempo(120), note("C3", 2), tempo(60), note("C3", 2)), name="Piano", identity="P2")
    text = score(part(bar(note("C4", 1, "a"), note("C4", 2, "b"), note("C4", 1, "c"))), piano)
    # 1 quarter at 120 is 0.5 s; of the second note one quarter is at 120 and one at 60
    assert told(read(tmp_path, text).part("Voice").notes) == [(0, 0.5, 60, "a"), (0.5, 1.5, 60, "b"), (2, 1, 60, "c")]


@pytest.mark.parametrize(
    ("mark", "bpm"),
    [
        ("<metronome><beat-unit>half</beat-unit><per-minute>60</per-minute></metronome>", 120),
        ("<metronome><beat-unit>quarter</beat-unit><beat-unit-dot/><per-minute>c. 40</per-minute></metronome>", 60),
        ("<words>Andante, con moto</words>", 76),
        ("<words>dolce</words>", 120),
    ],
)
def test_a_tempo_is_read_from_the_metronome_else_from_words_else_it_is_120(
    tmp_path: Path, mark: str, bpm: float
) -> None:
    direction = f"<direction><direction-type>{mark}</direction-type></direction>"
    found = read(tmp_path, score(part(bar(direction, note("C4", 1, "a")))))
    assert found.part().notes[0].length == pytest.approx(60 / bpm)
    assert any("tempo" in str(w) for w in found.warnings) == ("words" in mark)


def test_ties_over_bars_are_one_note_and_slurs_continue_the_vowel(tmp_path: Path) -> None:
    text = score(
        part(
            bar(tempo(60), note("C4", 4, "long-", extra=TIE)),
            bar(note("C4", 1, extra=TIED), note("D4", 1), note("E4", 2, "-er")),
        )
    )
    found = read(tmp_path, text).part()
    assert told(found.notes) == [(0, 5, 60, "long"), (5, 1, 62, ""), (6, 2, 64, "er")]
    assert words(found.notes) == "long-~ er" and found.notes[1].slur and [n.bar for n in found.notes] == ["1", "2", "2"]


def test_chords_voices_and_backup_give_the_top_line(tmp_path: Path) -> None:
    chord = note("C4", 1, "Oh") + note("E4", 1, before="<chord/>") + note("G3", 1, before="<chord/>")
    back = "<backup><duration>8</duration></backup>"
    alto = note("A3", 2, "no", voice=2)
    text = score(part(bar(tempo(60), chord, note("D4", 1, "me"), back, alto)))
    assert told(read(tmp_path, text).part().notes) == [(0, 1, 64, "Oh"), (1, 1, 62, "me")]


def test_another_voice_sings_where_the_first_rests(tmp_path: Path) -> None:
    back = "<backup><duration>16</duration></backup>"
    first = bar(tempo(60), note("C5", 2, "up"), note("C5", 2, "here"), back, note("C4", 4, "low", voice=2))
    second = bar(note("R", 4), back, note("D4", 4, "then", voice=2))
    assert words(read(tmp_path, score(part(first, second))).part().sung) == "up here then"


def test_divisions_meter_forward_and_pickup(tmp_path: Path) -> None:
    change = "<attributes><divisions>2</divisions></attributes>"
    pickup = bar(tempo(60), note("G4", 1, "The"), number=0, meter="3/4")
    text = score(part(pickup, bar(note("C5", 1, "sun"), change, "<forward><duration>2</duration></forward>",
                                  note("E5", 0.5, "is")), bar(note("C5", 1, "up"))))  # fmt: skip
    notes = read(tmp_path, text).part().notes
    # the pickup lasts one quarter; after the change, 2 divisions are a quarter
    assert told(notes) == [(0, 1, 67, "The"), (1, 1, 72, "sun"), (2, 1, None, ""), (3, 1, 76, "is"), (4, 2, 72, "up")]
    assert [n.bar for n in notes] == ["0", "2", "2", "2", "3"]


def test_transposing_parts_sound_as_they_say(tmp_path: Path) -> None:
    down = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic><octave-change>-1</octave-change></transpose>"
    assert read(tmp_path, score(part(bar(note("D5", 4, "a")), attributes=down))).part().notes[0].pitch == 60


def test_grace_notes_take_their_time_from_their_note_and_its_syllable(tmp_path: Path) -> None:
    text = score(
        part(bar(tempo(60), grace("D4"), grace("E4"), note("C4", 1, "ah"), note("C4", 0.25, "b"), grace("B3")))
    )
    found = read(tmp_path, text).part().notes
    # each a tenth of a second; the last, with no note after it, takes a third of the note before
    assert told(found) == [
        (0, 0.1, 62, "ah"), (0.1, 0.1, 64, ""), (0.2, 0.8, 60, ""), (1, 0.1667, 60, "b"), (1.1667, 0.0833, 59, "")
    ]  # fmt: skip


def test_grace_notes_before_a_rest_end_the_note_before(tmp_path: Path) -> None:
    text = score(part(bar(tempo(60), note("C4", 1, "a"), grace("D4"), note("R", 1), note("E4", 1, "b"))))
    found = read(tmp_path, text).part().notes
    assert told(found) == [(0, 0.9, 60, "a"), (0.9, 0.1, 62, ""), (1, 1, None, ""), (2, 1, 64, "b")]


def test_a_part_that_stops_early_keeps_its_place(tmp_path: Path) -> None:
    short = part(bar(tempo(60), note("C4", 4, "a")), name="Short")
    long = part(bar(note("C3", 4)), bar(note("C3", 4), right=REPEAT), name="Long", identity="P2")
    assert told(read(tmp_path, score(short, long)).part().sung) == [(0, 4, 60, "a"), (8, 4, 60, "a")]


def test_elisions_put_two_syllables_on_a_note(tmp_path: Path) -> None:
    many = "<lyric><syllabic>begin</syllabic><text>man</text></lyric>"
    elided = ("<lyric><syllabic>end</syllabic><text>y</text><elision>_</elision><syllabic>single</syllabic>"
              "<text>a</text></lyric>")  # fmt: skip
    text = score(part(bar(note("C4", 1, extra=many), note("C4", 1, extra=elided), note("C4", 1, "time"))))
    found = read(tmp_path, text).part().notes
    assert words(found) == "man-y_a time"
    assert [s.syllabic for s in found[1].syllables] == ["end", "single"]


VERSES = [lyric("one", 1) + lyric("un", 2), lyric("two", 1) + lyric("deux", 2)]


def test_each_pass_of_a_repeat_sings_its_verse(tmp_path: Path) -> None:
    text = score(
        part(
            bar(tempo(60), note("C4", 4, extra=VERSES[0]), left=FORWARD),
            bar(note("D4", 4, extra=VERSES[1]), left='<ending number="1" type="start"/>',
                right='<ending number="1" type="stop"/>' + REPEAT),
            bar(note("E4", 4, extra=VERSES[1]), left='<ending number="2" type="start"/>',
                right='<ending number="2" type="discontinue"/>'),
            bar(note("F4", 4, "end")),
        )
    )  # fmt: skip
    found = read(tmp_path, text).part()
    assert words(found.notes) == "one two un deux end"
    assert [n.pitch for n in found.notes] == [60, 62, 60, 64, 65]
    assert [n.bar for n in found.notes] == ["1", "2", "1", "3", "4"] and found.verses == (1, 2)
    second = read(tmp_path, text, verse=2).part()
    assert words(second.notes) == "un deux end" and [n.pitch for n in second.notes] == [60, 64, 65]


def test_verses_without_a_repeat_are_named(tmp_path: Path) -> None:
    text = score(part(bar(note("C4", 4, extra=VERSES[0]))))
    found = read(tmp_path, text)
    assert words(found.part().notes) == "one"
    assert any("for verse 2: not sung" in str(w) and "--verse" in str(w) for w in found.warnings)
    assert words(read(tmp_path, text, verse=2).part().notes) == "un"
    third = read(tmp_path, text, verse=3)
    assert words(third.part().notes) == "un" and any("no verse 3" in str(w) for w in third.warnings)


def test_a_melisma_of_the_second_verse_is_no_refrain(tmp_path: Path) -> None:
    bars = [note("C4", 4, extra=VERSES[0]), note("D4", 4, extra=lyric("more", 1)), note("E4", 4, extra=VERSES[1])]
    text = score(part(*map(bar, bars), bar(note("F4", 4, "all"))))
    assert words(read(tmp_path, text, verse=2).part().notes) == "un ~ deux all"


def test_da_capo_al_fine_plays_the_beginning_again(tmp_path: Path) -> None:
    fine, capo = '<direction><sound fine="yes"/></direction>', '<direction><sound dacapo="yes"/></direction>'
    text = score(part(bar(note("C4", 4, "a"), fine), bar(note("D4", 4, "b"), capo)))
    assert words(read(tmp_path, text).part().notes) == "a b a"


def test_lyrics_as_they_are_typed(tmp_path: Path) -> None:
    typed = ["1. Ah,", "“Be-", "fore”", "con- ", "-\xa0fesse__", "not_", "-", "wood,--", "Hope -", "I"]
    notes = [note("C4", 0.25, extra=lyric("X").replace("X", text)) for text in typed]
    assert words(read(tmp_path, score(part(bar(*notes)))).part().notes) == "Ah, Be-fore con-fesse not ~ wood, Hope I"


def test_timewise_scores_are_read_as_partwise_ones(tmp_path: Path) -> None:
    head = '<score-timewise><part-list><score-part id="P1"><part-name>Solo</part-name></score-part></part-list>'
    measures = "".join(
        f'<measure number="{n}"><part id="P1"><attributes><divisions>4</divisions></attributes>{note("C4", 4, text)}'
        "</part></measure>"
        for n, text in ((7, "one"), (8, "two"))
    )
    found = read(tmp_path, head + measures + "</score-timewise>").part("solo").notes
    assert words(found) == "one two" and [n.bar for n in found] == ["7", "8"]


def mxl(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_compressed_files_are_read_where_their_container_says(tmp_path: Path) -> None:
    container = '<container><rootfiles><rootfile full-path="b/real.xml"/></rootfiles></container>'
    real, other = score(part(bar(note("C4", 4, "real")))), score(part(bar(note("C4", 4, "other"))))
    named = mxl(tmp_path / "a.mxl", {"a.xml": other, "META-INF/container.xml": container, "b/real.xml": real})
    bare = mxl(tmp_path / "b.mxl", {"only.xml": real})
    assert words(read_musicxml(named).part().notes) == words(read_musicxml(bare).part().notes) == "real"


def test_the_usual_doctype_is_allowed_and_entities_are_refused(tmp_path: Path) -> None:
    usual = '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 3.1 Partwise//EN" "http://x.invalid/p.dtd">'
    assert read(tmp_path, score(part(bar(note("C4", 4, "a"))), head=usual)).part().sung
    secret = written(tmp_path / "secret", "password")
    for entity in (
        f'<!ENTITY x SYSTEM "{secret.as_uri()}">',
        '<!ENTITY x "ha"><!ENTITY y "&x;&x;">',
        "<!ENTITY % p 'x'>",
    ):
        text = score(part(bar(note("C4", 4, "&x;"))), head=f"<!DOCTYPE score-partwise [{entity}]>")
        with pytest.raises(ScoreError, match="entities"):
            read(tmp_path, text)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"<score-partwise><part>", "not whole XML"),
        (b"<html></html>", "its root is <html>"),
        (b"\x00\xff\xfe garbage", "not whole XML"),
        (b"<a>" * 101, "more elements"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "not whole XML"),
        (b"PK\x03\x04 broken", "archive"),
        (b"<score-partwise/>", None),
    ],
)
def test_what_is_no_score_is_one_sentence(tmp_path: Path, data: bytes, sentence: str | None) -> None:
    path = tmp_path / "bad.xml"
    path.write_bytes(data)
    if sentence:
        with pytest.raises(ScoreError, match=sentence):
            read_musicxml(path)
    else:
        found = read_musicxml(path)
        assert "no note" in str(found.warnings[-1])
        with pytest.raises(ScoreError, match="no notes"):
            found.part()


def test_archives_that_unpack_too_far_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechnar.score.safe_xml.LARGEST_FILE", 1 << 20)
    bomb = mxl(tmp_path / "bomb.mxl", {"a.xml": " " * (2 << 20)})
    assert bomb.stat().st_size < 10_000
    with pytest.raises(ScoreError, match="unpacks to more than 1 MiB"):
        read_musicxml(bomb)
    data = bytearray(bomb.read_bytes())
    data[40] ^= 0xFF  # inside the compressed data
    (tmp_path / "broken.mxl").write_bytes(data)
    with pytest.raises(ScoreError):
        read_musicxml(tmp_path / "broken.mxl")
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    (tmp_path / "empty.mxl").write_bytes(empty.getvalue())
    with pytest.raises(ScoreError, match="archive"):
        read_musicxml(tmp_path / "empty.mxl")


def test_doubts_name_part_and_bar_and_the_rest_is_sung(tmp_path: Path) -> None:
    drum = "<note><unpitched><display-step>C</display-step></unpitched><duration>4</duration></note>"
    bars = [
        bar(note("C4", 1, "a"), note("C4", 0, "zero"), note("C9", 1, "high")),
        bar(note("C4", 1, "b"), drum, note("C4", 1, "c").replace("<step>C", "<step>X"), note("C4", -1, "d")),
        bar(note("C4", 1, "e").replace("<duration>4", "<duration>x")),
    ]
    found = read(tmp_path, score(part(*bars, name="Alto")))
    shown = [str(w) for w in found.warnings]
    assert any(s.startswith("Alto, bar 1: ") and "C9" in s and "outside" in s for s in shown)
    assert any(s.startswith("Alto, bar 1: ") and '"zero"' in s and "0 ms" in s for s in shown)
    assert any(s.startswith("Alto, bar 2: ") and "'X'" in s for s in shown)
    assert any("1 notes are percussion" in s for s in shown)
    assert words(found.part().sung) == "a high b"
    assert max(n.pitch for n in found.part().sung) == 96  # C9 is 120, two octaves down


def test_a_score_without_lyrics_is_hummed(tmp_path: Path) -> None:
    found = read(tmp_path, score(part(bar(note("C4"), note("D4")))))
    assert [n.text for n in found.part().notes] == ["la", "la"] and found.part().hummed
    assert any('"la"' in str(w) for w in found.warnings)


def test_percussion_alone_has_nothing_to_sing(tmp_path: Path) -> None:
    drum = "<note><unpitched/><duration>4</duration></note>"
    found = read(tmp_path, score(part(bar(drum), name="Drums")))
    assert any("Drums: 1 notes are percussion" in str(w) for w in found.warnings)
    with pytest.raises(ScoreError, match="no notes that can be sung"):
        found.part()


def test_twenty_parts_and_a_thousand_bars(tmp_path: Path) -> None:
    parts = [
        part(*[bar(note("C4", 4, "a" if n == 7 else ""))] * 50, name=f"Part {n}", identity=f"P{n}") for n in range(20)
    ]
    found = read(tmp_path, score(*parts))
    assert len(found.parts) == 20 and found.part().name == "Part 7" and found.part("20").name == "Part 19"
    with pytest.raises(ScoreError, match="no part 'Bass'; it has 'Part 0'"):
        found.part("Bass")
    long = read(tmp_path, score(part(*[bar(tempo(240), note("C4", 2, "a"), note("D4", 2, "b"))] * 1000)))
    assert len(long.part().sung) == 2000 and long.part().notes[-1].bar == "1000"


def test_a_repeat_that_asks_for_a_million_passes_ends(tmp_path: Path) -> None:
    text = score(part(bar(tempo(60), note("C4", 1, "a"), right='<repeat direction="backward" times="999999"/>')))
    assert len(read(tmp_path, text).part().sung) == 32


def oracle(path: Path) -> list[tuple[float, float, float, str]]:
    """The notes of the first part as music21 reads them, in quarters."""
    converter = pytest.importorskip("music21.converter")
    stream = converter.parse(path, forceSource=True)
    found: list[tuple[float, float, float, str]] = []
    for event in stream.parts[0].toSoundingPitch().stripTies().flatten().notes:
        top = max(event.notes, key=lambda n: n.pitch.ps) if event.isChord else event
        said = event.lyrics[0].text if event.lyrics else ""
        found.append((float(event.offset), float(event.quarterLength), float(top.pitch.ps), said))
    return found


def test_notes_and_syllables_equal_those_of_music21(tmp_path: Path) -> None:
    text = score(
        part(
            bar(tempo(60), note("G4", 1, "The"), number=0, meter="4/4"),
            bar(note("C5", 1.5, "morn-"), note("E5", 0.5), note("D5", 1, "-ing", extra=TIE), note("D5", 1, extra=TIED)),
            bar(
                note("F#4", 0.25, "is"),
                note("Bb4", 0.75, "here"),
                note("R", 1),
                note("C5", 1, "my"),
                note("C5", 1, "love"),
            ),
            bar(note("C5", 3, "Oh", extra=TIE), meter="3/4"),
            bar(note("C5", 1, extra=TIED), note("B4", 1, "al-"), note("A4", 1, "-le")),
        )
    )
    path = written(tmp_path / "song.musicxml", text)
    mine = [
        (n.onset, n.length, n.pitch, n.text) for n in read_musicxml(path).part().sung
    ]  # at 60, quarters are seconds
    expected = oracle(path)
    assert len(mine) == len(expected) == 11
    for a, b in zip(mine, expected):
        assert a[:3] == pytest.approx(b[:3]) and a[3] == b[3]
