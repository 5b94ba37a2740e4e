"""A stop by SIGTERM: what was accepted is finished, and nothing more is accepted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
BODY = {"input": "Hello, world. " * 100, "response_format": "pcm"}


@pytest.mark.skipif(os.name != "posix", reason="needs SIGTERM")
def test_what_was_accepted_is_finished_at_a_stop(stub_voice: Path, stub_recognizer: Path) -> None:
    options = ["--port", "0", "--voice", str(stub_voice), "--recognizer", str(stub_recognizer), "--threads", "1"]
    command = [sys.executable, "-m", "speechnar", "serve", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout and server.stderr
        url = server.stdout.readline().strip() + "v1/audio/speech"
        whole = httpx.post(url, json=BODY, timeout=60).content
        found = b""
        with httpx.stream("POST", url, json=BODY, timeout=60) as answer:
            for piece in answer.iter_bytes():
                if not found:
                    server.send_signal(signal.SIGTERM)
                found += piece
        assert answer.status_code == 200 and found == whole
        assert server.wait(30) in (0, -signal.SIGTERM)
        assert "Traceback" not in server.stderr.read()
        with pytest.raises(httpx.ConnectError):
            httpx.post(url, json=BODY)
    finally:
        server.kill()
        server.wait()
