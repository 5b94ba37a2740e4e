#!/usr/bin/env python3
"""Test that a listening test keeps every acknowledged answer, with many raters at once and a server that is killed.

    pip install ".[eval,serve]"
    python benchmarks/listening_test.py

Makes a MOS test of noise, serves it on the loopback interface, and lets `--raters` simulated raters answer `--trials`
trials each at the same time: a rater registers, asks for the test, and for each trial fetches the sample and sends an
answer, again and again until it is acknowledged, always with the same key. Every seventh acknowledged answer is sent
once more, as a page does when the acknowledgement was lost, and every eleventh trial is answered again with another
key, as a forger would. Meanwhile the server is killed with SIGKILL `--kills` times, while it handles requests, and
started again. At the end the database is compared with the acknowledgements of each rater. Exit code 1 if an
acknowledged answer is lost or doubled.

SIGKILL ends a process but not the operating system: losses by a power failure are not tested here.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from speechnar import audio
from speechnar.evaluate.listen.make import ListenConfig, make_test
from speechnar.evaluate.listen.store import DATABASE

RATE = 16000
SYSTEMS = ("first", "second")
TIMEOUT = 20.0  # seconds for one request
PAUSE = 0.5  # seconds between attempts


class Late(RuntimeError):
    """Report that the time limit of the whole test is over."""


@dataclass
class Rater:
    """A simulated rater, and the acknowledgements that it got.

    Attributes:
        until: when to give up, by the monotonic clock.
        stored: key and score of each trial whose answer was acknowledged.
        seconds: until each acknowledgement, failed attempts included.
    """

    port: int
    trials: int
    until: float
    stored: dict[int, tuple[str, int]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    attempts_lost: int = 0
    repeats: int = 0
    forgeries: int = 0
    wrong: str = ""
    connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        try:
            token = json.loads(self._ask("POST", "/api/raters", body={"key": secrets.token_hex(16)}))["token"]
            asked = json.loads(self._ask("GET", "/api/test", token))
            if asked["trials"] != self.trials:
                raise ValueError(f"the test has {asked['trials']} trials")
            for trial in range(self.trials):
                self._ask("GET", f"/api/trials/{trial}/samples/0", token)
                self._answer(token, trial)
        except (Late, ValueError) as error:
            self.wrong = str(error)
        finally:
            self._close()

    def _answer(self, token: str, trial: int) -> None:
        score, key = 1 + secrets.randbelow(5), secrets.token_hex(16)
        body = {"trial": trial, "key": key, "scores": [score], "seconds": 1.5}
        start = time.perf_counter()
        self._ask("POST", "/api/ratings", token, body)
        self.seconds.append(time.perf_counter() - start)
        self.stored[trial] = (key, score)
        if trial % 7 == 0:
            self._ask("POST", "/api/ratings", token, body)
            self.repeats += 1
        if trial % 11 == 0:
            forged = {**body, "key": secrets.token_hex(16), "scores": [1 + score % 5]}
            self._ask("POST", "/api/ratings", token, forged, wanted=409)
            self.forgeries += 1

    def _ask(self, method: str, path: str, token: str = "", body: dict | None = None, wanted: int = 200) -> bytes:
        """Send a request until the server answers, and return the body of the answer."""
        while time.monotonic() < self.until:
            try:
                if not self.connection:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
                headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
                self.connection.request(method, path, json.dumps(body) if body else None, headers)
                response = self.connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException):
                self.attempts_lost += 1
                self._close()
                time.sleep(PAUSE)
                continue
            if response.status == wanted:
                return content
            if response.status != 503:  # too many connections at once: to be tried again
                raise ValueError(f"{method} {path} was answered {response.status}, not {wanted}: {content[:200]!r}")
            time.sleep(PAUSE)
        raise Late(f"{method} {path}: the time is over")

    def _close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raters", type=int, default=200)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--limit", type=float, default=600.0, metavar="SECONDS", help="give up after these")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="speechnar-") as folder:
        test_dir = Path(folder, "test")
        make_noise_test(Path(folder, "wavs"), test_dir, args.trials)
        ok = measure(test_dir, args.raters, args.trials, args.kills, time.monotonic() + args.limit)
    sys.exit(0 if ok else 1)


def make_noise_test(wavs: Path, test_dir: Path, trials: int) -> None:
    rng = np.random.default_rng(0)
    for system in SYSTEMS:
        for n in range(trials):
            noise = 0.1 * rng.standard_normal(RATE // 2).astype(np.float32)
            audio.write(wavs / system / f"{n:03}.wav", noise, RATE)
    folders = {system: wavs / system for system in SYSTEMS}
    make_test(ListenConfig("mos", folders, training=0, catch=0), test_dir)


def measure(test_dir: Path, n_raters: int, trials: int, kills: int, until: float) -> bool:
    port = free_port()
    server = start(test_dir, port, until)
    begun = time.monotonic()
    raters = [Rater(port, trials, until) for _ in range(n_raters)]
    threads = [threading.Thread(target=rater.run, daemon=True) for rater in raters]
    for thread in threads:
        thread.start()
    killed = 0
    while any(thread.is_alive() for thread in threads):
        done = sum(len(rater.stored) for rater in raters)
        if killed < kills and done >= (killed + 1) * n_raters * trials / (kills + 1):
            server.send_signal(signal.SIGKILL)
            server.wait()
            killed += 1
            print(f"killed after {done} answers")
            server = start(test_dir, port, until)
        time.sleep(0.01)
    took = time.monotonic() - begun
    server.send_signal(signal.SIGKILL)  # what was acknowledged has to be there after the last one, too
    server.wait()
    return compare(test_dir, raters, trials, took) and killed == kills


def compare(test_dir: Path, raters: list[Rater], trials: int, took: float) -> bool:
    """Print the counts of answers; return True if none is lost or doubled."""
    with sqlite3.connect(test_dir / DATABASE) as database:
        rows = database.execute("SELECT rater, trial, key, scores FROM ratings").fetchall()
        (known,) = database.execute("SELECT count(*) FROM raters").fetchone()
    scores_of = {key: json.loads(scores) for _, _, key, scores in rows}
    told = [answer for rater in raters for answer in rater.stored.values()]
    lost = sum(scores_of.get(key) != [score] for key, score in told)
    doubled = len(rows) - len({(rater, trial) for rater, trial, _, _ in rows})
    seconds = [second for rater in raters for second in rater.seconds] or [0.0]
    wrong = [rater.wrong for rater in raters if rater.wrong]
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}",
        "raters at once": len(raters),
        "seconds": round(took, 1),
        "answers acknowledged": len(told),
        "answers in the database": len(rows),
        "acknowledged and lost": lost,
        "doubled": doubled,
        "raters in the database": known,
        "requests lost and sent again": sum(rater.attempts_lost for rater in raters),
        "answers repeated on purpose, acknowledged": sum(rater.repeats for rater in raters),
        "second answers to a trial, refused": sum(rater.forgeries for rater in raters),
        "ms until an answer is acknowledged, median": round(1000 * np.quantile(seconds, 0.5)),
        "ms until an answer is acknowledged, 99 %": round(1000 * np.quantile(seconds, 0.99)),
    }
    for name, value in report.items():
        print(f"{name}: {value}")
    for sentence in wrong[:5]:
        print(f"wrong: {sentence}")
    complete = len(told) == len(rows) == len(raters) * trials and known == len(raters)
    return complete and not (lost or doubled or wrong)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(test_dir: Path, port: int, until: float) -> subprocess.Popen[bytes]:
    """Start a server, and wait until it listens."""
    command = [sys.executable, "-m", "speechnar", "evaluate", "listen", "serve", str(test_dir), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.02)
    server.kill()
    raise RuntimeError("the server did not start")


if __name__ == "__main__":
    main()
