"""The server in a process of its own: what it gives, what it refuses, and what it keeps when it is killed."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from speechnar import cli, config
from speechnar.evaluate.listen import plan, serve
from speechnar.evaluate.listen.store import Rating, Refused, Store

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = "<script>document.title='taken'</script>"
KEY = 32 * "a"


@pytest.fixture(scope="module")
def server(tests, serving, tmp_path_factory: pytest.TempPathFactory):
    """A MOS test whose title is hostile, for three raters at most."""
    folder = shutil.copytree(tests["mos"][0], tmp_path_factory.mktemp("served") / "mos")
    hostile = replace(tests["mos"][1], title=HOSTILE, intro=f"{HOSTILE}\n\nSecond.", consent=HOSTILE)
    config.save(hostile, folder / "test.json")
    with serving(folder, "--raters", "3") as server:
        yield server


@pytest.fixture(scope="module")
def token(server) -> str:
    return server.begin("0")


def answer(**given: object) -> dict:
    return {"trial": 0, "key": KEY, "scores": [3], "seconds": 1.5, **given}


def stored(folder: Path) -> list[tuple]:
    with sqlite3.connect(folder / "ratings.sqlite") as database:
        return database.execute("SELECT rater, trial, key, scores FROM ratings ORDER BY rater, trial").fetchall()


def test_markup_in_the_texts_is_shown_and_not_obeyed(server) -> None:
    page = server.ask("GET", "/").body.decode()
    assert page.count("<script") == 1 and '<script src="page.js" defer>' in page
    assert page.count("&lt;script&gt;document.title=&#x27;taken&#x27;&lt;/script&gt;") == 4
    assert "<p>Second.</p>" in page and "{{" not in page


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/nothing", "/api/test"])
def test_every_answer_forbids_scripts_of_others(server, path: str) -> None:
    headers = server.ask("GET", path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'" and policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in headers


def test_a_rater_is_asked_and_told_nothing_of_what_is_what(server, token: str) -> None:
    asked = server.ask("GET", "/api/test", token).json
    assert asked["trials"] == 8 and asked["training"] == 2 and asked["samples"] == ["the sample"]
    said = json.dumps(asked)
    assert not any(word in said for word in ("alpha", "beta", "wreck", "catch", "item", ".wav"))
    sample = server.ask("GET", "/api/trials/0/samples/0", token)
    trial = plan.plan(plan.load(server.folder), 0)[0]
    stimuli = plan.load(server.folder).stimuli
    (file,) = [s.file for s in stimuli if (s.system, s.item) == (trial.systems[0], trial.item)]
    assert sample.body == (server.folder / "audio" / file).read_bytes()
    assert file not in str(sample.headers) and sample.headers["Cache-Control"] == "no-store"


def test_the_same_beginning_twice_is_one_rater_and_a_fourth_is_one_too_many(server, token: str) -> None:
    assert server.begin("0") == token
    assert len({token, server.begin("1"), server.begin("2")}) == 3
    refusal = server.ask("POST", "/api/raters", body={"key": 32 * "3"})
    assert refusal.status == 403 and "has its 3 raters already" in refusal.json["detail"]


def test_an_answer_is_stored_once_and_cannot_be_changed(server) -> None:
    token = server.begin("1")
    first = answer(key=32 * "b")
    for _ in range(3):
        reply = server.ask("POST", "/api/ratings", token, first)
        assert (reply.status, reply.json) == (200, {"stored": True})
    refusals = [
        answer(key=32 * "b", scores=[4]),  # the same key, another score
        answer(key=32 * "c"),  # another key, the same trial
        answer(key=32 * "b", trial=1),  # a key that is used
    ]
    for body in refusals:
        assert server.ask("POST", "/api/ratings", token, body).status == 409
    assert server.ask("POST", "/api/ratings", server.begin("2"), first).status == 409  # another rater's key
    assert server.ask("GET", "/api/test", token).json["answered"] == [0]
    assert [row for row in stored(server.folder) if row[2] in (32 * "b", 32 * "c")] == [(1, 0, 32 * "b", "[3]")]


def test_forged_tokens_are_refused(server, token: str) -> None:
    number, signature = token.split(".")
    other = server.begin("1").split(".")[1]
    last = "0" if signature[-1] != "0" else "1"
    forged = ["", "0", f"1.{signature}", f"0.{other}", f"0.{signature[:-1]}{last}", f"00.{signature}", "9" * 30 + ".0"]
    forged += [f"{number}.", f"{number}.{signature.upper()}x", "Ā.Ā".encode().decode("latin-1")]
    for text in forged:
        for method, path, body in (
            ("GET", "/api/test", None),
            ("GET", "/api/trials/0/samples/0", None),
            ("POST", "/api/ratings", answer()),
        ):
            assert server.ask(method, path, text, body).status == 401, text
    assert not [row for row in stored(server.folder) if row[2] == KEY]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 8000,
        b'{"trial": 0, "key": "' + KEY.encode() + b'", "scores": [3], "seconds": NaN}',
        b'{"trial": 0, "key": "' + KEY.encode() + b'", "scores": [3], "seconds": 1e999}',
        b"\xff\xfe",
        [],
        answer(scores=[]),
        answer(scores=[0]),
        answer(scores=[6]),
        answer(scores=[3, 3]),
        answer(scores=["3"]),
        answer(scores=[3.5]),
        answer(scores=[True]),
        answer(scores=[10**30]),
        answer(trial=-1),
        answer(trial=8),
        answer(trial=10**30),
        answer(key="short"),
        answer(key=KEY + "\n"),
        answer(seconds=-1),
        answer(extra=1),
    ],
)
def test_answers_that_are_none_are_refused(server, token: str, body: object) -> None:
    before = stored(server.folder)
    assert server.ask("POST", "/api/ratings", token, body).status in (400, 422)
    assert stored(server.folder) == before


@pytest.mark.parametrize(
    "path",
    [
        "/../test.json",
        "/test.json",
        "/ratings.sqlite",
        "/..%2ftest.json",
        "/page.js/../../serve.py",
        "/docs",
        "/openapi.json",
        "/api/trials/0/samples/1",
        "/api/trials/8/samples/0",
        "/api/trials/-1/samples/0",
        "/api/trials/0/samples/..%2f..%2ftest.json",
        "/api/trials/0/samples/../../../test.json",
    ],
)
def test_nothing_else_is_served(server, token: str, path: str) -> None:
    assert server.ask("GET", path, token).status in (404, 422)


def test_a_large_request_is_refused_before_it_is_read(server, token: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(
            b"POST /api/ratings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b" " * 0x4000
        )
        connection.sendall(b"\r\n4000\r\n" + b" " * 0x4000)  # and there is no end to it
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_request_that_never_ends_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "SLOWEST_BODY", 0.01)
    begun = [{"type": "http.request", "body": b"{", "more_body": True}]
    sent = []

    async def receive() -> dict:
        return begun.pop() if begun else await asyncio.Event().wait()

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(serve.Guard(None)({"type": "http"}, receive, send))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


def test_what_was_acknowledged_is_there_after_kill_9(tests, serving, tmp_path: Path) -> None:
    folder = shutil.copytree(tests["mushra"][0], tmp_path / "mushra")
    with serving(folder) as server:
        token = server.begin("0")
        body = answer(scores=[1, 20, 100, 0])
        assert server.ask("POST", "/api/ratings", token, body).status == 200
        server.kill()
        server.start()
        assert server.begin("0") == token
        assert server.ask("GET", "/api/test", token).json["answered"] == [0]
        assert server.ask("POST", "/api/ratings", token, body).status == 200
        assert stored(folder) == [(0, 0, KEY, "[1, 20, 100, 0]")]


def test_many_raters_and_kills_lose_nothing_and_double_nothing() -> None:
    """The benchmark of docs/listening_tests.md, small."""
    command = [sys.executable, "benchmarks/listening_test.py", "--raters", "10", "--trials", "5", "--kills", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("killed after") == 2
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    assert said["answers acknowledged"] == said["answers in the database"] == "50"
    assert said["acknowledged and lost"] == said["doubled"] == "0"


def test_a_test_is_served_by_the_address_that_is_asked_for(tests, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["evaluate", "listen", "serve", str(tests["mos"][0]), "--port", str(port)]) == 1
    assert f"cannot listen on 127.0.0.1, port {port}" in capsys.readouterr().err


def test_a_store_numbers_raters_without_gaps_and_takes_an_answer_from_many_threads_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    other = Store(tmp_path)  # as a second process has it
    refused = []

    def come(n: int) -> None:
        mine = (store, other)[n % 2]
        number = mine.add_rater(f"key {n // 2}", most=100)
        try:
            mine.add_rating(Rating(number, 7, f"answer {n}", (3,), 1.0))
        except Refused:
            refused.append(n)

    threads = [threading.Thread(target=come, args=[n]) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.raters() == 10 and len(refused) == 10
    ratings = store.ratings()
    assert [rating.rater for rating in ratings] == list(range(10)) and store.secret() == other.secret()
    assert all(rating.received.endswith("+00:00") for rating in ratings)
    assert oct((tmp_path / "ratings.sqlite").stat().st_mode & 0o777) == "0o600"
    store.close()
    other.close()


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(scheme: int) -> None:
    """WCAG 2.1, 1.4.3 and 1.4.11: contrast of 4.5 for text, and of 3 for borders of controls."""
    style = resources.files("speechnar.evaluate.listen").joinpath("page", "page.css").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--([a-z-]+): #([0-9a-f]{6});", style.split(":root {")[1 + scheme]))

    def luminance(name: str) -> float:
        parts = [int(colors[name][n : n + 2], 16) / 255 for n in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted([luminance(one), luminance(other)])
        return (high + 0.05) / (low + 0.05)

    for text, ground in [("ink", "card"), ("ink", "paper"), ("ink", "tint"), ("soft", "card"), ("soft", "paper")]:
        assert contrast(text, ground) >= 4.5, (text, ground)
    for text, ground in [("accent", "card"), ("on-accent", "accent"), ("alarm", "paper")]:
        assert contrast(text, ground) >= 4.5, (text, ground)
    assert contrast("line", "card") >= 3
