"""The benchmark runs whole: our runtime with the stub recognizer, and stand-ins for the other systems."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from stub_recognizer import RATE, spell

from speechnar import audio

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
VERSION = "9.8.7"

FASTER_WHISPER = """
from types import SimpleNamespace

class WhisperModel:
    def __init__(self, model, device, compute_type, cpu_threads):
        assert (device, compute_type, cpu_threads) == ("cpu", "int8", 2)
    def transcribe(self, path, language, beam_size):
        assert language == "en"
        print("a line that is no reply")
        said = [" Abc,", " ba."] if beam_size == 5 else [" Abc,"]
        return (SimpleNamespace(text=text) for text in said), None
"""
POCKETSPHINX = """
from types import SimpleNamespace

def get_model_path(name):
    return __file__

class Segmenter:
    def __init__(self, sample_rate):
        pass
    def segment(self, file):
        return [SimpleNamespace(pcm=file.read(2 * 16000)), SimpleNamespace(pcm=b"")]

class Decoder:
    def __init__(self, samprate, loglevel):
        assert samprate == 16000
    def start_utt(self):
        pass
    def process_raw(self, samples, full_utt):
        self.heard = "abc cc" if samples else None
    def end_utt(self):
        pass
    def hyp(self):
        return self.heard and SimpleNamespace(hypstr=self.heard)
"""


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    for package, text in (("faster_whisper", FASTER_WHISPER), ("pocketsphinx", POCKETSPHINX)):
        info = folder / f"{package}-{VERSION}.dist-info"
        info.mkdir(parents=True)
        (folder / f"{package}.py").write_text(text)
        (info / "METADATA").write_text(f"Name: {package}\nVersion: {VERSION}\n")
        (info / "RECORD").write_text(f"{package}.py,,\n")
    return folder


@pytest.fixture
def test_set(tmp_path: Path) -> Path:
    """Six utterances of `abc ba`, three speakers; the audio of the last says `c`."""
    lines = []
    for number in range(6):
        said = ("c",) if number == 5 else ("abc", "ba")
        audio.write(tmp_path / f"{number}.flac", spell(10, *said, 10), RATE)
        lines.append(f"u{number}\ts{number % 3}\t{number}.flac\tabc ba\n")
    (tmp_path / "read.tsv").write_text("".join(lines))
    return tmp_path / "read.tsv"


def test_whole_run_on_stand_ins(stand_ins: Path, test_set: Path, stub_recognizer: Path, tmp_path: Path) -> None:
    whisper = tmp_path / "whisper"
    whisper.mkdir()
    (whisper / "model.bin").write_bytes(bytes(1234))
    command = [sys.executable, str(BENCHMARKS / "asr_cpu.py"), str(test_set), "--peer-python", sys.executable]
    command += ["--recognizer", str(stub_recognizer), "--whisper", str(whisper), "--threads", "2"]
    command += ["--lengths", "70", "5", "--repeats", "2", "--starts", "1", "--json", str(tmp_path / "run.json")]
    ran = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(stand_ins)}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr

    run = json.loads((tmp_path / "run.json").read_text())
    names = ["speechnar", "faster-whisper, beam 1", "faster-whisper, beam 5", "pocketsphinx"]
    assert list(run["info"]) == names
    found = run["lists"]["read"]
    assert (found["utterances"], found["drawn"]) == (6, "utterance")
    # of 12 words: ours loses two and has one more wrong in place of them; the stand-ins say the same of every file
    errors = {name: round(12 * system["wer"]["value"]) for name, system in found["systems"].items()}
    assert errors == dict(zip(names, [2, 6, 0, 6]))
    assert found["systems"]["speechnar"]["texts"] == {f"u{n}": "c" if n == 5 else "abc ba" for n in range(6)}
    assert [row["seconds"] for row in run["lengths"]] == [5, 70]
    for row in run["lengths"]:
        for name in names:
            assert row["systems"][name]["rtf"] > 0 and 1e6 < row["systems"][name]["peak_bytes"] < 1e9
    assert {name: len(starts) for name, starts in run["cold_starts"].items()} == dict.fromkeys(names, 1)
    assert run["info"]["speechnar"]["model_bytes"] == sum(p.stat().st_size for p in stub_recognizer.iterdir())
    assert run["info"]["faster-whisper, beam 5"]["model_bytes"] == 1234
    assert run["info"]["pocketsphinx"]["version"] == VERSION
    assert run["info"]["pocketsphinx"]["installed_bytes"] == len(POCKETSPHINX)

    table = [line.split("|")[1:-1] for line in ran.stdout.splitlines() if line.startswith("| speechnar |")]
    assert float(table[0][1]) == pytest.approx(100 * 2 / 12, abs=0.05)
    assert re.search(r"^\| 70 \| 0\.\d{4} \(", ran.stdout, re.M)
    assert "machine: " in ran.stdout and "threads: 2" in ran.stdout and "commit: " in ran.stdout


def test_speech_is_cut_to_its_length(test_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import asr_cpu

    utterances = asr_cpu.read_list(test_set)
    wav = asr_cpu.speech(utterances, 4, 8.0)
    assert len(wav) == 8 * RATE
    first, second = (audio.read(utterances[n].audio)[0] for n in (4, 5))
    np.testing.assert_array_equal(wav[: len(first)], first)
    start = len(first) + round(asr_cpu.GAP * RATE)
    np.testing.assert_array_equal(wav[start : start + len(second)], second)
