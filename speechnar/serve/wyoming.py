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
import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import numpy as np
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioChunkConverter, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info, TtsProgram, TtsVoice, TtsVoiceSpeaker
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped, SynthesizeVoice

from speechnar.serve.engine import Engine, hotwords_of
from speechnar.serve.formats import pcm

SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*\s+|\n+")
SAMPLES = 4800  # of a chunk of audio at most: a fifth of a second


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


class Handler(AsyncEventHandler):
    """One connection."""

    def __init__(self, engine: Engine, offer: Event, *streams: Any) -> None:
        super().__init__(*streams)
        self._engine, self._offer = engine, offer
        self._voice: SynthesizeVoice | None = None
        self._text: str | None = None  # of a streamed request, what has not been spoken; None outside of one
        self._converter: AudioChunkConverter | None = None
        self._audio = bytearray()
        self._hotwords: list[str] = []

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
            self._voice, self._text = SynthesizeStart.from_event(event).voice, ""
        elif SynthesizeChunk.is_type(event.type) and self._text is not None:
            await self._say_whole_sentences(SynthesizeChunk.from_event(event).text)
        elif SynthesizeStop.is_type(event.type) and self._text is not None:
            rest, self._text = self._text, None
            if rest.strip():
                await self._say(rest, self._voice)
            await self.write_event(SynthesizeStopped().event())
        elif Synthesize.is_type(event.type) and self._text is None:
            request = Synthesize.from_event(event)
            await self._say(request.text, request.voice)
        elif Transcribe.is_type(event.type):
            request_ = Transcribe.from_event(event)
            terms = [*(request_.transcript_names or ()), *(request_.transcript_terms or ())]
            self._hotwords = [word for term in terms for word in hotwords_of(term, self._engine.recognizer.letters)]
        elif AudioStart.is_type(event.type):
            self._audio.clear()
            self._converter = None
        elif AudioChunk.is_type(event.type):
            self._hear(AudioChunk.from_event(event))
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
        rate, wavs = self._engine.speak(text, self._name_of(voice))
        shape = {"rate": rate, "width": 2, "channels": 1}
        began = False
        async for wav in _pieces(wavs):
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

    async def _transcribe(self) -> None:
        samples = np.frombuffer(bytes(self._audio), "<i2")
        self._audio.clear()
        text = ""
        if len(samples):
            text = (await self._engine.transcribe(samples, hotwords=self._hotwords)).text
        self._hotwords = []
        for event in (TranscriptStart(), TranscriptChunk(text), Transcript(text), TranscriptStop()):
            await self.write_event(event.event())


async def _pieces(wavs: AsyncIterator[np.ndarray]) -> AsyncIterator[np.ndarray]:
    async for wav in wavs:
        for start in range(0, len(wav), SAMPLES):
            yield wav[start : start + SAMPLES]


async def serve(engine: Engine, host: str, port: int, version: str) -> AsyncTcpServer:
    """Begin to answer on a port, and return the server, whose `stop` ends it."""
    server = AsyncTcpServer(host, port)
    await server.start(partial(Handler, engine, info(engine, version).event()))
    return server


def run(engine: Engine, host: str, port: int, version: str) -> None:
    """Answer until interrupted."""

    async def forever() -> None:
        await serve(engine, host, port, version)
        await asyncio.Event().wait()

    asyncio.run(forever())
