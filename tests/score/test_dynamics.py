from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
from scores import bar, note, part, score, tempo, written

from speechnar import audio
from speechnar.audio import AudioConfig
from speechnar.score.dynamics import (
    BRIGHT,
    brightness,
    level_curve,
    level_points,
    louder,
    percent_level,
    velocity_levels,
    with_levels,
)
from speechnar.score.midi import read_midi
from speechnar.score.musicxml import read_musicxml
from speechnar.score.notes import Note

AUDIO = AudioConfig(24000, 1200, 300, 1200, 80, 0.0, 12000.0)


def at(points: list[tuple[float, float]], time: float) -> float:
    return float(np.interp(time, *zip(*points)))


def marks(name: str) -> str:
    return f"<direction><direction-type><dynamics><{name}/></dynamics></direction-type></direction>"


def wedge(kind: str) -> str:
    return f'<direction><direction-type><wedge type="{kind}"/></direction-type></direction>'


def test_a_mark_holds_until_the_next() -> None:
    points = level_points([(1.0, "p"), (3.0, "ff")])
    assert [at(points, t) for t in (0.5, 1.0, 2.9, 3.0, 9.0)] == [0.0, -9.0, -9.0, 3.0, 3.0]


def test_a_wedge_goes_to_the_mark_after_it() -> None:
    points = level_points([(0.0, "p"), (1.0, "<"), (3.0, "stop"), (3.2, "f")])
    assert [at(points, t) for t in (1.0, 2.0, 3.0, 5.0)] == pytest.approx([-9.0, -4.5, 0.0, 0.0])


def test_a_wedge_without_a_mark_after_it_is_one_mark_louder_or_softer() -> None:
    points = level_points([(0.0, "mf"), (1.0, ">"), (2.0, "stop"), (9.0, "p")])
    assert [at(points, t) for t in (1.0, 1.5, 2.0, 8.0, 9.0)] == pytest.approx([-3.0, -4.5, -6.0, -6.0, -9.0])
    sudden = level_points([(0.0, "mf"), (1.0, "<"), (2.0, "stop"), (2.0, "p")])  # a softer mark is not its goal
    assert at(sudden, 1.9) > -3.0 and at(sudden, 2.0) == -9.0


def test_an_accent_dies_away() -> None:
    points = level_points([(0.0, "mf"), (2.0, "sfz")])
    assert [at(points, t) for t in (1.9, 2.0, 2.2, 2.4)] == pytest.approx([-3.0, 0.0, -1.5, -3.0])
    assert at(level_points([(1.0, "fp")]), 5.0) == -9.0


def test_no_mark_is_no_level() -> None:
    assert level_points([]) == [] and level_points([(1.0, "stop"), (2.0, "sempre")]) == []
    assert with_levels([Note(0, 1, 60.0)], [])[0].level == ()


def test_notes_have_their_part_of_the_curve() -> None:
    notes = with_levels([Note(0, 1, 60.0), Note(1, 1, 62.0), Note(2, 1, 64.0)], [(0.5, -6.0), (1.5, 0.0)])
    assert notes[0].level == ((0.0, -6.0), (0.5, -6.0), (1.0, -3.0))
    assert notes[1].level == ((0.0, -3.0), (0.5, 0.0), (1.0, 0.0)) and notes[2].level == ()
    curve = level_curve(notes, 300, 0.01)
    assert curve[25] == pytest.approx(-6.0) and curve[124] == pytest.approx(-1.5, abs=0.1) and curve[250] == 0


def test_levels_go_along_with_the_tempo() -> None:
    fast = Note(2.0, 1.0, 60.0, level=((0.0, -6.0), (1.0, 0.0)), bend=((-0.1, 50.0), (0.5, 0.0))).at_tempo(2)
    assert (fast.onset, fast.length) == (1.0, 0.5)
    assert fast.level == ((0.0, -6.0), (0.5, 0.0)) and fast.bend == ((-0.05, 50.0), (0.25, 0.0))


