"""The plain protocol over a websocket, with the stub recognizer, asked by the client of the package websockets."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from serving import LIMITS, Running, serving
from stub_recognizer import SECONDS, spell

pytest.importorskip("websockets")
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus  # noqa: E402
from websockets.sync.client import ClientConnection, connect  # noqa: E402

WAV = spell(10, "abc", "ba", 25, "c", 25)


def pcm(wav: np.ndarray) -> bytes:
    return (wav * 32767).astype("<i2").tobytes()


def url(server: Running, path: str = "/v1/live") -> str:
    return server.url.replace("http", "ws", 1) + path


def all_of(socket: ClientConnection) -> list[dict[str, Any]]:
    """Everything that the server sends until it closes the connection."""
    answers = []
    with contextlib.suppress(ConnectionClosedError):  # it was closed for an error
        for message in socket:
            answers.append(json.loads(message))
    return answers


def talk(server: Running, data: bytes, size: int, query: str = "") -> list[dict[str, Any]]:
    """Send audio in messages of a size in bytes, end it, and return the answers."""
    with connect(url(server) + query, open_timeout=60) as socket:
        for start in range(0, len(data), size):
            socket.send(data[start : start + size])
        socket.send(json.dumps({"type": "end"}))
        return all_of(socket)


@pytest.mark.parametrize("size", [640, 3200, 500_000])
def test_each_pause_ends_an_utterance(server: Running, size: int) -> None:
    answers = talk(server, pcm(WAV), size)
    assert answers[-1] == {"type": "done"}
    first, second = [answer for answer in answers if answer["type"] == "final"]
    assert (first["text"], second["text"]) == ("abc ba", "c")
    assert (first["utterance"], second["utterance"]) == (0, 1)
    assert first["start"] == pytest.approx(10 * SECONDS, abs=SECONDS)
    assert first["end"] == pytest.approx(24 * SECONDS, abs=SECONDS)
    assert [word["word"] for word in first["words"]] == ["abc", "ba"]
    assert all(set(word) == {"word", "start", "end", "confidence"} for word in first["words"])


def test_partial_text_comes_before_the_final_one(server: Running) -> None:
    kinds = [answer["type"] for answer in talk(server, pcm(WAV), 3200)]
    assert "partial" in kinds[: kinds.index("final")]


def test_audio_of_another_rate(server: Running) -> None:
    twice = np.repeat(WAV, 3)
    texts = [a["text"] for a in talk(server, pcm(twice), 9600, "?sample_rate=48000") if a["type"] == "final"]
    assert texts == ["abc ba", "c"]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("{", "the message is not JSON"),
        ("[]", "the message should be a JSON object"),
        ("[" * 100_000, "the message is not JSON"),
        ("{}", 'a text message should be {"type": "end"}'),
        (b"abc", "3 bytes are no whole number of 16-bit samples"),
    ],
)
def test_what_is_no_message_gets_an_error(server: Running, message: str | bytes, sentence: str) -> None:
    with connect(url(server), open_timeout=60) as socket:
        socket.send(message)
        assert all_of(socket) == [{"type": "error", "message": sentence}]
        assert socket.close_code == 1008


@pytest.mark.parametrize("rate", ["0", "x", "1e9", "999999999", "-16000"])
def test_a_rate_that_is_none_gets_an_error(server: Running, rate: str) -> None:
    with connect(url(server, f"/v1/live?sample_rate={rate}"), open_timeout=60) as socket:
        (answer,) = all_of(socket)
    assert answer["message"].startswith(f"sample_rate is '{rate}' but should be from")


def test_a_silent_client_is_let_go(stub_voice: Path, stub_recognizer: Path) -> None:
    with serving(stub_voice, stub_recognizer, limits=replace(LIMITS, idle=0.2)) as server:
        with connect(url(server), open_timeout=60) as socket:
            assert all_of(socket) == [{"type": "error", "message": "there was no message for 0.2 s"}]


def test_a_message_that_is_too_large_ends_the_connection(server: Running) -> None:
    with connect(url(server), open_timeout=60) as socket:
        socket.send(b"\0" * 5_000_000)
        with pytest.raises(ConnectionClosed):
            socket.recv(5)
        assert socket.close_code == 1009


def connected(server: Running, key: str = "") -> ClientConnection:
    return connect(url(server), open_timeout=60, additional_headers={"Authorization": f"Bearer {key}"})


def check_heard(socket: ClientConnection) -> None:
    socket.send(pcm(WAV))
    assert json.loads(socket.recv(60))["type"] == "partial"


def refusal(server: Running, key: str = "") -> str:
    with connected(server, key) as socket:
        (answer,) = all_of(socket)
        assert socket.close_code == 1013
    return str(answer["message"])


def wait_for_streams(server: Running, most: int) -> None:
    for _ in range(500):
        if server.engine.streams <= most:
            return
        time.sleep(0.02)


def test_streams_are_bounded_and_one_that_ends_makes_room(stub_voice: Path, stub_recognizer: Path) -> None:
    with serving(stub_voice, stub_recognizer, keys=["a", "b", "c"]) as server:
        with contextlib.ExitStack() as opened:
            for key in "aabb":
                check_heard(opened.enter_context(connected(server, key)))
            assert refusal(server, "c") == "4 streams of live audio are open: try again later"
            told = httpx.get(server.url + "/metrics", headers={"Authorization": "Bearer c"}).text
            assert "speechnar_live_streams 4.0" in told
        wait_for_streams(server, 0)
        with connected(server, "a") as socket:
            check_heard(socket)


def test_one_client_may_not_hold_all_streams(stub_voice: Path, stub_recognizer: Path) -> None:
    with serving(stub_voice, stub_recognizer) as server, contextlib.ExitStack() as opened:
        for _ in range(2):
            socket = opened.enter_context(connected(server))
            check_heard(socket)
        assert refusal(server) == "this client has 2 streams of live audio open: end one of them first"
        socket.close()
        wait_for_streams(server, 1)
        with connected(server) as socket:
            check_heard(socket)


def test_pages_of_other_places_are_refused(server: Running) -> None:
    with connect(url(server), open_timeout=60, origin=server.url):
        pass
    for origin in ("https://example.org", "null", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus) as raised:
            connect(url(server), open_timeout=60, origin=origin)
        assert raised.value.response.status_code == 403


def test_a_key_comes_in_a_header_or_a_subprotocol(stub_voice: Path, stub_recognizer: Path) -> None:
    with serving(stub_voice, stub_recognizer, keys=["right"]) as server:
        for given in ({}, {"additional_headers": {"Authorization": "Bearer wrong"}}):
            with pytest.raises(InvalidStatus) as raised:
                connect(url(server), open_timeout=60, **given)
            assert raised.value.response.status_code == 401
            assert "API keys" in json.loads(raised.value.response.body)["error"]["message"]
        with connect(url(server), open_timeout=60, additional_headers={"Authorization": "Bearer right"}):
            pass
        with connect(url(server), open_timeout=60, subprotocols=["live", "openai-insecure-api-key.right"]) as socket:
            assert socket.subprotocol == "live"
