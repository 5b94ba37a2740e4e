"""Refusals at the door: pages of other origins, requests without a key, too many bodies at once."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from serving import Running

from speechnar.serve import guard as module
from speechnar.serve import http

VOICES, SPEECH = "/v1/audio/voices", "/v1/audio/speech"
HERE = "http://testserver"
BODY = {"input": "Hi.", "voice": "stub"}


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 200),
        ({"Origin": HERE}, 200),
        ({"Origin": "https://voice.example", "Sec-Fetch-Site": "same-origin"}, 200),  # behind a proxy
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": HERE, "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://testserver:81"}, 403),
        ({"Origin": "https://good.example", "Sec-Fetch-Site": "cross-site"}, 200),
    ],
)
def test_pages_of_other_origins_cannot_make_the_server_work(
    server: Running, headers: dict[str, str], status: int
) -> None:
    client = TestClient(http.app(server.engine, origins=["https://good.example"]))
    assert client.post(SPEECH, json=BODY, headers=headers).status_code == status


def test_no_other_origin_may_read_answers_by_default(server: Running) -> None:
    client = TestClient(http.app(server.engine))
    answer = client.get(VOICES, headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert client.options(SPEECH, headers=asked).status_code == 405


def test_a_key_is_asked_for_before_the_body_is_looked_at(server: Running) -> None:
    client = TestClient(http.app(server.engine, keys=["one"]))
    answer = client.post(SPEECH, content=b"{no json")
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert client.post(SPEECH, json=BODY, headers={"Authorization": "Bearer one"}).status_code == 200
    for odd in ("Bearer", "Bearer ", "Basic one", "Bearer öne", "one two"):
        assert client.get(VOICES, headers={"Authorization": odd.encode()}).status_code == 401


def test_the_page_and_the_health_of_the_server_need_no_key(server: Running) -> None:
    client = TestClient(http.app(server.engine, keys=["one"]))
    assert client.get("/").status_code == client.get("/health").status_code == 200
    for path in (VOICES, "/metrics", "/v1/models", "/page/", "/page/nothing.js", "/page/../http.py"):
        assert client.get(path).status_code == 401


def test_one_client_may_not_fill_the_server_with_bodies(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ARRIVING", 4)
    client = TestClient(http.app(server.engine))
    assert client.post(SPEECH, json=BODY).status_code == 200
    guard: Any = client.app
    guard._arriving["testclient"] = 2
    answer = client.post(SPEECH, json=BODY)
    assert answer.status_code == 429 and answer.headers["retry-after"] == "5"
    guard._arriving = guard._arriving - guard._arriving
    guard._requests = module.REQUESTS
    answer = client.post(SPEECH, json=BODY)
    assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
    guard._requests = 0
    assert client.post(SPEECH, json=BODY).status_code == 200 and not guard._arriving
