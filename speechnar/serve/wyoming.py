"""The Wyoming protocol, by which Home Assistant and its satellites find a voice and a recognizer.

    describe                                              -> info
    synthesize {text}                                     -> audio-start, audio-chunk ..., audio-stop
    synthesize-start, synthesize-chunk ..., synthesize,
        synthesize-stop                                   -> audio as soon as a sentence is whole, synthesize-stopped
    transcribe, audio-start, audio-chunk ..., audio-stop  -> transcript-start, -chunk, transcript, transcript-stop

Source: the package `wyoming` (Hansen), whose events are used. A client that streams text sends the whole text again in
    `synthesize`, for servers that do not stream: it is not spoken twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioChunkConverter, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_read_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info, TtsProgram, TtsVoice, TtsVoiceSpeaker
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped, SynthesizeVoice

from speechnar.serve.engine import Engine, Piece, hotwords_of
from speechnar.serve.formats import pcm
from speechnar.serve.turns import BusyError, ServeError

SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*\s+|\n+")
SAMPLES = 4800  # of a chunk of audio at most: a fifth of a second
SHAPES = {"rate": (4000, 384_000), "width": (1, 4), "channels": (1, 2)}
"""The least and the most of each, in audio that a client sends: Hz, bytes of a sample, and what the package mixes."""

MOST = 100  # connections
STALLED = 60.0  # seconds
HELD = 128 * 2**20  # bytes of recordings that all connections hold together

T = TypeVar("T")


def info(engine: Engine, version: str) -> Info:
    """Return what the server offers."""
    source = Attribution("speechnar", "https://pypi.org/project/speechnar/")
    common: dict[str, Any] = {"attribution": source, "installed": True, "version": version}
    voices = [
        TtsVoice(
            name=name,
            description=f"{name}, {voice.info.language}",
            languages=[_language(voice.info.language)],
            speakers=[TtsVoiceSpeaker(speaker) for speaker in voice.speakers] or None,
            **common,
        )
        for name, voice in engine.voices.items()
    ]
    recognizer = engine.recognizer
    model = AsrModel(
        name=recognizer.name,
        description=f"{recognizer.name}, {recognizer.info.language}",
        languages=[_language(recognizer.info.language)],
        **common,
    )
    return Info(
        tts=[
            TtsProgram(
                name="speechnar",
                description="Parallel speech synthesis",
                voices=voices,
                supports_synthesize_streaming=True,
                **common,
            )
        ],
        asr=[
            AsrProgram(
                name="speechnar",
                description="Speech recognition",
                models=[model],
                supports_transcript_streaming=True,
                **common,
            )
        ],
    )


def _language(name: str) -> str:
    """Return `en-US` for `en-us`, as Home Assistant writes languages."""
    language, _, region = name.partition("-")
    return f"{language}-{region.upper()}" if region else language


class Server(AsyncTcpServer):
    """A server that finishes what was accepted before it stops."""

    async def stop(self, patience: float = 0.0) -> None:
        """Accept nothing more, wait for what is being answered, and close the connections.

        Args:
            patience: seconds.
        """
        assert self._server is not None
        self._server.close()
        handlers: Any = self._handlers
        end = time.monotonic() + patience
        while any(handler.busy for handler in handlers.values()) and time.monotonic() < end:
            await asyncio.sleep(0.05)
        await super().stop()


class Handler(AsyncEventHandler):
    """One connection.

    Args:
        others: all open connections, this one among them while it is open.
    """

    def __init__(self, engine: Engine, offer: Event, others: set[Handler], *streams: Any) -> None:
        super().__init__(*streams)
        self._engine, self._offer, self._others = engine, offer, others
        self._idle_since: float | None = time.monotonic()  # None while it answers
        self._client = str((self.writer.get_extra_info("peername") or ("",))[0])
        self._voice: SynthesizeVoice | None = None
        self._text: str | None = None  # of a streamed request, what has not been spoken; None outside of one
        self._converter: AudioChunkConverter | None = None
        self._audio = bytearray()
        self._hotwords: list[str] = []

    @property
    def busy(self) -> bool:
        """Return whether it answers an event."""
        return self._idle_since is None

    async def run(self) -> None:
        """Answer events until the client goes, or sends what is no event or an event larger than a request may be."""
        bounded: Any = _Bounded(self.reader, self._engine.limits.body)
        try:
            with contextlib.suppress(OSError):  # the client has gone
                if not self._make_room():
                    await self.write_event(Error(text="too many are connected: try again later", code="busy").event())
                    return
                while (event := await _next_event(bounded)) is not None:
                    self._idle_since = None
                    await self.handle_event(event)
                    self._idle_since = time.monotonic()
        finally:
            self._others.discard(self)
            self.writer.close()

    def _make_room(self) -> bool:
        """Enter the open connections; where they are too many, the one that has been idle for the longest is closed."""
        if len(self._others) >= MOST:
            idle = [(other._idle_since, other) for other in self._others if other._idle_since is not None]
            if not idle:
                return False
            _, oldest = min(idle, key=lambda pair: pair[0])
            self._others.discard(oldest)
            oldest.writer.transport.abort()
        self._others.add(self)
        return True

    async def write_event(self, event: Event) -> None:
        """Send an event.

        Raises:
            OSError: the client takes nothing for `STALLED` seconds, or has gone.
        """
        try:
            await asyncio.wait_for(super().write_event(event), STALLED)
        except asyncio.TimeoutError:
            self.writer.transport.abort()
            raise ConnectionAbortedError(f"the client took nothing for {STALLED:g} s") from None

    async def handle_event(self, event: Event) -> bool:
        """Answer an event; an error is sent to the client, and the connection stays."""
        try:
            await self._answer(event)
        except ValueError as error:
            await self.write_event(Error(text=str(error), code=type(error).__name__).event())
        return True

    async def _answer(self, event: Event) -> None:
        if Describe.is_type(event.type):
            await self.write_event(self._offer)
        elif SynthesizeStart.is_type(event.type):
            self._voice, self._text = _parsed(SynthesizeStart, event).voice, ""
        elif SynthesizeChunk.is_type(event.type) and self._text is not None:
            await self._say_whole_sentences(_parsed(SynthesizeChunk, event).text)
        elif SynthesizeStop.is_type(event.type) and self._text is not None:
            rest, self._text = self._text, None
            if rest.strip():
                await self._say(rest, self._voice)
            await self.write_event(SynthesizeStopped().event())
        elif Synthesize.is_type(event.type) and self._text is None:
            request = _parsed(Synthesize, event)
            await self._say(request.text, request.voice)
        elif Transcribe.is_type(event.type):
            request_ = _parsed(Transcribe, event)
            terms = [*(request_.transcript_names or ()), *(request_.transcript_terms or ())]
            self._hotwords = [word for term in terms for word in hotwords_of(term, self._engine.recognizer.letters)]
        elif AudioStart.is_type(event.type):
            self._audio.clear()
            self._converter = None
        elif AudioChunk.is_type(event.type):
            self._hear(_parsed(AudioChunk, event))
        elif AudioStop.is_type(event.type):
            await self._transcribe()

    async def _say_whole_sentences(self, text: str) -> None:
        """Speak the sentences that a piece of streamed text completes."""
        assert self._text is not None
        self._text += text
        if len(self._text) > self._engine.limits.characters:
            self._text = None
            raise ValueError("the text is too long: send less at once")
        ends = [found.end() for found in SENTENCE_END.finditer(self._text)]
        if ends:
            whole, self._text = self._text[: ends[-1]], self._text[ends[-1] :]
            if whole.strip():
                await self._say(whole, self._voice)

    async def _say(self, text: str, voice: SynthesizeVoice | None) -> None:
        rate, pieces = self._engine.speak(text, self._name_of(voice), client=self._client)
        shape = {"rate": rate, "width": 2, "channels": 1}
        began = False
        async with contextlib.aclosing(pieces):
            async for wav in _chunks(pieces):
                if not began:
                    await self.write_event(AudioStart(**shape).event())
                    began = True
                await self.write_event(AudioChunk(audio=pcm(wav), **shape).event())
        await self.write_event(AudioStop().event())

    def _name_of(self, voice: SynthesizeVoice | None) -> str:
        default = next(iter(self._engine.voices))
        if voice is None or voice.name is None:
            return default
        return f"{voice.name}/{voice.speaker}" if voice.speaker else voice.name

    def _hear(self, chunk: AudioChunk) -> None:
        if self._converter is None:
            self._converter = AudioChunkConverter(rate=self._engine.recognizer.sample_rate, width=2, channels=1)
        self._audio += self._converter.convert(chunk).audio
        if len(self._audio) > self._engine.limits.body:
            self._audio.clear()
            raise ValueError(f"the recording has more than {self._engine.limits.body} bytes: send it in parts")
        if sum(len(other._audio) for other in self._others) > HELD:
            self._audio.clear()
            raise BusyError("the server holds too many recordings: try again later")

    async def _transcribe(self) -> None:
        samples = np.frombuffer(bytes(self._audio), "<i2")
        self._audio.clear()
        text = ""
        if len(samples):
            text = (await self._engine.transcribe(samples, hotwords=self._hotwords, client=self._client)).text
        self._hotwords = []
        for event in (TranscriptStart(), TranscriptChunk(text), Transcript(text), TranscriptStop()):
            await self.write_event(event.event())


class _Bounded:
    """The side of a connection that events are read from, which refuses to read more at once than a limit.

    Args:
        largest: bytes.
    """

    def __init__(self, reader: asyncio.StreamReader, largest: int) -> None:
        self._reader, self._largest = reader, largest
        self.readline = reader.readline  # bounded by asyncio

    async def readexactly(self, size: int) -> bytes:
        """Read bytes; raise ValueError if they are more than the limit."""
        if size > self._largest:
            raise ValueError(f"an event has {size} bytes but may have {self._largest}")
        return await self._reader.readexactly(size)


async def _next_event(reader: Any) -> Event | None:
    """Return the next event, or None where the client has gone or sends what is no event."""
    try:
        event = await async_read_event(reader)
    except (AttributeError, EOFError, KeyError, TypeError):  # of the package, over JSON that is no event
        return None
    return event if event and isinstance(event.type, str) and isinstance(event.data, dict) else None


def _parsed(kind: type[T], event: Event) -> T:
    """Return an event as an object of the package.

    Raises:
        ValueError: a field is missing or is not of its type or range.
    """
    read: Any = kind
    try:
        found = read.from_event(event)
    except (AttributeError, KeyError, TypeError, AssertionError):
        raise ValueError(f"the fields of the event {event.type} are not those of Wyoming") from None
    if isinstance(found, AudioChunk):
        for name, (least, most) in SHAPES.items():
            value = getattr(found, name)
            if type(value) is not int or not least <= value <= most:
                raise ValueError(f"the {name} of the audio is {value!r} but should be from {least} to {most}")
        if len(found.audio) % (found.width * found.channels):
            raise ValueError(f"{len(found.audio)} bytes of audio are no whole number of samples")
    elif isinstance(found, Transcribe):
        _check_strings(event, *_listed(found.transcript_names), *_listed(found.transcript_terms))
    else:
        voice = getattr(found, "voice", None) or SynthesizeVoice()
        _check_strings(event, getattr(found, "text", ""), voice.name or "", voice.speaker or "")
    result: T = found
    return result


def _listed(words: Any) -> list[Any]:
    return words if isinstance(words, list) else [words or ""]


def _check_strings(event: Event, *values: Any) -> None:
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"the event {event.type} has {value!r} where a string should be")


async def _chunks(pieces: AsyncIterator[Piece]) -> AsyncIterator[np.ndarray]:
    async for piece in pieces:
        for start in range(0, len(piece.wav), SAMPLES):
            yield piece.wav[start : start + SAMPLES]


async def serve(engine: Engine, host: str, port: int, version: str) -> Server:
    """Begin to answer on a port, and return the server, whose `stop` ends it."""
    server = Server(host, port)
    others: set[Handler] = set()
    await server.start(partial(Handler, engine, info(engine, version).event(), others))
    return server


async def announce(host: str, port: int) -> Callable[[], Awaitable[None]]:
    """Tell the local network of a port, so that Home Assistant finds it by itself; return what takes it back.

    Raises:
        ServeError: the package zeroconf is missing, or the server listens on this machine alone.
    """
    if host in ("127.0.0.1", "::1", "localhost"):
        raise ServeError("--announce needs an address that others can reach: give --host 0.0.0.0")
    try:
        from wyoming.zeroconf import HomeAssistantZeroconf
    except ImportError:
        raise ServeError("--announce needs zeroconf: pip install zeroconf") from None
    announced = HomeAssistantZeroconf(port, "speechnar", None if host in ("0.0.0.0", "::") else host)
    await announced.register_server()
    take_back: Callable[[], Awaitable[None]] = announced._aiozc.async_close
    return take_back
