"""The HTTP server: OpenAI's speech and transcription endpoints, and what clients ask besides.

    POST /v1/audio/speech          {input, voice, response_format?, speed?, stream_format?}  -> audio, or events
    POST /v1/audio/transcriptions  form: file, response_format?, prompt?, stream? ...        -> text or JSON
    POST /v1/audio/songs           form: file, part?, tempo?, response_format? ...           -> audio, or events
    websockets: /v1/live, see `live`
    POST /v1/audio/subtitles       {words, duration, format}                                 -> srt, vtt or txt
    GET  /v1/models  /v1/audio/voices  /audio/voices  /audio/models  /health  /metrics
    GET  /                                                                                   -> a web page for all of it

Source: OpenAI's API reference, "Audio" (create speech, create transcription), as openai-python, LiveKit, Open WebUI and
    Home Assistant use it.
Differs: text is English; `model` may be anything; temperature and instructions change nothing. `pitch`, `timings` and
    `progress` are added, and songs and subtitles.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Container, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

from speechnar.decode.result import Word
from speechnar.runtime import Transcript, timings
from speechnar.score.reading import READERS
from speechnar.serve import answers, formats, live
from speechnar.serve.engine import Engine, Piece, Song, hotwords_of
from speechnar.serve.guard import Guard, error_response
from speechnar.serve.metrics import Metrics
from speechnar.serve.turns import BusyError, CanceledError
from speechnar.serve.web import PAGE, add_page
from speechnar.text.languages.front_end import name_of

VOICES_OF_OPENAI = (
    *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"),
)
"""Names that clients send if nothing is configured: the default voice speaks for all of them."""

Number = Annotated[float, Field(allow_inf_nan=False)]
T = TypeVar("T")


class SpeechRequest(BaseModel):
    """Body of a speech request; fields that this server does not know are ignored, as clients send many.

    Attributes:
        pitch: semitones up or down.
        timings: events tell the times of the words of each sentence too, before its audio.
    """

    model_config = ConfigDict(extra="ignore")

    input: str
    voice: str | dict[str, Any] | None = None
    model: str | None = None
    response_format: str | None = None
    speed: Number = 1.0
    pitch: Number = 0.0
    stream_format: Literal["audio", "sse"] = "audio"
    timings: bool = False


class TimedWord(BaseModel):
    """A word of a transcript, with times in seconds."""

    word: Annotated[str, Field(min_length=1, max_length=1000)]
    start: Number
    end: Number


class SubtitlesRequest(BaseModel):
    """Body of a request for subtitles: a transcript that was edited, with its duration in seconds."""

    words: Annotated[list[TimedWord], Field(max_length=200_000)]
    duration: Annotated[float, Field(ge=0, le=1e6)]
    format: Literal["srt", "vtt", "txt"]

    def transcript(self) -> Transcript:
        """Return the transcript.

        Raises:
            ValueError: the times of a word are out of order or outside the recording.
        """
        before = 0.0
        for word in self.words:
            if not before <= word.start <= word.end <= self.duration:
                raise ValueError(
                    f"the word {word.word!r} has times that are out of order: {word.start} to {word.end} s"
                )
            before = word.start
        words = (Word(" ".join(word.word.split()), word.start, word.end, 1.0) for word in self.words)
        return Transcript("subtitles", self.duration, tuple(words))


def app(engine: Engine, keys: Sequence[str] = (), origins: Sequence[str] = ()) -> Any:
    """Return the ASGI application.

    Args:
        keys: API keys, one of which a request has to bring; without any, none is asked for.
        origins: of pages in other places that may use the server from a browser; "*" for all.
    """
    metrics = Metrics(engine)
    api = FastAPI(title="speechnar", docs_url=None, redoc_url=None, openapi_url=None)
    _report_errors(api, metrics)

    add_page(api)

    @api.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @api.get("/metrics")
    def show_metrics() -> Response:
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")

    @api.get("/v1/models")
    @api.get("/audio/models")
    @api.get("/v1/audio/models")
    def models() -> dict[str, Any]:
        names = [*engine.voices, engine.recognizer.name, "tts-1", "whisper-1"]
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "speechnar"} for name in names]
        return {"object": "list", "data": listed, "models": listed}

    @api.get("/v1/audio/voices")
    @api.get("/audio/voices")
    def voices() -> dict[str, Any]:
        return {"voices": [{"id": name, "name": name} for name in engine.names()]}

    async def answer(
        request: Request, pieces: AsyncGenerator[Song | Piece, None], rate: int, name: str, events: bool, timings: bool
    ) -> Response:
        parts = answers.encoded(metrics.counted(pieces, rate), rate, name)
        if not events:
            parts = (part async for part in parts if isinstance(part, bytes))
        # What is wrong with the request comes to light here, before a status is sent.
        first = await _while_connected(request, anext(parts))
        if events:
            return _Stream(answers.speech_events(first, parts, timings), "text/event-stream", pieces)
        return _Stream(answers.joined(first, parts), formats.MEDIA_TYPES[name], pieces)

    @api.post("/v1/audio/speech")
    async def speech(request: Request, wanted: SpeechRequest) -> Response:
        name = wanted.response_format or "mp3"
        formats.check(name)
        voice = _voice_of(engine, wanted.voice)
        rate, pieces = engine.speak(wanted.input, voice, wanted.speed, wanted.pitch, request.state.client)
        return await answer(request, pieces, rate, name, wanted.stream_format == "sse", wanted.timings)

    @api.post("/v1/audio/songs")
    async def songs(
        request: Request,
        file: Annotated[UploadFile, File()],
        voice: Annotated[str | None, Form()] = None,
        part: Annotated[str | None, Form()] = None,
        tempo: Annotated[Number, Form()] = 1.0,
        response_format: Annotated[str, Form()] = "mp3",
        stream_format: Annotated[Literal["audio", "sse"], Form()] = "audio",
        timings: Annotated[bool, Form()] = False,
    ) -> Response:
        formats.check(response_format)
        client, singer = request.state.client, _voice_of(engine, voice)

        async def sung() -> AsyncGenerator[Song | Piece, None]:
            async with _saved(file, _ending(file.filename, READERS)) as path:
                async with contextlib.aclosing(engine.sing(path, singer, part or None, tempo, client)[1]) as pieces:
                    async for piece in pieces:
                        yield piece

        rate = engine.find(singer)[0].sample_rate
        return await answer(request, sung(), rate, response_format, stream_format == "sse", timings)

    @api.post("/v1/audio/transcriptions")
    async def transcriptions(
        request: Request,
        file: Annotated[UploadFile, File()],
        response_format: Annotated[Literal["json", "text", "srt", "vtt", "verbose_json"], Form()] = "json",
        language: Annotated[str | None, Form()] = None,
        prompt: Annotated[str | None, Form()] = None,
        stream: Annotated[bool, Form()] = False,
        progress: Annotated[bool, Form()] = False,
        granularities: Annotated[list[str] | None, Form(alias="timestamp_granularities[]")] = None,
        more_granularities: Annotated[list[str] | None, Form(alias="timestamp_granularities")] = None,
    ) -> Response:
        spoken = name_of(engine.recognizer.info.language)
        if language and spoken.lower() not in (language.lower(), name_of(language).lower()):
            raise ValueError(f"the language is {language!r}, but this server transcribes {spoken} alone")
        hotwords = hotwords_of(prompt, engine.recognizer.letters)
        client = request.state.client

        async def states() -> AsyncGenerator[float | Transcript, None]:
            async with _saved(file, _ending(file.filename)) as path:
                async with contextlib.aclosing(_followed(engine, path, hotwords, client)) as found:
                    async for state in found:
                        if isinstance(state, Transcript):
                            metrics.transcribed(state.duration)
                        yield state

        if stream and progress:
            found = states()
            first = await _while_connected(request, anext(found))
            events = answers.progress_events(answers.joined(first, found))
            return _Stream(events, "text/event-stream", found)
        transcript = await _while_connected(request, _last(states()))
        assert isinstance(transcript, Transcript)
        if stream:
            return StreamingResponse(iter(answers.transcript_events(transcript)), media_type="text/event-stream")
        if response_format == "verbose_json":
            return JSONResponse(answers.verbose(transcript, (granularities or []) + (more_granularities or [])))
        if response_format == "json":
            usage = {"type": "duration", "seconds": math.ceil(transcript.duration)}
            return JSONResponse({"text": transcript.text, "usage": usage})
        text = transcript.text + "\n" if response_format == "text" else timings.WRITERS[response_format](transcript)
        return PlainTextResponse(text)

    @api.post("/v1/audio/subtitles")
    def subtitles(wanted: SubtitlesRequest) -> Response:
        return PlainTextResponse(timings.WRITERS[wanted.format](wanted.transcript()))

    live.add_routes(api, engine, metrics)
    return Guard(api, metrics, engine.limits.body, keys, origins, {"/health", *PAGE})


def _voice_of(engine: Engine, voice: str | dict[str, Any] | None) -> str:
    """Return the name of a voice that a request asks for in any of the ways that clients do."""
    name = voice.get("id") or voice.get("name") if isinstance(voice, dict) else voice
    if name is None or str(name).lower() in (*VOICES_OF_OPENAI, "default", ""):
        if name is not None and name in engine.names():
            return str(name)
        return next(iter(engine.voices))
    return str(name)


class _Stream(StreamingResponse):
    """A response that ends its work when the client goes, also while nothing is asked of the work.

    Args:
        work: that the content is made of.
    """

    def __init__(self, content: AsyncIterator[Any], media_type: str, work: AsyncGenerator[Any, None]) -> None:
        super().__init__(content, media_type=media_type)
        self._work = work

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._work.aclose()


@contextlib.asynccontextmanager
async def _saved(upload: UploadFile, ending: str) -> AsyncIterator[Path]:
    """Give the path of a copy of an upload, for the time of a block.

    Raises:
        ValueError: the upload is empty; or in the block, whose message then has no path.
    """
    with tempfile.TemporaryDirectory(prefix="speechnar-") as folder:
        path = Path(folder, "upload" + ending)
        with open(path, "wb") as copy:
            while data := await upload.read(2**20):
                copy.write(data)
        await upload.close()
        if not path.stat().st_size:
            raise ValueError("the file is empty")
        try:
            yield path
        except ValueError as error:
            raise type(error)(str(error).replace(str(path), "the upload")) from None


async def _followed(
    engine: Engine, path: Path, hotwords: Sequence[str], client: str
) -> AsyncGenerator[float | Transcript, None]:
    """Transcribe; yield the seconds that are done, again and again, and then the transcript."""
    loop, done = asyncio.get_running_loop(), asyncio.Queue[float | None]()

    def progress(seconds: float) -> None:
        loop.call_soon_threadsafe(done.put_nowait, seconds)

    working = asyncio.create_task(engine.transcribe(path, hotwords=hotwords, client=client, progress=progress))
    working.add_done_callback(lambda _: done.put_nowait(None))
    try:
        while (seconds := await done.get()) is not None:
            yield seconds
        yield working.result()
    finally:
        await _given_up(working)


async def _while_connected(request: Request, work: Awaitable[T]) -> T:
    """Return what work returns, or cancel it when the client goes, of which the framework tells no handler.

    Raises:
        CanceledError: the client has gone.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.ensure_future(work), asyncio.create_task(gone())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise CanceledError("the client has gone")
    finally:
        await _given_up(working, watching)


