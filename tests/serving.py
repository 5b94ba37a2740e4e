"""A server on ports of its own, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from speechnar import load_recognizer, load_voice
from speechnar.serve import LARGEST_MESSAGE, http, wyoming
from speechnar.serve.connection import Connection
from speechnar.serve.engine import Engine, Limits

LIMITS = Limits(
    characters=2000,
    body=2_000_000,
    seconds=20,
    audio_seconds=60,
    song_seconds=15,
    waiting=4,
    patience=10,
    streams=4,
    idle=30,
)


@dataclass(frozen=True)
class Running:
    """url: of HTTP; wyoming: its port."""

    url: str
    wyoming: int
    engine: Engine


@contextlib.contextmanager
def serving(voice: Path, recognizer: Path, keys: Sequence[str] = (), limits: Limits = LIMITS) -> Iterator[Running]:
    """Serve a voice and a recognizer on free ports of this machine."""
    engine = Engine({"stub": load_voice(voice, 1)}, load_recognizer(recognizer, 1), limits)
    settings = uvicorn.Config(
        http.app(engine, keys), http=Connection, ws="websockets-sansio", log_level="error", ws_max_size=LARGEST_MESSAGE
    )
    web = uvicorn.Server(settings)
    connections = socket.create_server(("127.0.0.1", 0))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def serve() -> None:
        other = await wyoming.serve(engine, "127.0.0.1", port, "1.0")
        await web.serve([connections])
        await other.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    while not web.started:
        thread.join(0.02)
        assert thread.is_alive()
    yield Running(f"http://127.0.0.1:{connections.getsockname()[1]}", port, engine)
    web.should_exit = True
    thread.join(10)
    engine.close()
    connections.close()
