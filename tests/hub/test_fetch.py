"""Fetching from a hub that is a server in this process, and from its cache with every socket forbidden."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import speechnar
from speechnar.hub.fetch import HubError, folder_of, vocoder_files

SHA = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b'{"a": 1}', "g_02500000": b"weights" * 9, "g_00000001": b"old", "do_02500000": b"large"}


class Hub(BaseHTTPRequestHandler):
    """Two models: me/voc with a branch `main`, and me/empty without a vocoder."""

    asked: list[str] = []

    def do_GET(self) -> None:
        Hub.asked.append(self.path)
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"] and parts[2:4] in (["me", "voc"], ["me", "empty"]):
            if parts[4:] not in ([], ["revision", "main"]):
                self.answer(404, b"{}", **{"X-Error-Code": "RevisionNotFound"})
                return
            names = FILES if parts[3] == "voc" else ["README.md", "deep/config.json"]
            info = {"id": f"me/{parts[3]}", "sha": SHA, "siblings": [{"rfilename": name} for name in names]}
            self.answer(200, json.dumps(info).encode())
        elif parts[:4] == ["me", "voc", "resolve", "main"] and parts[4] in FILES:
            self.answer(200, FILES[parts[4]], ETag=f'"{parts[4]}"', **{"X-Repo-Commit": SHA})
        else:
            self.answer(404, b"{}", **{"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    Hub.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


NO_SOCKETS = """
import socket
def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened")
socket.socket.__init__ = socket.create_connection = socket.getaddrinfo = refuse
"""


def fetch(source: str, home: Path, endpoint: str, offline: bool = False, sockets: bool = True, **env: str) -> str:
    """Return what a fresh Python, whose hub is `endpoint`, says of a source: its folder, or the error's sentence."""
    script = ("" if sockets else NO_SOCKETS) + (
        "from speechnar.hub.fetch import HubError, folder_of\n"
        f"try:\n    print(folder_of({source!r}, offline={offline}))\n"
        "except HubError as error:\n    print('HubError:', error)\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1", **env}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment,
        cwd=Path(speechnar.__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_is_fetched_once_is_there_offline_without_a_socket(hub: str, tmp_path: Path) -> None:
    folder = Path(fetch("hf:me/voc", tmp_path, hub))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: FILES[name] for name in ("config.json", "g_02500000")
    }  # the newest generator, and neither the older nor the discriminators
    for variables in ({}, {"HF_HUB_OFFLINE": "1"}):
        found = fetch("hf:me/voc", tmp_path, "http://127.0.0.1:9", not variables, sockets=False, **variables)
        assert Path(found) == folder
    assert Path(fetch("hf:me/voc@main", tmp_path, hub, offline=True, sockets=False)) == folder
    missing = fetch("hf:me/voc@v2", tmp_path, hub, offline=True, sockets=False)
    assert missing == "HubError: hf:me/voc@v2 is not in the cache; fetch it once without --offline or HF_HUB_OFFLINE"


def test_what_the_hub_lacks_is_said_in_a_sentence(hub: str, tmp_path: Path) -> None:
    assert "the hub has no revision v9 of me/voc; its page lists" in fetch("hf:me/voc@v9", tmp_path, hub)
    assert "the hub has no public model me/nobody; is its name right?" in fetch("hf:me/nobody", tmp_path, hub)
    assert "hf:me/empty holds no vocoder, which is one of these" in fetch("hf:me/empty", tmp_path, hub)


def test_a_hub_that_cannot_be_reached_is_said_in_a_sentence(tmp_path: Path) -> None:
    said = fetch("hf:me/voc", tmp_path, "http://127.0.0.1:9")
    assert said.startswith("HubError: cannot fetch hf:me/voc (") and "look at your connection" in said
    assert "\n" not in said and len(said) < 500


@pytest.mark.parametrize("source", ["hf:", "hf:voc", "hf:me/voc@", "hf:me/voc/deep", "hf:../me", "hf:me/voc@a@b"])
def test_names_that_are_none_are_refused(source: str) -> None:
    with pytest.raises(HubError, match="should look like hf:owner/name"):
        folder_of(source)


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert folder_of(tmp_path) == tmp_path
    with pytest.raises(HubError, match="there is no folder .*none; a model on the hub is called hf:owner/name"):
        folder_of(tmp_path / "none")


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["config.json", "generator_v1", "generator.json"], "generator_v1"),
        (["config.json", "pytorch_model.bin", "model.safetensors"], "model.safetensors"),
        (["config.json", "pytorch_model.bin", "README.md"], "pytorch_model.bin"),
        (["hyperparams.yaml", "generator.ckpt", "config.json"], "generator.ckpt"),
        (["config.yaml", "model.safetensors", "log.jsonl"], "model.safetensors"),
    ],
)
def test_weights_are_chosen_by_the_layout(names: list[str], chosen: str) -> None:
    assert vocoder_files(names, "here")[1] == chosen


@pytest.mark.parametrize("names", [[], ["config.json"], ["g_01"], ["hyperparams.yaml", "model.ckpt"]])
def test_folders_without_a_vocoder_are_refused(names: list[str]) -> None:
    with pytest.raises(HubError, match="here holds no vocoder, which is one of these pairs of files"):
        vocoder_files(names, "here")
