"""Curves that projects draw, against OpenUtau's formulas and by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scores import written

from speechnar.score.bends import DrawnVibrato, PitchPoint, bend_of, snapped
from speechnar.score.ds import read_ds
from speechnar.score.notes import Curve, Note
from speechnar.score.pitch import PitchOptions, f0_curve, hz
from speechnar.score.ust import read_ust
from speechnar.score.ustx import read_ustx

PLAIN = PitchOptions(vibrato=0, expression=0)


def cents(curve: Curve, time: float) -> float:
    return float(np.interp(time, *zip(*curve)))


@pytest.mark.parametrize(
    ("shape", "middle"),
    [
        ("l", 50.0),
        ("io", 50.0),
        ("sp", 50.0),
        ("i", 100 * (1 - math.cos(math.pi / 4))),
        ("o", 100 * math.sin(math.pi / 4)),
    ],
)
def test_the_curve_between_points_has_the_shape_of_the_first(shape: str, middle: float) -> None:
    curve = bend_of([PitchPoint(0.1, 0.0, shape), PitchPoint(0.3, 100.0)], None, 1.0)
    assert [cents(curve, t) for t in (0.0, 0.1, 0.2, 0.3, 1.0)] == pytest.approx([0, 0, middle, 100, 100], abs=0.2)


def test_vibrato_is_the_last_part_of_the_note() -> None:
    vibrato = DrawnVibrato(0.5, 0.2, 30.0, fade_in=0.1, fade_out=0.1)
    curve = bend_of([], vibrato, 2.0)
    assert max(abs(c) for t, c in curve if t <= 1.0) == 0
    assert cents(curve, 1.25) == pytest.approx(30.0) and cents(curve, 1.35) == pytest.approx(-30.0)
    assert cents(curve, 1.05) == pytest.approx(15.0)  # half of the tenth in which it grows


def test_the_first_point_begins_at_the_note_before() -> None:
    points = [PitchPoint(-0.1, 7.0), PitchPoint(0.1, 0.0)]
    assert [p.y for p in snapped(points, -200.0)] == [-200.0, 0.0] and snapped(points, None)[0].y == 0.0
    assert snapped(points[:1], -200.0) == points[:1]


@pytest.mark.parametrize("data", [[], [{"x": 0, "y": 0, "shape": "l"}]])
def test_a_note_without_a_slide_beside_drawn_ones_has_its_own_pitch(tmp_path: Path, data: list[dict]) -> None:
    shaking = {"vibrato": {"length": 50, "period": 200, "depth": 40, "in": 10, "out": 10, "shift": 0, "drift": 0}}
    plain = {"pitch": {"data": data, "snap_first": True}}
    notes = read_ustx(written(tmp_path / "a.ustx", project(shaking, plain))).part().sung
    assert set(c for _, c in notes[1].bend) == {0.0}


def test_f0_follows_the_curve_from_before_the_note() -> None:
    slide = bend_of([PitchPoint(-0.2, -400.0, "l"), PitchPoint(0.2, 0.0)], None, 1.0)
    held = bend_of([], None, 1.0)
    f0 = f0_curve([Note(0.0, 1.0, 60.0, bend=held), Note(1.0, 1.0, 64.0, bend=slide)], 200, 0.01, PLAIN)
    pitch = 69 + 12 * np.log2(f0 / 440)
    middle = 0.01 * (np.arange(200) + 0.5)
    assert pitch == pytest.approx(np.interp(middle, [0.8, 1.2], [60.0, 64.0]), abs=0.05)


def test_notes_with_a_curve_have_no_vibrato_by_rule() -> None:
    notes = [Note(0.0, 2.0, 60.0, bend=bend_of([], None, 2.0))]
    assert f0_curve(notes, 200, 0.01, PitchOptions(1.0, 1.0)) == pytest.approx(hz(60), rel=0.02)
    assert np.ptp(f0_curve(notes, 200, 0.01, PitchOptions(vibrato=5, expression=0))) < 0.1


def project(*notes: dict, curves: tuple[dict, ...] = ()) -> str:
    placed = [
        {"position": 480 * n, "duration": 480, "tone": 60 + 2 * n, "lyric": "la"} | own for n, own in enumerate(notes)
    ]
    part = {"track_no": 0, "position": 480, "notes": placed, "curves": list(curves)}
    return json.dumps({"bpm": 60.0, "tracks": [{}], "voice_parts": [part]})  # JSON is YAML


USUAL = {"pitch": {"data": [{"x": -40, "y": 0, "shape": "io"}, {"x": 40, "y": 0, "shape": "io"}], "snap_first": True}}


def test_usual_slides_are_left_to_the_singer(tmp_path: Path) -> None:
    notes = read_ustx(written(tmp_path / "a.ustx", project(USUAL, USUAL))).part().sung
    assert [n.bend for n in notes] == [(), ()]


def test_points_vibrato_and_deviations_of_ustx_are_read(tmp_path: Path) -> None:
    drawn = {
        "pitch": {"data": [{"x": 0, "y": 0, "shape": "l"}, {"x": 500, "y": 10, "shape": "l"}], "snap_first": False}
    }
    first, second = read_ustx(written(tmp_path / "a.ustx", project(drawn, USUAL))).part().sung
    assert cents(first.bend, 0.25) == pytest.approx(50.0, abs=0.1) and cents(first.bend, 1.0) == 100.0
    assert second.bend[0] == (-0.04, -200.0) and cents(second.bend, 0.5) == 0.0
    shaking = {"vibrato": {"length": 100, "period": 200, "depth": 40, "in": 0, "out": 0, "shift": 0, "drift": 0}}
    (note,) = read_ustx(written(tmp_path / "b.ustx", project(shaking))).part().sung
    assert cents(note.bend, 0.45) == pytest.approx(40.0)
    curve = {"abbr": "pitd", "xs": [0, 240, 480], "ys": [0, 100, 0]}
    (note,) = read_ustx(written(tmp_path / "c.ustx", project({}, curves=(curve,)))).part().sung
    assert [cents(note.bend, t) for t in (0.0, 0.25, 0.5)] == pytest.approx([0.0, 50.0, 100.0], abs=0.2)


def test_loudness_of_ustx_is_read(tmp_path: Path) -> None:
    curve = {"abbr": "dyn", "xs": [0, 480], "ys": [-60, 0]}  # tenths of a dB
    soft = {"phoneme_expressions": [{"index": 0, "abbr": "vol", "value": 50}]}
    (note,) = read_ustx(written(tmp_path / "a.ustx", project({}, curves=(curve,)))).part().sung
    assert note.level[0][1] == pytest.approx(-6.0, abs=0.1) and cents(note.level, 0.5) == pytest.approx(-3.0, abs=0.1)
    (note,) = read_ustx(written(tmp_path / "b.ustx", project(soft))).part().sung
    assert note.level == ((0.0, -6.02),)


def test_points_and_vibrato_of_ust_are_read(tmp_path: Path) -> None:
    head = "[#SETTING]\nTempo=60.00\nMode2=True\n"
    note = "[#{:04d}]\nLength=480\nLyric=la\nNoteNum={}\n{}"
    drawn = note.format(0, 60, "") + note.format(1, 62, "PBS=-50\nPBW=100,200\nPBY=0,5\nPBM=s,s\nIntensity=50\n")
    first, second = read_ust(written(tmp_path / "a.ust", head + drawn + "[#TRACKEND]\n")).part().sung
    assert second.bend[0] == (-0.05, -200.0) and cents(second.bend, 0.0) == pytest.approx(-100.0)
    assert cents(second.bend, 0.15) == pytest.approx(25.0) and cents(second.bend, 0.9) == pytest.approx(50.0)
    assert second.level == ((0.0, -6.02),) and set(c for _, c in first.bend) == {0.0}
    shaking = note.format(0, 60, "VBR=100,200,40,0,0,0,0,0\n")
    (only,) = read_ust(written(tmp_path / "b.ust", head + shaking)).part().sung
    assert cents(only.bend, 0.45) == pytest.approx(40.0)
    plain = note.format(0, 60, "") + note.format(1, 62, "PBS=-50\nPBW=100\n")
    assert [n.bend for n in read_ust(written(tmp_path / "c.ust", head + plain)).part().sung] == [(), ()]


def test_f0_of_ds_is_sung(tmp_path: Path) -> None:
    f0 = [float(hz(60 + 0.1 * n)) for n in range(21)]
    segment = {
        "offset": 1.0, "text": "SP la la", "ph_seq": "SP l aa l aa", "ph_num": "2 2 1", "note_seq": "rest C4 D4",
        "note_dur": "0.2 0.9 0.9", "f0_seq": " ".join(map(str, f0)), "f0_timestep": "0.1",
    }  # fmt: skip
    part = read_ds(written(tmp_path / "a.ds", json.dumps([segment]))).part()
    curve = f0_curve(part.notes, 180, 0.01, PLAIN, 1.2)
    asked = 60 + 0.1 * (0.2 + 0.01 * (np.arange(180) + 0.5)) / 0.1
    assert 69 + 12 * np.log2(curve / 440) == pytest.approx(asked, abs=0.06)


@pytest.mark.parametrize("broken", ["PBS=a;b\nPBW=,,x\nPBY=1e99\n", "VBR=100\n", "PBW=100000000,nan\nPBY=5\n"])
def test_broken_curves_do_not_stop_a_song(tmp_path: Path, broken: str) -> None:
    text = f"[#SETTING]\nTempo=60\n[#0000]\nLength=480\nLyric=la\nNoteNum=60\n{broken}"
    part = read_ust(written(tmp_path / "a.ust", text)).part()
    assert np.isfinite(f0_curve(part.notes, 100, 0.01)).all()
