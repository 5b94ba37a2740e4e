from __future__ import annotations

import math
from itertools import pairwise

import pytest

from speechnar.score.notes import Note, Part, Score, ScoreError, ScoreWarning, Syllable, make_part, pitch_name
from speechnar.score.tempo import TempoMap, tempo_of_words

LA = (Syllable("la"),)


def test_overlaps_are_cut_and_gaps_are_rests() -> None:
    part, warnings = make_part("A", [Note(2, 1, 62, LA), Note(0.5, 2, 60, LA), Note(4, 1, 64, LA)])
    assert [(n.onset, n.length, n.pitch) for n in part.notes] == [
        (0, 0.5, None), (0.5, 1.5, 60), (2, 1, 62), (3, 1, None), (4, 1, 64)
    ]  # fmt: skip
    assert all(a.end == pytest.approx(b.onset) for a, b in pairwise(part.notes))
    assert len(warnings) == 1 and "cut" in str(warnings[0])


def test_rounding_of_ticks_is_no_rest() -> None:
    part, warnings = make_part("A", [Note(0, 0.99995, 60, LA), Note(1, 1, 62, LA), Note(2 - 1e-5, 1, 62, LA)])
    assert len(part.notes) == 3 and not warnings and part.notes[0].length == 1


def test_of_notes_at_once_the_highest_is_sung() -> None:
    part, warnings = make_part("A", [Note(0, 1, 60, LA), Note(0, 1, 67, LA)])
    assert [n.pitch for n in part.notes] == [67] and "same time" in str(warnings[0])


def test_what_is_no_note_is_left_out() -> None:
    broken = [Note(math.nan, 1, 60), Note(0, math.inf, 60), Note(-1, 1, 60), Note(0, 1, math.nan), Note(0, 0, 60, LA)]
    part, warnings = make_part("A", [*broken, Note(0, 1, 72, LA)], bars=[(0.0, "1")])
    assert [n.pitch for n in part.notes] == [72] and [w.bar for w in warnings] == ["1"]


@pytest.mark.parametrize(("pitch", "sung"), [(24, 24), (96, 96), (12, 24), (23.5, 35.5), (97, 85), (127, 91), (0, 24)])
def test_pitches_that_no_one_can_sing_are_moved_by_octaves(pitch: float, sung: float) -> None:
    part, warnings = make_part("A", [Note(0, 1, pitch, LA)])
    assert part.notes[0].pitch == sung and len(warnings) == (pitch != sung)


def test_notes_get_the_bar_that_they_begin_in() -> None:
    bars = [(0.0, "0"), (1.0, "1"), (3.0, "X2")]
    part, _ = make_part("A", [Note(0.5, 0.5, 60, LA), Note(1, 1, 60, LA), Note(3, 1, 60, LA)], bars=bars)
    assert [n.bar for n in part.notes] == ["0", "0", "1", "1", "X2"]


def test_notes_without_a_syllable_continue_or_are_hummed() -> None:
    part, warnings = make_part("A", [Note(0, 1, 60), Note(1, 1, 62, LA), Note(2, 1, 64), Note(4, 1, 64)])
    assert [(n.text, n.slur) for n in part.sung] == [("la", False), ("la", False), ("", True), ("", True)]
    assert ["before the first lyric" in str(warnings[0]), "follows a rest" in str(warnings[1])] == [True, True]
    assert not part.hummed and make_part("A", [Note(0, 1, 60)])[0].hummed


def test_a_part_of_many_hours_is_refused() -> None:
    with pytest.raises(ScoreError, match="5.0 hours"):
        make_part("A", [Note(0, 5 * 3600, 60, LA)])


def part_of(name: str, words: int) -> Part:
    notes = [Note(n, 1, 60, (Syllable("a"),) if words else ()) for n in range(max(words, 1))]
    return make_part(name, notes)[0]


def test_a_part_is_found_by_name_beginning_or_number() -> None:
    score = Score("S", (part_of("Piano", 0), part_of("Soprano", 2), part_of("Alto", 3), part_of("Sopranino", 1)))
    assert score.part().name == "Alto"
    assert score.part("soprano").name == score.part("2").name == "Soprano"
    assert score.part("al").name == "Alto"
    for name in ("sopran", "5", "bass", ""):
        with pytest.raises(ScoreError, match="it has 'Piano', 'Soprano', 'Alto', 'Sopranino'"):
            score.part(name)
    assert Score.of("S", [part_of("A", 0), part_of("B", 0)], []).part().name == "A"


def test_accompaniments_cause_no_doubts_where_words_are_sung() -> None:
    doubts = [ScoreWarning("Piano", "", "x"), ScoreWarning("Alto", "3", "y"), ScoreWarning("Alto", "3", "y")]
    kept = Score.of("S", [part_of("Piano", 0), part_of("Alto", 1)], doubts).warnings
    assert [str(w) for w in kept] == ["Alto, bar 3: y"]
    assert len(Score.of("S", [part_of("Piano", 0)], doubts).warnings) == 2


@pytest.mark.parametrize(
    ("pitch", "name"), [(60, "C4"), (69, "A4"), (66, "F#4"), (69.3, "A4+30"), (58.9, "B3-10"), (0, "C-1")]
)
def test_pitches_have_names(pitch: float, name: str) -> None:
    assert pitch_name(pitch) == name


def test_seconds_follow_the_tempo() -> None:
    tempo = TempoMap([(4, 60), (0, 120), (8, 0), (6, 30), (9, 99999)])
    # 4 quarters at 120, 2 at 60, the rest at 30; the impossible tempi are ignored
    assert [tempo.seconds(q) for q in (0, 2, 4, 5, 6, 7)] == pytest.approx([0, 1, 2, 3, 4, 6])
    assert TempoMap().seconds(2) == 1 and TempoMap([(3, 60)]).seconds(1) == 1


@pytest.mark.parametrize(("words", "bpm"), [("Allegro, ma non troppo", 132), ("con moto", None), ("Poco adagio.", 66)])
def test_tempo_words_have_numbers(words: str, bpm: float | None) -> None:
    assert tempo_of_words(words) == bpm