async def _given_up(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks, wait for their end, and drop their errors, which nobody is left to hear of."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _last(states: AsyncIterator[T]) -> T:
    return [state async for state in states][-1]


def _ending(name: str | None, known: Container[str] | None = None) -> str:
    """Return an upload's ending, which readers look at, if it is harmless; its name is never used."""
    ending = Path(name or "").suffix.lower()
    if known is not None:
        return ending if ending in known else ""
    return ending if ending[1:].isalnum() and ending.isascii() and len(ending) <= 6 and ending != ".raw" else ""


def _report_errors(api: FastAPI, metrics: Metrics) -> None:
    """Answer every error in OpenAI's form."""

    def answer(status: int, message: str, param: str | None = None) -> Response:
        metrics.refused(status)
        return error_response(status, message, param)

    @api.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][1:])
        return answer(400, f"{name or 'the body'}: {first['msg']}", name or None)

    @api.exception_handler(StarletteHTTPException)
    async def _(request: Request, error: StarletteHTTPException) -> Response:
        return answer(error.status_code, str(error.detail))

    @api.exception_handler(BusyError)
    async def _(request: Request, error: BusyError) -> Response:
        return answer(429, str(error))

    @api.exception_handler(CanceledError)
    async def _(request: Request, error: CanceledError) -> Response:
        return answer(503, str(error))

    @api.exception_handler(ValueError)
    async def _(request: Request, error: ValueError) -> Response:
        return answer(400, str(error))

    @api.exception_handler(OSError)
    async def _(request: Request, error: OSError) -> Response:
        return answer(500, f"the server cannot do this now ({error.strerror or error})")
