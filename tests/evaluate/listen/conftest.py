"""Folders of wavs, tests made of them, and a server."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import speechnar
from speechnar import audio
from speechnar.evaluate.listen.make import ListenConfig, make_test
from speechnar.evaluate.listen.plan import ListeningTest

RATE = 16000
SYSTEMS = ("alpha", "beta", "gamma")


@pytest.fixture(scope="session")
def wavs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of noise for each of six items in each of three systems and the folder `natural`."""
    folder = tmp_path_factory.mktemp("wavs")
    rng = np.random.default_rng(0)
    for n, system in enumerate((*SYSTEMS, "natural")):
        for item in range(6):
            noise = (0.02 + 0.02 * n) * rng.standard_normal(RATE // 2).astype(np.float32)
            audio.write(folder / system / f"item{item}.wav", noise, RATE)
    return folder


@pytest.fixture(scope="session")
def settings(wavs: Path) -> Callable[..., ListenConfig]:
    """Settings of a test on `wavs`; keywords replace the defaults."""

    def of(method: str, n_systems: int = 2, **given: Any) -> ListenConfig:
        systems = {name: wavs / name for name in SYSTEMS[:n_systems]}
        reference = wavs / "natural" if method == "mushra" else None
        return ListenConfig(**{"method": method, "systems": systems, "reference": reference, **given})

    return of


@pytest.fixture(scope="session")
def tests(settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, ListeningTest]]:
    """A test of each method, made once. Copy the folder before you serve it."""
    made = {}
    for method in ("mos", "cmos", "abx", "mushra"):
        folder = tmp_path_factory.mktemp("tests") / method
        made[method] = folder, make_test(settings(method), folder)
    return made


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A server in a process of its own, which can be killed and started again."""

    folder: Path
    port: int = 0
    options: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = None

    def start(self) -> Server:
        command = [sys.executable, "-m", "speechnar", "evaluate", "listen", "serve", str(self.folder)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *self.options],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(speechnar.__file__).parents[1],
        )
        assert self.process.stdout
        said = self.process.stdout.readline()  # as soon as it takes connections
        found = re.search(r":(\d+)/", said)
        assert found, said
        self.port = int(found[1])
        return self

    def kill(self) -> None:
        assert self.process and self.process.stdout
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, token: str = "", body: Any = None) -> Reply:
        """Sends a request; `body` is bytes, or what JSON can say."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return Reply(reply.status, reply.read(), reply.headers)
        except urllib.error.HTTPError as error:
            return Reply(error.code, error.read(), error.headers)

    def begin(self, digit: str) -> str:
        """A rater's token; the digit tells raters apart."""
        return self.ask("POST", "/api/raters", body={"key": 32 * digit}).json["token"]


@pytest.fixture(scope="session")
def serving() -> Callable[..., contextlib.AbstractContextManager[Server]]:
    """Serves a folder: `with serving(folder) as server`."""

    @contextlib.contextmanager
    def of(folder: Path, *options: str) -> Iterator[Server]:
        server = Server(folder, options=options).start()
        try:
            yield server
        finally:
            server.kill()

    return of
