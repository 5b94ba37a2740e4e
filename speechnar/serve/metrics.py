"""Counters of a server, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from speechnar.serve.engine import Engine, Piece

T = TypeVar("T")


class Metrics:
    """The contents of `/metrics`: refused requests, seconds of audio, waiting requests."""

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        self._refused = Counter("speechnar_refused", "Requests refused", ["status"], registry=self._registry)
        self._spoken = Counter("speechnar_spoken_seconds", "Audio synthesized", registry=self._registry)
        self._heard = Counter("speechnar_transcribed_seconds", "Audio transcribed", registry=self._registry)
        waiting = Gauge("speechnar_requests", "Requests at work or waiting", ["kind"], registry=self._registry)
        waiting.labels("speech").set_function(lambda: engine.speaking.waiting)
        live = Gauge("speechnar_live_streams", "Streams of live audio that are open", registry=self._registry)
        live.set_function(lambda: engine.streams)
        waiting.labels("transcription").set_function(lambda: engine.hearing.waiting)

    def refused(self, status: int) -> None:
        """Count a request that was refused with a status."""
        self._refused.labels(str(status)).inc()

    def transcribed(self, seconds: float) -> None:
        """Count audio that was transcribed."""
        self._heard.inc(seconds)

    async def counted(self, pieces: AsyncIterator[T], sample_rate: int) -> AsyncIterator[T]:
        """Count audio that is synthesized, and pass it on."""
        async for piece in pieces:
            if isinstance(piece, Piece):
                self._spoken.inc(len(piece.wav) / sample_rate)
            yield piece

    def text(self) -> str:
        """Return all counters."""
        return generate_latest(self._registry).decode()
