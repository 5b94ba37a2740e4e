"""OpenAI's Realtime API over a websocket, for transcription alone.

    session.update, transcription_session.update     -> session.updated, transcription_session.updated
    input_audio_buffer.append {audio}                -> input_audio_buffer.speech_started
                                                        conversation.item.input_audio_transcription.delta ...
                                                        input_audio_buffer.speech_stopped
                                                        input_audio_buffer.committed, conversation.item.added
                                                        conversation.item.input_audio_transcription.completed
    input_audio_buffer.commit                        -> the same without speech_started and speech_stopped
    input_audio_buffer.clear                         -> input_audio_buffer.cleared
    anything else                                    -> error, and the connection stays

Audio is base64 of 16-bit samples at 24 kHz, or of mu-law or A-law at 8 kHz. Where `turn_detection` is null, `commit`
ends an item, else a pause does, and `commit` as well.

Source: OpenAI's API reference, "Realtime", client and server events, and the earlier names of the beta, which clients
    with the header `OpenAI-Beta: realtime=v1` get.
Differs: deltas come while somebody speaks, before the item is committed. They are stable text, which `completed` may
    correct. Models, languages other than English, noise reduction and log-probabilities change nothing.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import uuid
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from fastapi import WebSocket

from speechnar.runtime import Caption
from speechnar.serve import g711
from speechnar.serve.engine import Engine, Live, hotwords_of
from speechnar.serve.formats import RATE
from speechnar.serve.live import closing, messages, parsed, samples_of
from speechnar.serve.metrics import Metrics
from speechnar.serve.turns import BusyError, ServeError

FORMATS = {"audio/pcm": RATE, "audio/pcmu": g711.RATE, "audio/pcma": g711.RATE}
"""Hz of each format of audio."""

FORMER = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
"""Formats by their names in the beta."""

SILENCE = (200, 5000)
"""The least and the most milliseconds of a pause that a client can ask for."""

DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"


@dataclass(frozen=True)
class Session:
    """A session as a client has asked for it.

    Attributes:
        format: a key of `FORMATS`.
        by_pauses: a pause ends an item; else `commit` alone does.
        silence: milliseconds of such a pause; None for the recognizer's own choice.
        prompt: words to expect, with commas.
        model: whatever the client calls it.
    """

    format: str = "audio/pcm"
    by_pauses: bool = True
    silence: int | None = None
    prompt: str = ""
    model: str = "whisper-1"

    def changed(self, session: Any) -> Session:
        """Return the session with what a client's `session.update` gives, in the present form or that of the beta.

        Raises:
            ServeError: a value is of another type, or unknown.
        """
        given = _object(session, "session")
        if given.get("type", "transcription") != "transcription":
            raise ServeError("session.type should be transcription: this server transcribes and does not converse")
        audio = _object(_object(given.get("audio"), "session.audio").get("input"), "session.audio.input")
        format = self.format
        if (kind := given.get("input_audio_format")) is not None:
            format = FORMER.get(kind, str(kind)) if isinstance(kind, str) else str(kind)
        if audio.get("format") is not None:
            asked = _object(audio["format"], "format")
            format = str(asked.get("type"))
            rate = asked.get("rate")
            if format in FORMATS and rate not in (None, FORMATS[format]):
                raise ServeError(f"the rate of {format} is {rate!r} but should be {FORMATS[format]}")
        if format not in FORMATS:
            raise ServeError(f"the audio format is {format!r} but should be one of {', '.join(FORMATS)}")
        transcription = _object(audio.get("transcription") or given.get("input_audio_transcription"), "transcription")
        language = str(transcription.get("language") or "en").lower()
        if language.replace("_", "-").split("-")[0] not in ("en", "english"):
            raise ServeError(f"the language is {language!r}, but this server transcribes English alone")
        changed = replace(
            self,
            format=format,
            prompt=str(transcription.get("prompt") or self.prompt),
            model=str(transcription.get("model") or self.model),
        )
        for place in (audio, given):
            if "turn_detection" in place:
                return changed._with_turns(place["turn_detection"])
        return changed

    def _with_turns(self, given: Any) -> Session:
        if given is None:
            return replace(self, by_pauses=False)
        silence = _object(given, "turn_detection").get("silence_duration_ms", self.silence)
        if silence is not None and (type(silence) not in (int, float) or not SILENCE[0] <= silence <= SILENCE[1]):
            raise ServeError(f"silence_duration_ms is {silence!r} but should be from {SILENCE[0]} to {SILENCE[1]}")
        return replace(self, by_pauses=True, silence=silence)

    def form(self, beta: bool) -> dict[str, Any]:
        """Return the session as the server tells it."""
        turns = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300}
        turns["silence_duration_ms"] = 500 if self.silence is None else self.silence
        transcription = {"model": self.model, "language": "en", "prompt": self.prompt}
        if beta:
            return {
                "object": "realtime.transcription_session",
                "input_audio_format": next(name for name, kind in FORMER.items() if kind == self.format),
                "input_audio_transcription": transcription,
                "turn_detection": turns if self.by_pauses else None,
            }
        format = {"type": self.format, **({"rate": RATE} if self.format == "audio/pcm" else {})}
        heard = {
            "format": format,
            "transcription": transcription,
            "noise_reduction": None,
            "turn_detection": turns if self.by_pauses else None,
        }
        return {"type": "transcription", "object": "realtime.transcription_session", "audio": {"input": heard}}


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise ServeError(f"{name} should be a JSON object")
    return value or {}


class Conversation:
    """One connection."""

    def __init__(self, socket: WebSocket, engine: Engine, metrics: Metrics, opened: contextlib.ExitStack) -> None:
        self._socket, self._engine, self._metrics, self._opened = socket, engine, metrics, opened
        self._beta = "realtime=v1" in socket.headers.get("openai-beta", "")
        self._session = Session()
        self._id = _new_id("sess")
        self._live: Live | None = None
        self._before = 0.0  # seconds of audio of earlier streams
        self._item: str | None = None  # that is open
        self._previous: str | None = None
        self._said = ""  # what deltas have told of the open item
        self._texts: list[str] = []  # final texts of the open item

    async def begin(self) -> None:
        """Tell the client that the session is there."""
        await self._tell_session("created")

    async def answer(self, message: str | bytes) -> None:
        """Answer a message; an error is told, and the connection stays."""
        event_id = None
        try:
            event = parsed(message if isinstance(message, str) else message.decode("utf-8", "replace"))
            event_id = event.get("event_id") if isinstance(event.get("event_id"), str) else None
            await self._answer(event)
        except ServeError as error:
            kind = "server_error" if isinstance(error, BusyError) else "invalid_request_error"
            await self._send("error", error=_told(str(error), kind, event_id))

    async def _answer(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind in ("session.update", "transcription_session.update"):
            changed = self._session.changed(event.get("session"))
            if changed != self._session:
                await self._close_stream()
            self._session = changed
            await self._tell_session("updated", beta=kind == "transcription_session.update")
        elif kind == "input_audio_buffer.append":
            await self._hear(self._samples(event.get("audio")))
        elif kind == "input_audio_buffer.commit":
            if self._live is None:
                raise ServeError("the audio buffer is empty: append audio before you commit it")
            self._item = self._item or _new_id("item")
            await self._close_stream()
        elif kind == "input_audio_buffer.clear":
            self._forget_stream()
            await self._send("input_audio_buffer.cleared")
        else:
            raise ServeError(f"this server does not know the event {kind!r}: it transcribes and does not converse")

    def _samples(self, audio: Any) -> np.ndarray:
        try:
            data = base64.b64decode(audio, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise ServeError("audio should be base64") from None
        if self._session.format == "audio/pcm":
            return samples_of(data)
        return g711.decode(data, g711.MU_LAW if self._session.format == "audio/pcmu" else g711.A_LAW)

    async def _hear(self, samples: np.ndarray) -> None:
        if self._live is None:
            session, engine = self._session, self._engine
            words = hotwords_of(session.prompt, engine.recognizer.letters)
            endpoint = None if session.silence is None else session.silence / 1000
            self._live = self._opened.enter_context(
                engine.listen(FORMATS[session.format], words, endpoint, self._socket.state.client)
            )
        async for caption in self._live.captions(samples):
            await self._show(caption)

    async def _show(self, caption: Caption) -> None:
        if self._item is None:
            self._item = _new_id("item")
            if self._session.by_pauses:
                start = caption.words[0].start if caption.words else caption.heard
                await self._send(
                    "input_audio_buffer.speech_started", item_id=self._item, audio_start_ms=self._ms(start)
                )
        told = " ".join([*self._texts, caption.text if caption.is_final else caption.stable]).strip()
        if told.startswith(self._said) and told != self._said:
            delta, self._said = told[len(self._said) :], told
            await self._send(DELTA, item_id=self._item, content_index=0, delta=delta)
        if caption.is_final:
            self._texts += [caption.text] if caption.text else []
            self._said = " ".join(self._texts)
            if self._session.by_pauses:
                end = caption.words[-1].end if caption.words else caption.heard
                await self._send("input_audio_buffer.speech_stopped", item_id=self._item, audio_end_ms=self._ms(end))
                await self._complete()

    async def _complete(self) -> None:
        """Commit the open item and tell its text."""
        assert self._live is not None
        item, text = self._item, " ".join(self._texts)
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=self._previous)
        content = {"type": "input_audio", "transcript": None}
        told = {"id": item, "object": "realtime.item", "type": "message", "status": "completed", "role": "user"}
        name = "conversation.item.created" if self._beta else "conversation.item.added"
        await self._send(name, previous_item_id=self._previous, item={**told, "content": [content]})
        usage = {"type": "duration", "seconds": round(self._live.heard, 3)}
        await self._send(COMPLETED, item_id=item, content_index=0, transcript=text, usage=usage)
        self._previous, self._item, self._said, self._texts = item, None, "", []

    async def _close_stream(self) -> None:
        """End the stream that is open, if there is one, and its item."""
        if self._live is None:
            return
        async for caption in self._live.captions(None):
            await self._show(caption)
        if self._item is not None:
            await self._complete()
        self._forget_stream()

    def _forget_stream(self) -> None:
        if self._live is not None:
            self._metrics.transcribed(self._live.heard)
            self._before += self._live.heard
        self._opened.close()
        self._live, self._item, self._said, self._texts = None, None, "", []

    def close(self) -> None:
        """Free what the connection holds."""
        self._forget_stream()

    def _ms(self, seconds: float) -> int:
        return round(1000 * (self._before + seconds))

    async def _tell_session(self, what: str, beta: bool = False) -> None:
        beta = beta or self._beta
        name = f"transcription_session.{what}" if beta else f"session.{what}"
        await self._send(name, session={"id": self._id, **self._session.form(beta)})

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._socket.send_json({"type": kind, "event_id": _new_id("event"), **fields})


async def talk(socket: WebSocket, engine: Engine, metrics: Metrics) -> None:
    """Answer the events of one connection."""
    async with closing(
        socket, lambda message: {"type": "error", "event_id": _new_id("event"), "error": _told(message)}
    ):
        conversation = Conversation(socket, engine, metrics, contextlib.ExitStack())
        try:
            await conversation.begin()
            async for message in messages(socket, engine.limits.idle):
                await conversation.answer(message)
        finally:
            conversation.close()


def _told(message: str, kind: str = "invalid_request_error", event_id: str | None = None) -> dict[str, Any]:
    return {"type": kind, "code": None, "message": message, "param": None, "event_id": event_id}


def _new_id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex[:20]}"
