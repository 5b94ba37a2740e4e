"""The benchmark of the server, small: a few clients, a kill, and some malformed requests, with stub models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx")
pytest.importorskip("uvicorn")
SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "serving.py"


def measured(voice: Path, recognizer: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), *options, "--voice", str(voice), "--recognizer", str(recognizer)]
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_every_answer_under_load_is_right_or_a_refusal_though_the_server_is_killed(
    stub_voice: Path, stub_recognizer: Path
) -> None:
    options = ("--clients", "12", "--seconds", "6", "--kills", "1", "--max-waiting", "4")
    found = measured(stub_voice, stub_recognizer, "load", *options)["load"]
    assert found["outcomes"]["right"] and found["tracebacks"] == 0
    assert found["outcomes"].keys() <= {"right", "refused with 429", "refused with 503", "broken by a kill"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_malformed_requests_cause_no_error_of_the_server(stub_voice: Path, stub_recognizer: Path) -> None:
    found = measured(stub_voice, stub_recognizer, "malformed", "--count", "200")["malformed"]
    assert found["alive"] and found["tracebacks"] == 0
    assert sum(found["statuses"].values()) == 200 and found["statuses"]["400"] > 20
    assert not [status for status in found["statuses"] if status.startswith("5") and status != "503"]
