"""Servers that speak and transcribe, in protocols that programs already use: OpenAI's HTTP endpoints and Wyoming."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechnar.serve.engine import Engine

LARGEST_MESSAGE = 4 * 2**20  # bytes, of a websocket
GRACE = 60  # seconds for what was accepted, at a stop


def run(
    engine: Engine,
    host: str,
    port: int,
    wyoming_port: int | None,
    version: str,
    keys: Sequence[str] = (),
    origins: Sequence[str] = (),
    announce: bool = False,
) -> None:
    """Serve until interrupted; requests that were accepted are finished first.

    Args:
        wyoming_port: of Wyoming; None serves HTTP alone.
        version: of the package, which Wyoming's clients are told.
        keys, origins: see `http.app`.
        announce: tell the local network of Wyoming's port.

    Raises:
        ServeError: an address is taken, or none of this machine's.
    """
    import uvicorn

    from speechnar.serve import http
    from speechnar.serve.connection import Connection
    from speechnar.serve.turns import ServeError

    def listener(number: int) -> socket.socket:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host, number), family=family)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ServeError(f"cannot listen on {host}, port {number} ({reason}): give another --port") from None

    _allow_files()
    settings = uvicorn.Config(
        http.app(engine, keys, origins),
        http=Connection,
        ws="websockets-sansio",
        ws_max_size=LARGEST_MESSAGE,
        ws_per_message_deflate=False,  # audio does not become smaller
        log_level="error",
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE,
        server_header=False,
    )

    async def serve() -> None:
        async with contextlib.AsyncExitStack() as stack:
            if wyoming_port is not None:
                from speechnar.serve import wyoming

                listener(wyoming_port).close()  # the sentence of an address that is taken
                other = await wyoming.serve(engine, host, wyoming_port, version)
                stack.push_async_callback(other.stop, GRACE)
                if announce:
                    stack.push_async_callback(await wyoming.announce(host, wyoming_port))
                print(f"Wyoming on {host}, port {wyoming_port}", file=sys.stderr, flush=True)
            await uvicorn.Server(settings).serve([connections])

    with listener(port) as connections:
        name = f"[{host}]" if ":" in host else host
        print(f"http://{name}:{connections.getsockname()[1]}/", flush=True)
        try:
            asyncio.run(serve())
        finally:
            engine.close()


def _allow_files() -> None:
    """Let this process open as many files as it may: every connection is one, and every upload."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows; a limit that cannot be raised
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
