"""Connections that are too slow, too idle or too many."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serving import Running, serving

from speechnar.serve.connection import Connection


@pytest.fixture
def quick(stub_voice: Path, stub_recognizer: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Run a server that is patient for half a second only, and takes 8 connections."""
    monkeypatch.setattr(Connection, "grace", 0.5)
    monkeypatch.setattr(Connection, "stalled", 0.5)
    monkeypatch.setattr(Connection, "most", 8)
    with serving(stub_voice, stub_recognizer) as running:
        yield running


@contextlib.contextmanager
def connected(server: Running) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 30) as client:
        yield client


def head_of(body: bytes, more: bytes = b"") -> bytes:
    """Return the head of a speech request."""
    fields = b"Host: a\r\nContent-Type: application/json\r\n" + more
    return b"POST /v1/audio/speech HTTP/1.1\r\n" + fields + b"Content-Length: %d\r\n\r\n" % len(body)


def received(client: socket.socket) -> bytes:
    """Return what comes until the server closes the connection."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65536):
            data += piece
    return data


@pytest.mark.parametrize("sent", [b"", b"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nX-"])
def test_headers_that_do_not_come_end_the_connection(quick: Running, sent: bytes) -> None:
    with connected(quick) as client:
        client.sendall(sent)
        assert received(client).startswith(b"HTTP/1.1 408 ")


def test_headers_that_trickle_end_the_connection(quick: Running) -> None:
    with connected(quick) as client, contextlib.suppress(ConnectionError):
        client.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        for _ in range(1000):
            client.sendall(b"a")
            time.sleep(0.02)
        pytest.fail("the server waited for 20 s")


def test_a_body_that_does_not_come_ends_the_connection(quick: Running) -> None:
    with connected(quick) as client:
        client.sendall(b"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        assert received(client) == b""


def test_a_large_body_that_comes_slowly_but_steadily_is_taken(quick: Running) -> None:
    body = b'{"input": "Hi.", "voice": "stub", "response_format": "pcm", "x": "' + b"x" * 100_000 + b'"}'
    with connected(quick) as client:
        client.sendall(head_of(body, b"Connection: close\r\n"))
        for start in range(0, len(body), 10_000):  # for a second: twice as long as a short body may take
            client.sendall(body[start : start + 10_000])
            time.sleep(0.1)
        assert received(client).startswith(b"HTTP/1.1 200 ")


def test_an_answer_that_is_not_taken_is_broken_off(quick: Running) -> None:
    body = b'{"input": "' + b"Hello, world. " * 140 + b'", "voice": "stub", "response_format": "wav"}'
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with client:
        client.settimeout(30)
        client.connect(("127.0.0.1", int(quick.url.rpartition(":")[2])))
        client.sendall(head_of(body) + body)
        began = time.monotonic()
        while quick.engine.speaking.waiting == 0 and time.monotonic() < began + 20:
            time.sleep(0.01)
        while quick.engine.speaking.waiting and time.monotonic() < began + 20:
            time.sleep(0.05)
        assert quick.engine.speaking.waiting == 0
        assert not received(client).endswith(b"0\r\n\r\n")  # the last chunk


def test_a_new_connection_takes_the_place_of_an_idle_one(quick: Running) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(connected(quick)).sendall(b"GET /health HTTP/1.1\r\nX-")
        assert httpx.get(f"{quick.url}/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/x\r\n\r\n", b"A" * 200_000]
)
def test_what_is_no_http_is_answered_and_closed(quick: Running, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with connected(quick) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(sent)
        assert received(client)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 408", b"")
    assert not caplog.records


def test_a_body_that_breaks_http_while_the_request_is_at_work_leaves_no_error_in_the_log(
    quick: Running, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("uvicorn.error")
    logger.addHandler(caplog.handler)
    fields = b"Host: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connected(quick) as client:
        client.sendall(b"POST /v1/audio/speech HTTP/1.1\r\n" + fields + b'5\r\n{"inp\r\n')
        time.sleep(0.2)  # the request is at work
        client.sendall(b"no length\r\n")
        assert received(client).startswith(b"HTTP/1.1 400 ")
    assert httpx.get(f"{quick.url}/health").status_code == 200
    logger.removeHandler(caplog.handler)
    assert not [record for record in caplog.records if record.exc_info]
