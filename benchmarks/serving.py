#!/usr/bin/env python3
"""Measure `speechnar serve`: speed, memory, many clients at once with kills, and malformed requests.

    pip install "speechnar[serve]" httpx
    python benchmarks/serving.py                      # all four, in a few minutes
    python benchmarks/serving.py malformed --count 10000

Server and clients are on the same machine; the server is started anew for each.

What is measured:
    first-byte: from the request to the first byte of audio, 200 characters as pcm, warm; median and 95th percentile.
    memory: peak resident memory of the server, both models loaded, after requests of every kind, one by one.
    load: clients that ask at once, for speech and transcripts mixed, while the server is killed (SIGKILL) and started
        again. Every answer with status 200 is compared byte for byte with the one that a quiet server gave, and nothing
        may follow it on its connection; every refusal has to be 429 or 503 with Retry-After.
    malformed: requests that break HTTP, JSON, forms or the fields of the interface. None may be answered with 500 or
        above, but 503, or leave a traceback in the log, and the memory of the server may not grow with them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import re
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import serving_malformed
from measuring import environment

PATIENCE = 0.5  # seconds for an answer to a malformed request
SPEECH, TRANSCRIPTIONS = "/v1/audio/speech", "/v1/audio/transcriptions"
TEXT = (
    "The night before she left, the harbor was quiet and nobody had seen the lamps go out. In the morning they found "
    "her letter on the table by the window, and the old dog waiting at the door for her."
)[:200]
SENTENCES = [f"Number {n} of the lamps along the quiet harbor went out." for n in range(24)]


@dataclass
class Server:
    """A server in a process of its own, on a port that stays the same when it is started again.

    Attributes:
        options: of the command line.
        log: file of its messages.
        kills: how often it was killed.
        up: it answers.
    """

    options: list[str] = field(default_factory=list)
    log: Path = field(default_factory=lambda: Path(tempfile.mkstemp(suffix=".log")[1]))

    def __post_init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.kills, self.up = 0, False
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        serve = [sys.executable, "-m", "speechnar", "serve", "--port", str(self.port), "--threads", "1"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*serve, *self.options], stdout=log, stderr=log, env=environment(1))
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health").status_code == 200:
                    self.up = True
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        sys.exit(f"the server did not start: see {self.log}")

    def kill(self) -> None:
        """Kill it, as a crash of the machine would."""
        self.kills, self.up = self.kills + 1, False
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Stop it as a supervisor does."""
        self.process.terminate()
        self.process.wait(90)

    def memory(self, name: str = "VmHWM") -> float:
        """Return its resident memory in MB: `VmHWM` is the peak, `VmRSS` that of now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024


@contextlib.contextmanager
def running(options: list[str]) -> Iterator[Server]:
    """Run a server for the time of a block."""
    server = Server(options)
    try:
        yield server
    finally:
        server.stop()


def first_byte(server: Server, count: int) -> dict[str, float]:
    """Return milliseconds until the first and the last byte of speech."""
    firsts, lasts = [], []
    body = {"input": TEXT, "response_format": "pcm"}
    with httpx.Client(timeout=60) as client:
        for _ in range(count + 3):
            began = time.perf_counter()
            with client.stream("POST", server.url + SPEECH, json=body) as answer:
                pieces = answer.iter_raw()
                next(pieces)
                firsts.append(time.perf_counter() - began)
                for _ in pieces:
                    pass
                lasts.append(time.perf_counter() - began)
    warm = sorted(1000 * value for value in firsts[3:])
    return {
        "cold_ms": 1000 * firsts[0],
        "median_ms": statistics.median(warm),
        "p95_ms": warm[int(0.95 * (len(warm) - 1))],
        "last_byte_ms": 1000 * statistics.median(lasts[3:]),
    }


def recordings(server: Server) -> list[bytes]:
    """Return recordings of a few lengths, spoken by the server itself."""

    def spoken(text: str, kind: str) -> bytes:
        answer = httpx.post(server.url + SPEECH, json={"input": text, "response_format": kind}, timeout=600)
        answer.raise_for_status()
        return answer.content

    return [spoken(SENTENCES[0], "wav"), spoken(TEXT, "mp3"), spoken(TEXT, "flac")]


def peak_memory(server: Server) -> dict[str, float]:
    """Return the memory of the server in MB at its start and at its peak after requests of every kind."""
    start = server.memory("VmRSS")
    audio = recordings(server)
    for kind in ("mp3", "opus", "flac", "wav", "pcm"):
        body = {"input": TEXT * 20, "response_format": kind, "stream_format": "sse"}
        httpx.post(server.url + SPEECH, json=body, timeout=600).raise_for_status()
    long = httpx.post(server.url + SPEECH, json={"input": (TEXT + " ") * 45, "response_format": "flac"}, timeout=600)
    for recording in (*audio, long.content):
        for kind in ("json", "srt", "verbose_json"):
            file, form = {"file": ("a", recording)}, {"response_format": kind, "prompt": "harbor, lamps"}
            httpx.post(server.url + TRANSCRIPTIONS, files=file, data=form, timeout=600).raise_for_status()
    return {"start_mb": start, "peak_mb": server.memory()}


@dataclass(frozen=True)
class Job:
    """A request whose answer is known."""

    path: str
    arguments: dict[str, Any]


def jobs(server: Server) -> list[Job]:
    """Return requests of every kind."""
    kinds = ("pcm", "wav", "flac")
    found = [Job(SPEECH, {"json": {"input": s, "response_format": kinds[n % 3]}}) for n, s in enumerate(SENTENCES)]
    found.append(Job(SPEECH, {"json": {"input": TEXT * 5, "response_format": "pcm", "stream_format": "sse"}}))
    for recording in recordings(server):
        for kind in ("json", "srt", "verbose_json"):
            form = {"response_format": kind}
            found.append(Job(TRANSCRIPTIONS, {"files": {"file": ("a.bin", recording)}, "data": form}))
    return found


def load(server: Server, clients: int, seconds: float, kills: int) -> dict[str, Any]:
    """Let clients ask at once while the server is killed and started again; return what became of the requests."""
    known = jobs(server)
    right = {}
    for job in known:
        answer = httpx.post(server.url + job.path, timeout=600, **job.arguments)
        answer.raise_for_status()
        right[id(job)] = hashlib.sha256(answer.content).hexdigest()
    outcomes: Counter[str] = Counter()
    peaks = [server.memory()]
    end = time.monotonic() + seconds
    context = ssl.create_default_context()  # one for all: it takes long to make

    async def client(number: int) -> None:
        draw = random.Random(number)
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        async with httpx.AsyncClient(base_url=server.url, timeout=120, limits=limits, verify=context) as http:
            while time.monotonic() < end:
                job, kills_before = draw.choice(known), server.kills
                try:
                    answer = await http.post(job.path, **job.arguments)
                except httpx.TransportError as error:
                    # A connection may break only where the server was killed, or is not there yet.
                    excused = server.kills != kills_before or not server.up
                    outcomes["broken by a kill" if excused else f"UNEXPECTED {error!r}"] += 1
                    await asyncio.sleep(0.2 + draw.random())
                    continue
                if answer.status_code == 200:
                    same = hashlib.sha256(answer.content).hexdigest() == right[id(job)]
                    outcomes["right" if same else "WRONG"] += 1
                elif answer.status_code in (429, 503) and answer.headers.get("retry-after"):
                    outcomes[f"refused with {answer.status_code}"] += 1
                    await asyncio.sleep(0.5 + draw.random())
                else:
                    outcomes[f"UNEXPECTED {answer.status_code}"] += 1

    async def killer() -> None:
        for _ in range(kills):
            await asyncio.sleep(seconds / (kills + 1))
            peaks.append(server.memory())
            server.kill()
            await asyncio.to_thread(server.start)

    async def all_at_once() -> None:
        await asyncio.gather(killer(), *(client(n) for n in range(clients)))

    asyncio.run(all_at_once())
    peaks.append(server.memory())
    return {"outcomes": dict(outcomes), "peak_mb": max(peaks), "tracebacks": tracebacks(server)}


def tracebacks(server: Server) -> int:
    """Return how many tracebacks the log holds."""
    return server.log.read_text(errors="replace").count("Traceback")


def malformed(server: Server, count: int, seed: int = 0) -> dict[str, Any]:
    """Send malformed requests; return the statuses, tracebacks, and the memory in MB after each tenth."""
    draw = random.Random(seed)
    wav = recordings(server)[0]
    statuses: Counter[str] = Counter()
    memory = []
    with ThreadPoolExecutor(8) as senders:
        for _ in range(10):
            requests = [serving_malformed.request(draw, wav) for _ in range(count // 10)]
            statuses.update(senders.map(lambda request: _status(server, request), requests))
            memory.append(server.memory("VmRSS"))
    alive = httpx.post(server.url + SPEECH, json=serving_malformed.REQUEST, timeout=60).status_code == 200
    return {
        "statuses": dict(sorted(statuses.items())),
        "tracebacks": tracebacks(server),
        "memory_mb": memory,
        "alive": alive,
    }


def _status(server: Server, request: bytes) -> str:
    """Send bytes; return the status of the answer, `closed`, or `waits` where the server waits for the rest of them."""
    try:
        with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
            connection.sendall(request)
            connection.settimeout(PATIENCE)
            answer = connection.recv(65536)
    except TimeoutError:
        return "waits"
    except OSError:
        return "closed"
    return answer[9:12].decode() if answer.startswith(b"HTTP/1.1 ") else "closed"


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["first-byte", "memory", "load", "malformed", []])
    parser.add_argument("--count", type=int, default=10_000, help="malformed requests (10000)")
    parser.add_argument("--clients", type=int, default=200, help="at once (200)")
    parser.add_argument("--seconds", type=float, default=120, help="of load (120)")
    parser.add_argument("--kills", type=int, default=5, help="of the server under load (5)")
    parser.add_argument("--repeats", type=int, default=40, help="requests for the first byte (40)")
    args, options = parser.parse_known_args()
    found: dict[str, Any] = {}
    for what in args.what or ("first-byte", "memory", "load", "malformed"):
        with running(options) as server:
            if what == "first-byte":
                found[what] = first_byte(server, args.repeats)
            elif what == "memory":
                found[what] = peak_memory(server)
            elif what == "load":
                found[what] = load(server, args.clients, args.seconds, args.kills)
            else:
                found[what] = malformed(server, args.count)
        print(json.dumps({what: found[what]}, indent=1), flush=True)


if __name__ == "__main__":
    main()
