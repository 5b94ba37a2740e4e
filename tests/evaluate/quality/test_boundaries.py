"""Boundary errors, worked by hand at 80 frames a second."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hummed import AUDIO, make_cut

from speechnar import config
from speechnar.audio import AudioConfig
from speechnar.cli import main
from speechnar.data.manifest import DataError, save_cuts
from speechnar.evaluate.quality.boundaries import compare


def test_errors_and_what_is_left_without_the_lag(tmp_path: Path) -> None:
    reference = make_cut(tmp_path, "a", [4, 4, 4, 4, 4])  # boundaries after 2, 6, 10, 14, 18 and 22 frames
    cut = make_cut(tmp_path, "a", [4, 4, 8, 0, 4])  # the fourth is 4 frames late
    cut.supervisions[0].custom |= {"lead": 3, "trail": 1}  # and all of them one more
    found = compare([cut, make_cut(tmp_path, "b", [1, 1, 1, 1, 1])], [reference], AUDIO, AUDIO)
    assert found.errors.tolist() == pytest.approx([12.5, 12.5, 12.5, 62.5, 12.5, 12.5])
    assert found.beside_silence.tolist() == [True, False, False, False, True, True]
    assert found.offset == pytest.approx(12.5)
    metrics = found.metrics()
    assert metrics["all"]["mean error, ms"] == pytest.approx(125 / 6)
    assert metrics["all"]["within 50 ms, %"] == pytest.approx(500 / 6)
    assert metrics["all, offset removed"]["mean error, ms"] == pytest.approx(50 / 6)
    assert metrics["all, offset removed"]["within 50 ms, %"] == pytest.approx(100)
    assert metrics["between phones"]["within 25 ms, %"] == pytest.approx(200 / 3)
    assert metrics["beside silence"]["mean error, ms"] == pytest.approx(0)


def test_another_hop_is_another_time(tmp_path: Path) -> None:
    cut = make_cut(tmp_path, "a", [4, 4, 4, 4, 4])
    found = compare([cut], [cut], AUDIO, AudioConfig(8000, 256, 50, 256))
    assert found.errors[:2].tolist() == pytest.approx([12.5, 37.5])


def test_other_phones_and_nothing_in_common_are_refused(tmp_path: Path) -> None:
    cut, other = make_cut(tmp_path, "a", [4] * 5), make_cut(tmp_path, "a", [4] * 5, phones=[*"abcde"])
    with pytest.raises(DataError, match="utterance a has other phones than its reference"):
        compare([cut], [other], AUDIO, AUDIO)
    with pytest.raises(DataError, match="no utterance in common"):
        compare([cut], [make_cut(tmp_path, "b", [4] * 5)], AUDIO, AUDIO)


def test_the_verb_prints_and_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_cuts([make_cut(tmp_path, "a", [4] * 5)], tmp_path / "a.jsonl.gz")
    config.save(AUDIO, tmp_path / "audio.yaml")
    manifest = str(tmp_path / "a.jsonl.gz")
    verb = ["evaluate", "boundaries", manifest, "--ref", manifest, "--audio", str(tmp_path / "audio.yaml")]
    assert main([*verb, "--json", str(tmp_path / "metrics.json")]) == 0
    assert "median error, later is positive: +0.0 ms" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["all"]["boundaries"] == 6 and metrics["all"]["within 25 ms, %"] == 100