def test_velocities_are_levels_only_where_they_differ() -> None:
    assert velocity_levels([64, 64]) == [0.0, 0.0]
    assert velocity_levels([96, 48, 127, 1]) == pytest.approx([0.0, -12.04, 4.86, -18.0])  # 40 log10 of the ratio
    assert percent_level(50) == ((0.0, -6.02),) and percent_level(100) == () and percent_level(0) == ((0.0, -18.0),)


def test_a_louder_mel_is_that_of_a_louder_sound_below_500_hz_and_brighter_above_2_khz() -> None:
    times = np.arange(24000) / 24000
    for frequency, share in ((300.0, 1.0), (6000.0, BRIGHT)):
        soft, loud = (
            np.sin(2 * np.pi * frequency * times).astype(np.float32) * a for a in (0.1, 0.1 * 10 ** (share * 6 / 20))
        )
        mels = [audio.log_mel(wav, AUDIO) for wav in (soft, loud)]
        band = int(mels[0][40].argmax())
        moved = louder(mels[0], np.full(len(mels[0]), 6.0), AUDIO)
        assert moved[10:-10, band] == pytest.approx(mels[1][10:-10, band], abs=0.02)


def test_brightness_follows_the_filters() -> None:
    centers = np.array([np.average(np.linspace(0, 12000, 601), weights=row) for row in audio.mel_filters(AUDIO)])
    gains = brightness(AUDIO)
    assert (np.diff(gains) >= 0).all()
    assert (gains[centers < 480] < 1.005).all() and gains[centers > 2100] == pytest.approx(BRIGHT)


def test_marks_and_wedges_of_musicxml_are_read(tmp_path: Path) -> None:
    bars = (
        bar(tempo(60), marks("p"), note("C4", 2, "a"), wedge("crescendo"), note("D4", 2, "a")),
        bar(wedge("stop"), marks("f"), note("E4", 2, "a"), marks("pp"), note("F4", 2, "a")),
    )
    notes = read_musicxml(written(tmp_path / "a.musicxml", score(part(*bars)))).part().notes
    assert [n.level[0][1] for n in notes if n.level] == [-9.0, -9.0, 0.0, -12.0]
    assert notes[1].level[-1] == (2.0, 0.0)  # a crescendo over the second note


def test_a_dynamic_of_a_note_and_a_caesura_are_read(tmp_path: Path) -> None:
    own = "<notations><dynamics><pp/></dynamics><articulations><caesura/></articulations></notations>"
    bars = bar(tempo(60), note("C4", 2, "a"), note("D4", 2, "a", extra=own))
    first, second = read_musicxml(written(tmp_path / "a.musicxml", score(part(bars)))).part().notes
    assert first.level[0] == (0.0, 0.0) and second.level[0][1] == -12.0 and second.breath and not first.breath


def test_a_repeat_is_as_loud_as_the_first_time(tmp_path: Path) -> None:
    bars = (
        bar(tempo(60), marks("p"), note("C4", 4, "a")),
        bar(marks("f"), note("D4", 4, "a"), right='<repeat direction="backward"/>'),
    )
    notes = read_musicxml(written(tmp_path / "a.musicxml", score(part(*bars)))).part().notes
    assert [n.level[0][1] if n.level else 0.0 for n in notes] == [-9.0, 0.0, -9.0, 0.0]


def test_velocities_of_midi_are_read(tmp_path: Path) -> None:
    track = mido.MidiTrack()
    for pitch, velocity in ((60, 96), (62, 48)):
        track += [
            mido.Message("note_on", note=pitch, velocity=velocity),
            mido.Message("note_off", note=pitch, time=480),
        ]
    file = mido.MidiFile()
    file.tracks.append(track)
    file.save(tmp_path / "a.mid")
    notes = read_midi(tmp_path / "a.mid").part().notes
    assert [n.level for n in notes] == [(), ((0.0, -12.04),)]
