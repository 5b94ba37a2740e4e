"""The door of the server: what is refused before anything of a request or a websocket is read or done.

| refused | status |
| --- | --- |
| no API key, where the server has some | 401 |
| a page of another origin, unless it is allowed | 403 |
| a body that is too large | 413 |
| too many bodies of one client, or of all, that arrive at once | 429 |
| too many requests at once | 503 |
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.websockets import WebSocket

from speechnar.serve.metrics import Metrics

RETRY_AFTER = 5  # seconds
REQUESTS = 400  # at once
ARRIVING = 100  # bodies at once; of one client, half of them
LARGEST_TEXT = 4 * 2**20  # bytes of a body that is no form with a file
KEY = "openai-insecure-api-key."
"""Prefix of the subprotocol with which browsers, which can set no header of a websocket, send an API key."""


def error_response(status: int, message: str, param: str | None = None, close: bool = False) -> JSONResponse:
    """Return an error as OpenAI has it: {"error": {"message", "type", "param", "code"}}."""
    kind = "invalid_request_error" if status < 500 and status != 429 else "server_error"
    headers = {"Retry-After": str(RETRY_AFTER)} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if close:
        headers["Connection"] = "close"
    error = {"message": message, "type": kind, "param": param, "code": None}
    return JSONResponse({"error": error}, status, headers)


class Guard:
    """An ASGI application around another.

    Args:
        largest: bytes of a body.
        keys: API keys, one of which a request has to bring; without any, none is asked for.
        origins: of pages in other places that may use the server from a browser; "*" for all.
        public: paths that need no key.
    """

    def __init__(
        self,
        inner: Any,
        metrics: Metrics,
        largest: int,
        keys: Sequence[str],
        origins: Sequence[str],
        public: Iterable[str],
    ) -> None:
        self._metrics, self._largest = metrics, largest
        self._keys = [key.encode() for key in keys]
        self._origins, self._public = frozenset(origins), frozenset(public)
        if origins:
            from starlette.middleware.cors import CORSMiddleware

            inner = CORSMiddleware(inner, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"])
        self._inner = inner
        self._requests, self._arriving = 0, Counter[str]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Refuse a request or a websocket, or pass it on with its client as `state.client`."""
        if scope["type"] not in ("http", "websocket"):
            await self._inner(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in reversed(scope["headers"])}
        client = self._client(scope, headers)
        refusal = self._refusal(scope, headers, client)
        if refusal:
            await self._refuse(scope, receive, send, *refusal)
            return
        scope["state"] = {**scope.get("state", {}), "client": client}
        if scope["type"] == "websocket":
            await self._inner(scope, receive, send)
            return
        self._requests += 1
        try:
            await self._bounded(scope, receive, send, client or "")
        finally:
            self._requests -= 1

    def _client(self, scope: Any, headers: dict[bytes, str]) -> str | None:
        """Return who asks, by API key or else by address; None for one without a key that is needed."""
        if not self._keys:
            return str((scope.get("client") or ("",))[0])
        given = headers.get(b"authorization", "").removeprefix("Bearer ").strip()
        for name in scope.get("subprotocols", ()):  # of a websocket
            given = name.removeprefix(KEY) if name.startswith(KEY) else given
        # Every key is compared, so that the time tells nothing.
        right = [hmac.compare_digest(given.encode(), key) for key in self._keys]
        if any(right):
            return f"key {right.index(True)}"
        return "" if scope["type"] == "http" and scope["path"] in self._public else None

    def _refusal(self, scope: Any, headers: dict[bytes, str], client: str | None) -> tuple[int, str] | None:
        method = scope.get("method")  # a websocket has none
        if client is None and not (method == "OPTIONS" and self._origins):
            return 401, "give one of the server's API keys: Authorization: Bearer KEY"
        if method not in ("GET", "HEAD", "OPTIONS") and self._foreign(headers):
            return 403, "pages of other origins may not use this server: start it with --cors-origin"
        if scope["type"] == "websocket":
            return None
        if self._requests >= REQUESTS:
            return 503, f"{self._requests} requests are at work: try again later"
        length = headers.get(b"content-length", "0")
        if length.isdecimal() and int(length) > self._limit(scope):
            return 413, self._too_large(scope)
        if length != "0" or b"transfer-encoding" in headers:
            if self._arriving.total() >= ARRIVING or self._arriving[client or ""] >= ARRIVING // 2:
                return 429, f"{self._arriving.total()} requests are arriving: try again later"
        return None

    def _foreign(self, headers: dict[bytes, str]) -> bool:
        """Return whether a page of another origin asks, which no browser keeps from sending simple requests."""
        origin = headers.get(b"origin")
        if origin is None or origin in self._origins or "*" in self._origins:
            return False
        if site := headers.get(b"sec-fetch-site"):
            return site not in ("same-origin", "none")
        return urlsplit(origin).netloc != headers.get(b"host")

    def _limit(self, scope: Any) -> int:
        """Return the bytes that a body may have."""
        kinds = [value for name, value in scope["headers"] if name == b"content-type"]
        is_form = any(kind.lower().startswith(b"multipart/") for kind in kinds)
        return self._largest if is_form else min(self._largest, LARGEST_TEXT)

    def _too_large(self, scope: Any) -> str:
        cure = "send a shorter recording, or a compressed one"
        return f"such a request has {self._limit(scope)} bytes at most: {cure}"

    async def _refuse(self, scope: Any, receive: Any, send: Any, status: int, message: str) -> None:
        """Answer with an error, and close the connection.

        A client that is cut off while it sends its body may never see the answer: a body that is at most twice too
        large is read and dropped first, unless the client waits to be told to send it.
        """
        self._metrics.refused(status)
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(error_response(status, message))
            return
        dropped, more = 0, all(name != b"expect" for name, _ in scope["headers"])
        while more and dropped < 2 * self._limit(scope):
            event = await receive()
            dropped, more = dropped + len(event.get("body", b"")), event.get("more_body", False)
        await error_response(status, message, close=True)(scope, receive, send)

    async def _bounded(self, scope: Any, receive: Any, send: Any, client: str) -> None:
        """Pass a request on, up to the largest body."""
        size, arriving, limit = 0, True, self._limit(scope)
        self._arriving[client] += 1

        def arrived() -> None:
            nonlocal arriving
            if arriving:
                arriving = False
                self._arriving[client] -= 1
                self._arriving += Counter()  # which drops zeros

        async def counted() -> Any:
            nonlocal size
            event = await receive()
            size += len(event.get("body", b""))
            if not event.get("more_body", False):
                arrived()
            if size > limit:
                raise OverflowError(self._too_large(scope))
            return event

        async def checked(event: Any) -> None:
            # Whatever the application makes of a body that broke off, the client is told of its size.
            if size <= limit:
                await send(event)

        try:
            await self._inner(scope, counted, checked)
        except OverflowError:
            if size <= limit:
                raise
        finally:
            arrived()
        if size > limit:
            self._metrics.refused(413)
            await error_response(413, self._too_large(scope), close=True)(scope, receive, send)
