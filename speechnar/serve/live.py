"""Recognition of live audio over websockets: what every protocol shares, and a plain protocol of our own.

    /v1/live?sample_rate=16000     the plain protocol, by which the web page shows captions
    /v1/realtime                   see `realtime`
    /vosk, /                       see `vosk`

The client sends 16-bit little-endian samples of one channel, as binary messages of any size, and `{"type": "end"}`
behind the last. The server answers with

    {"type": "partial", "utterance": 0, "stable": "the night before", "partial": "she le"}
    {"type": "final", "utterance": 0, "text": "the night before she left", "start": 0.4, "end": 2.1,
     "words": [{"word": "the", "start": 0.4, "end": 0.5, "confidence": 0.99}, ...]}
    {"type": "done"}      behind what follows from `end`
    {"type": "error", "message": "..."}

`stable` only grows within an utterance, `partial` may change, and `text` takes the place of both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from speechnar.runtime import Caption
from speechnar.serve.engine import Engine, Live
from speechnar.serve.guard import KEY
from speechnar.serve.metrics import Metrics
from speechnar.serve.turns import BusyError, ServeError

RATES = (4000, 192_000)
"""The least and the most Hz of a client's audio."""

POLICY, TRY_AGAIN_LATER = 1008, 1013  # codes with which a connection is closed


def add_routes(api: FastAPI, engine: Engine, metrics: Metrics) -> None:
    """Add the websockets to an application, whose `Guard` has admitted each of them."""
    from speechnar.serve import realtime, vosk

    def add(talk: Callable[[WebSocket, Engine, Metrics], Awaitable[None]], *paths: str) -> None:
        async def connected(socket: WebSocket) -> None:
            offered: list[str] = socket.scope.get("subprotocols", [])
            named = [name for name in offered if not name.startswith(KEY)]
            await socket.accept(next(iter(named or offered), None))
            await talk(socket, engine, metrics)

        for path in paths:
            api.add_api_websocket_route(path, connected)

    add(plain, "/v1/live")
    add(realtime.talk, "/v1/realtime")
    add(vosk.talk, "/vosk", "/")


async def messages(socket: WebSocket, idle: float) -> AsyncIterator[str | bytes]:
    """Yield a client's messages until it goes.

    Args:
        idle: seconds without a message.

    Raises:
        ServeError: there was none for so long.
    """
    while True:
        try:
            message = await asyncio.wait_for(socket.receive(), idle)
        except asyncio.TimeoutError:
            raise ServeError(f"there was no message for {idle:g} s") from None
        if message["type"] == "websocket.disconnect":
            return
        yield message["bytes"] if message.get("bytes") is not None else message.get("text") or ""


def samples_of(data: bytes) -> np.ndarray:
    """Return 16-bit little-endian samples, (T_wav,) int16.

    Raises:
        ServeError: the bytes are no whole number of samples.
    """
    if len(data) % 2:
        raise ServeError(f"{len(data)} bytes are no whole number of 16-bit samples")
    return np.frombuffer(data, "<i2")


def parsed(text: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ServeError: the text is none.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ServeError("the message is not JSON") from None
    if not isinstance(found, dict):
        raise ServeError("the message should be a JSON object")
    return found


def rate_of(value: Any) -> int:
    """Return a sample rate in Hz that a client gives as a number or in digits.

    Raises:
        ServeError: it is none, or out of range.
    """
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if not isinstance(value, bool) and RATES[0] <= int(value) <= RATES[1]:
            return int(value)
    raise ServeError(f"sample_rate is {value!r} but should be from {RATES[0]} to {RATES[1]} Hz")


@contextlib.asynccontextmanager
async def closing(socket: WebSocket, form: Callable[[str], dict[str, Any]]) -> AsyncIterator[None]:
    """Close a connection when the talk is over; an error is told to the client before.

    Args:
        form: makes a message of the error's sentence.
    """
    code = 1000
    try:
        yield
    except (WebSocketDisconnect, OSError):
        return
    except ServeError as error:
        code = TRY_AGAIN_LATER if isinstance(error, BusyError) else POLICY
        with contextlib.suppress(Exception):
            await socket.send_json(form(str(error)))
    if socket.application_state is WebSocketState.CONNECTED:
        with contextlib.suppress(Exception):
            await socket.close(code)


async def plain(socket: WebSocket, engine: Engine, metrics: Metrics) -> None:
    """Talk the plain protocol."""
    async with closing(socket, lambda message: {"type": "error", "message": message}):
        rate = rate_of(socket.query_params.get("sample_rate", engine.recognizer.sample_rate))
        with engine.listen(rate, client=socket.state.client) as live:
            try:
                async for message in messages(socket, engine.limits.idle):
                    if isinstance(message, bytes):
                        await _send(socket, live, samples_of(message))
                    elif parsed(message).get("type") == "end":
                        await _send(socket, live, None)
                        await socket.send_json({"type": "done"})
                        return
                    else:
                        raise ServeError('a text message should be {"type": "end"}')
            finally:
                metrics.transcribed(live.heard)


async def _send(socket: WebSocket, live: Live, samples: np.ndarray | None) -> None:
    """Recognize samples, or the end of the audio, and send what follows."""
    async for caption in live.captions(samples):
        await socket.send_json(plain_form(caption))


def plain_form(caption: Caption) -> dict[str, Any]:
    """Return a caption as the plain protocol has it."""
    if not caption.is_final:
        return {
            "type": "partial",
            "utterance": caption.utterance,
            "stable": caption.stable,
            "partial": caption.partial,
        }
    words = caption.words
    return {
        "type": "final",
        "utterance": caption.utterance,
        "text": caption.text,
        "start": round(words[0].start, 3) if words else round(caption.heard, 3),
        "end": round(words[-1].end, 3) if words else round(caption.heard, 3),
        "words": [
            {
                "word": word.text,
                "start": round(word.start, 3),
                "end": round(word.end, 3),
                "confidence": round(word.confidence, 4),
            }
            for word in words
        ],
    }
