"""Make requests that break HTTP, JSON, forms, uploads or websockets, for `serving.py`."""

from __future__ import annotations

import json
import random
from typing import Any

SPEECH, SUBTITLES = "/v1/audio/speech", "/v1/audio/subtitles"
UPLOADS = ("/v1/audio/transcriptions", "/v1/audio/songs")
PATHS = (SPEECH, SUBTITLES, *UPLOADS, "/v1/live", "/v1/models", "/metrics", "/", "/page/../http.py", "/%00", "//")
METHODS = ("POST", "GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "CONNECT", "X")
REQUEST: dict[str, Any] = {
    "model": "m",
    "input": "Hi.",
    "voice": "alloy",
    "response_format": "pcm",
    "speed": 1,
    "stream_format": "audio",
}
VALUES: list[Any] = [None, True, -1, 0, 1e308, "", " ", "\0", "a" * 5000, "é" * 300, "\ud83d", [], {}, [[]], {"id": 5}]
BODIES = [b"[" * 20000, b'{"a":' * 20000, b"NaN", b"\xff\xfe", b'"a"', b"1e999", b'{"words":[{}],"format":"srt"}']
FIELDS = ("response_format", "language", "prompt", "stream", "progress", "timestamp_granularities[]", "part", "tempo")
NAMES = ("a.wav", "a.mp3", "a.flac", "a.ogg", "a.raw", "", "../../a.wav", "a\0.wav")
SCORES = ("a.musicxml", "a.mid", "a.mxl", "a.ustx", "a.ust", "a.ds")
FORM = "multipart/form-data; boundary=b"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n"


def request(draw: random.Random, wav: bytes) -> bytes:
    """Return the bytes of a request; many are malformed, and none need be.

    Args:
        wav: a recording.
    """
    return draw.choice([_http, _json, _form, _upload, _websocket])(draw, wav)


def _bytes_of(path: str, kind: str, body: bytes, method: str = "POST") -> bytes:
    fields = {"Host": "a", "Connection": "close", "Content-Type": kind, "Content-Length": len(body)}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1", "replace") + body


def _mutated(draw: random.Random, data: bytes) -> bytes:
    """Return bytes of which some are changed, repeated, left out or cut off."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        at = draw.randrange(len(changed) or 1)
        what = draw.randrange(5)
        if what == 0:
            changed[at : at + 1] = draw.randbytes(1)
        elif what == 1:
            del changed[at : at + draw.randint(1, 20)]
        elif what == 2:
            changed[at:at] = changed[at : at + draw.randint(1, 50)]
        elif what == 3:
            changed[at:at] = draw.randbytes(draw.randint(1, 30))
        else:
            del changed[max(at, 1) :]
    return bytes(changed)


def _http(draw: random.Random, wav: bytes) -> bytes:
    if draw.random() < 0.2:
        return draw.randbytes(draw.randint(1, 2000))
    body = json.dumps(REQUEST).encode()
    whole = _bytes_of(draw.choice(PATHS), "application/json", body, draw.choice(METHODS))
    if draw.random() < 0.2:
        whole = whole.replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nX")
    return _mutated(draw, whole) if draw.random() < 0.8 else whole


def _json(draw: random.Random, wav: bytes) -> bytes:
    changed = REQUEST | {draw.choice([*REQUEST, "pitch", "timings"]): draw.choice(VALUES) for _ in range(2)}
    body = json.dumps(changed).encode()
    if draw.random() < 0.4:
        body = draw.choice([*BODIES, _mutated(draw, body), _mutated(draw, body), _mutated(draw, body)])
    kind = draw.choice(["application/json"] * 6 + ["text/plain", "application/json; charset=x", ""])
    return _bytes_of(draw.choice([SPEECH, SPEECH, SPEECH, SUBTITLES]), kind, body)


def _parts(parts: list[tuple[str, bytes]]) -> bytes:
    """Return the body of a form: of each part what its disposition says, and its content."""
    heads = [f"--b\r\nContent-Disposition: form-data; {what}\r\n\r\n".encode() for what, _ in parts]
    return b"\r\n".join([*(head + content for head, (_, content) in zip(heads, parts)), b"--b--\r\n"])


def _form(draw: random.Random, wav: bytes) -> bytes:
    parts = [('name="file"; filename="a.wav"', wav)] if draw.random() < 0.7 else []
    for _ in range(draw.randint(1, 4)):
        parts.append((f'name="{draw.choice(FIELDS)}"', str(draw.choice(VALUES)).encode("utf-8", "replace")))
    draw.shuffle(parts)
    body = _parts(parts)
    kind = draw.choice([FORM] * 6 + ["multipart/form-data", "multipart/form-data; boundary="])
    return _bytes_of(draw.choice(UPLOADS), kind, _mutated(draw, body) if draw.random() < 0.6 else body)


def _upload(draw: random.Random, wav: bytes) -> bytes:
    path = draw.choice(UPLOADS)
    name = draw.choice(NAMES if path == UPLOADS[0] else SCORES)
    data = _mutated(draw, wav) if draw.random() < 0.5 else draw.randbytes(draw.randint(0, 3000))
    if draw.random() < 0.2:
        data = draw.choice(
            [b"<score-partwise>" * 3000, b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\xff\xff\xff\xff", b"PK\3\4" * 99]
        )
    return _bytes_of(path, FORM, _parts([(f'name="file"; filename="{name}"', data)]))


def _websocket(draw: random.Random, wav: bytes) -> bytes:
    path = "/v1/live" + draw.choice(["", "?sample_rate=x", "?sample_rate=-1", "?sample_rate=16000"])
    head = f"GET {path} HTTP/1.1\r\nHost: a\r\n".encode() + UPGRADE + b"\r\n"
    if draw.random() < 0.3:
        head = _mutated(draw, head)
    return head + draw.randbytes(draw.randint(0, 300))
