"""`bench` runs whole on stubs; its tables are worked by hand. How fast anything is, no test can know."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from speechnar import config
from speechnar.cli import main
from speechnar.evaluate.speed import bench
from speechnar.evaluate.speed import report as bench_report
from speechnar.evaluate.speed.bench import Result, Row, Start
from speechnar.evaluate.speed.system_info import header


def result(rtf: float, threads: tuple[int, ...] = (1, 2), lengths: tuple[float, ...] = (10, 20)) -> Result:
    times = ((rtf, 3 * rtf, rtf), (0.1, 0.2, 0.3))
    rows = tuple(Row(t, length, 1, *times, length / 10, 5_000_000) for t in threads for length in lengths)
    starts = tuple(Start(t, total, 0.5, 0.02, 0.01, 7_000_000) for t in threads for total in (1.0, 3.0, 1.25))
    return Result("tts", "characters", "x", 2_000_000, "CPUExecutionProvider", "float32", header(2), rows, starts)


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_tables() -> None:
    found = result(0.02)
    rows = lines(bench_report.format_rows(found))
    assert ["20", "1", "1", "2.00", "0.0200", "200.0", "280.0", "298.0", "5"] in rows
    assert ["median", "of", "3", "2", "1.25", "0.50", "20.0", "10.0", "7"] in lines(bench_report.format_starts(found))
    head = bench_report.format_header(found)
    for part in ("machine: ", "threads: 1, 2", "provider: CPUExecutionProvider", "dtype: float32", "x, 2.0 MB"):
        assert part in head


def test_comparison_is_of_the_cases_that_both_have() -> None:
    old = dataclasses.replace(result(0.04, threads=(1,), lengths=(20, 30)), model="y")
    text = bench_report.format_comparison(old, result(0.01))
    assert "model: y -> x" in text and "dtype" not in text
    rows = [row[:6] for row in lines(text) if row and row[0].isdigit()]
    assert rows == [["20", "1", "1", "0.0400", "0.0100", "0.25"]]


@pytest.mark.parametrize("length", [10, 100, 2000])
def test_texts_are_of_the_asked_length_and_differ(length: int) -> None:
    texts = [str(bench.input_of("tts", length, number)) for number in range(4)]
    assert len(set(texts)) == 4
    assert all(length - 15 < len(text) <= length + 1 for text in texts)


@pytest.fixture
def spoken_by_the_stub(stub_voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from speechnar.runtime import Voice

    monkeypatch.setattr("speechnar.runtime.load_voice", lambda threads: Voice(stub_voice, threads))
    bench._spoken_passage.cache_clear()


def test_recordings_are_of_the_asked_length_and_differ(spoken_by_the_stub: None) -> None:
    first, second = (bench.input_of("asr", 1.5, number) for number in range(2))
    assert isinstance(first, np.ndarray) and isinstance(second, np.ndarray)
    assert first.shape == second.shape == (24000,)
    assert np.array_equal(first[16000:], second[:8000]) and not np.array_equal(first, second)


def test_a_voice(stub_voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, picture = tmp_path / "found.json", tmp_path / "found.svg"
    command = ["bench", "tts", str(stub_voice), "--lengths", "30", "10", "--batch", "1", "3", "--repeats", "2"]
    assert main([*command, "--starts", "1", "--json", str(found), "--plot", str(picture)]) == 0
    loaded = config.load(Result, found)
    assert [(row.length, row.batch, len(row.rtf), len(row.latencies)) for row in loaded.rows] == [
        (10, 1, 2, 2),
        (10, 3, 2, 6),
        (30, 1, 2, 2),
        (30, 3, 2, 6),
    ]
    (start,) = loaded.starts
    assert start.total > start.load + start.first and start.peak_bytes > 1e7
    assert (loaded.kind, loaded.model, loaded.dtype) == ("tts", "stub", "float32")
    assert picture.stat().st_size
    capsys.readouterr()
    assert main([*command, "--starts", "0", "--compare", str(found)]) == 0
    out = capsys.readouterr().out
    assert "ratio" in out and "cold start" not in out


def test_a_recognizer(
    stub_recognizer: Path, spoken_by_the_stub: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tmp_path / "found.json"
    command = ["bench", "asr", str(stub_recognizer), "--lengths", "1", "--repeats", "1", "--starts", "0"]
    assert main([*command, "--json", str(found)]) == 0
    (row,) = json.loads(found.read_text(encoding="utf-8"))["rows"]
    assert row["audio"] == 1.0
    assert main(["bench", "tts", "--compare", str(found)]) == 1
    assert "is a result of bench asr: compare it with another of those" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--starts", "-1"], "--starts is -1 but should be 0 or more"),
        (["--json", "found.txt"], "found.txt should end in .json"),
        (["nobody"], "there is no voice 'nobody'; take heart, adam, michael, sarah or the folder of a voice"),
    ],
)
def test_refuses(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "tts", *options]) == 1
    assert capsys.readouterr().err == f"speechnar: {sentence}\n"
