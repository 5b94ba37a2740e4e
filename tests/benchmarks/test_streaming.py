"""The benchmark runs whole, with the stub recognizer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stub_recognizer import RATE, spell

from speechnar import audio

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize("pace", [["--streams", "2"], ["--unpaced"]])
def test_it_prints_and_writes_figures(stub_recognizer: Path, tmp_path: Path, pace: list[str]) -> None:
    lines = []
    for n, text in enumerate(["abc ba", "c", "ab"]):
        audio.write(tmp_path / f"{n}.wav", spell(5, *text.split(), 5), RATE)
        lines.append(f"{n}\tspeaker\t{n}.wav\t{text}\n")
    (tmp_path / "list.tsv").write_text("".join(lines))
    command = [sys.executable, BENCHMARKS / "streaming.py", tmp_path / "list.tsv", "--json", tmp_path / "a.json"]
    command += ["--recognizer", stub_recognizer, "--utterances", "3", *pace]
    environment = os.environ | {"PYTHONPATH": str(BENCHMARKS.parent)}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "finalization after the end of speech" in done.stdout
    assert ("as they were spoken" in done.stdout) == ("--unpaced" not in pace)
    figures = json.loads((tmp_path / "a.json").read_text())["figures"]
    assert (figures["recordings"], figures["words"]) == (3, 4)
    assert figures["wer"]["final"] == figures["wer"]["offline"] == 0
