"""HTTP connections with bounds in time: requests that trickle in, and answers that nobody takes, are ended.

A request has to arrive within `GRACE` seconds and a second for each `SLOWEST` bytes of it. An answer that is not taken
at all for `STALLED` seconds is broken off. Where there are `MOST` connections, the one that has been without a whole
request for the longest is closed for a new one.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

GRACE = 20.0  # seconds
SLOWEST = 10_000  # bytes a second
STALLED = 60.0  # seconds
MOST = 500
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(H11Protocol):
    """A connection of uvicorn's, with these bounds."""

    grace, stalled, most = GRACE, STALLED, MOST

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._since = time.monotonic()  # when it began to wait for the request that has not arrived
        self._arrived = 0  # bytes of it
        self._waiting = True
        self._untaken = (0, self._since)  # bytes of an answer, and when they became fewer
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Accept a connection; where there are too many, close another or this one."""
        super().connection_made(transport)
        others = [other for other in self.connections if isinstance(other, Connection) and other is not self]
        if len(others) >= self.most:
            oldest = min((other for other in others if other._waiting), key=lambda other: other._since, default=self)
            oldest.transport.abort()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Stop the clock: websockets have their own."""
        if self._timer:
            self._timer.cancel()
        super().handle_websocket_upgrade(event)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived."""
        if not self._waiting:
            self._since, self._arrived = time.monotonic(), 0
        self._arrived += len(data)
        try:
            super().data_received(data)
        except h11.LocalProtocolError:  # of an answer to what is no HTTP, after another answer has begun
            self.transport.abort()
            return
        state = self.conn.their_state
        self._waiting = state is h11.SEND_BODY or (state is h11.IDLE and bool(self.conn.trailing_data[0]))

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; a request that is at work is told that its client has gone."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        super().send_400_response(msg)

    def _watch(self) -> None:
        now = time.monotonic()
        size = self.transport.get_write_buffer_size()
        if not size or size != self._untaken[0]:
            self._untaken = (size, now)
        elif now - self._untaken[1] > self.stalled:
            self.transport.abort()
        if self._waiting and now - self._since > self.grace + self._arrived / SLOWEST:
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(TOO_SLOW)
                self.transport.close()
            else:
                self.transport.abort()
        self._timer = self.loop.call_later(min(self.grace, self.stalled) / 4, self._watch)
