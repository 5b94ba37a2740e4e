"""The HTTP server: OpenAI's speech and transcription endpoints, and what clients ask besides.

    POST /v1/audio/speech          {input, voice, response_format?, speed?, stream_format?}  -> audio, or events
    POST /v1/audio/transcriptions  form: file, response_format?, prompt?, stream? ...        -> text or JSON
    websockets: /v1/live, see `live`
    GET  /v1/models  /v1/audio/voices  /audio/voices  /audio/models  /health  /metrics

Source: OpenAI's API reference, "Audio" (create speech, create transcription), as openai-python, LiveKit, Open WebUI and
    Home Assistant use it.
Differs: text is English; `model` may be anything; temperature and instructions change nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import math
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from fastapi import Depends, FastAPI, File, Form, HTTPException, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

from speechnar.runtime import Transcript, timings
from speechnar.serve import formats, live
from speechnar.serve.engine import BusyError, CanceledError, Engine, hotwords_of
from speechnar.serve.metrics import Metrics

VOICES_OF_OPENAI = (
    *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"),
)
"""Names that clients send if nothing is configured: the default voice speaks for all of them."""

RETRY_AFTER = 5  # seconds

T = TypeVar("T")


class SpeechRequest(BaseModel):
    """Body of a speech request; fields that this server does not know are ignored, as clients send many."""

    model_config = ConfigDict(extra="ignore")

    input: str
    voice: str | dict[str, Any] | None = None
    model: str | None = None
    response_format: str | None = None
    speed: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"


def app(engine: Engine, keys: Sequence[str] = (), origins: Sequence[str] = ()) -> Any:
    """Return the ASGI application.

    Args:
        keys: API keys, one of which a request has to bring; without any, none is asked for.
        origins: of pages in other places that may use the server from a browser; "*" for all.
    """
    metrics = Metrics(engine)
    api = FastAPI(title="speechnar", docs_url=None, redoc_url=None, openapi_url=None)
    _report_errors(api, metrics)

    def authorized(request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if keys and not any([hmac.compare_digest(given, key.encode()) for key in keys]):
            raise HTTPException(401, "give one of the server's API keys: Authorization: Bearer KEY")

    allowed = [Depends(authorized)]

    @api.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @api.get("/metrics", dependencies=allowed)
    def show_metrics() -> Response:
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")

    @api.get("/v1/models", dependencies=allowed)
    @api.get("/audio/models", dependencies=allowed)
    @api.get("/v1/audio/models", dependencies=allowed)
    def models() -> dict[str, Any]:
        names = [*engine.voices, engine.recognizer.name, "tts-1", "whisper-1"]
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "speechnar"} for name in names]
        return {"object": "list", "data": listed, "models": listed}

    @api.get("/v1/audio/voices", dependencies=allowed)
    @api.get("/audio/voices", dependencies=allowed)
    def voices() -> dict[str, Any]:
        return {"voices": [{"id": name, "name": name} for name in engine.names()]}

    @api.post("/v1/audio/speech", dependencies=allowed)
    async def speech(request: Request, wanted: SpeechRequest) -> Response:
        name = wanted.response_format or "mp3"
        formats.check(name)
        rate, wavs = engine.speak(wanted.input, _voice_of(engine, wanted.voice), wanted.speed)
        pieces = _encoded(metrics.counted(wavs, rate), rate, name)
        # What is wrong with the request comes to light here, before a status is sent.
        first = await _while_connected(request, _first(pieces))
        if wanted.stream_format == "sse":
            return StreamingResponse(_speech_events(first, pieces), media_type="text/event-stream")
        return StreamingResponse(_joined(first, pieces), media_type=formats.MEDIA_TYPES[name])

    @api.post("/v1/audio/transcriptions", dependencies=allowed)
    async def transcriptions(
        request: Request,
        file: Annotated[UploadFile, File()],
        response_format: Annotated[Literal["json", "text", "srt", "vtt", "verbose_json"], Form()] = "json",
        language: Annotated[str | None, Form()] = None,
        prompt: Annotated[str | None, Form()] = None,
        stream: Annotated[bool, Form()] = False,
        granularities: Annotated[list[str] | None, Form(alias="timestamp_granularities[]")] = None,
        more_granularities: Annotated[list[str] | None, Form(alias="timestamp_granularities")] = None,
    ) -> Response:
        if language and language.lower().replace("_", "-").split("-")[0] not in ("en", "english"):
            raise ValueError(f"the language is {language!r}, but this server transcribes English alone")
        with tempfile.TemporaryDirectory(prefix="speechnar-") as folder:
            path = Path(folder, "upload" + _ending(file.filename))
            size = 0
            with open(path, "wb") as copy:
                while data := await file.read(2**20):
                    size += copy.write(data)
            if not size:
                raise ValueError("the file is empty: upload a recording")
            hotwords = hotwords_of(prompt, engine.recognizer.letters)
            try:
                transcript = await _while_connected(request, engine.transcribe(path, hotwords=hotwords))
            except ValueError as error:
                raise type(error)(str(error).replace(str(path), "the upload")) from None
        metrics.transcribed(transcript.duration)
        if stream:
            return StreamingResponse(iter(_transcript_events(transcript)), media_type="text/event-stream")
        if response_format == "verbose_json":
            return JSONResponse(verbose(transcript, (granularities or []) + (more_granularities or [])))
        if response_format == "json":
            usage = {"type": "duration", "seconds": math.ceil(transcript.duration)}
            return JSONResponse({"text": transcript.text, "usage": usage})
        text = transcript.text + "\n" if response_format == "text" else timings.WRITERS[response_format](transcript)
        return PlainTextResponse(text)

    live.add_routes(api, engine, metrics, keys, origins)
    return Guard(api, engine.limits.body, origins)


def _voice_of(engine: Engine, voice: str | dict[str, Any] | None) -> str:
    """Return the name of a voice that a request asks for in any of the ways that clients do."""
    name = voice.get("id") or voice.get("name") if isinstance(voice, dict) else voice
    if name is None or str(name).lower() in (*VOICES_OF_OPENAI, "default", ""):
        if name is not None and name in engine.names():
            return str(name)
        return next(iter(engine.voices))
    return str(name)


async def _encoded(wavs: AsyncIterator[np.ndarray], rate: int, name: str) -> AsyncIterator[bytes]:
    """Encode audio while it comes; the first piece is never empty."""
    if name == "aac":
        whole = [wav async for wav in wavs]
        yield await asyncio.to_thread(formats.aac, whole, rate)
        return
    encoder = formats.Encoder(rate, name)
    async for wav in wavs:
        if data := encoder.append(wav):
            yield data
    if data := encoder.close():
        yield data


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what work returns, or cancel it when the client goes, of which the framework tells no handler.

    Raises:
        CanceledError: the client has gone.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise CanceledError("the client has gone")
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.wait({working, watching})


async def _first(pieces: AsyncIterator[bytes]) -> bytes:
    return await anext(pieces)


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for data in rest:
        yield data


async def _speech_events(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[str]:
    async for data in _joined(first, rest):
        yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()})
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield _event({"type": "speech.audio.done", "usage": usage})


def _transcript_events(transcript: Transcript) -> Iterator[str]:
    for number, word in enumerate(transcript.words):
        yield _event({"type": "transcript.text.delta", "delta": f" {word.text}" if number else word.text})
    yield _event({"type": "transcript.text.done", "text": transcript.text})


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def verbose(transcript: Transcript, granularities: Sequence[str]) -> dict[str, Any]:
    """Return the `verbose_json` form, with words where `granularities` has "word"."""

    def confidences(start: float, end: float) -> list[float]:
        return [word.confidence for word in transcript.words if start <= word.start < end]

    segments = [
        {
            "id": number,
            "seek": 0,
            "start": segment.start,
            "end": segment.end,
            "text": f" {segment.text}",
            "tokens": [],
            "temperature": 0.0,
            "avg_logprob": _mean_log(confidences(segment.start, segment.end)),
            "compression_ratio": 1.0,
            "no_speech_prob": 0.0,
        }
        for number, segment in enumerate(transcript.segments)
    ]
    found: dict[str, Any] = {
        "task": "transcribe",
        "language": "english",
        "duration": transcript.duration,
        "text": transcript.text,
        "segments": segments,
        "usage": {"type": "duration", "seconds": math.ceil(transcript.duration)},
    }
    if "word" in granularities:
        found["words"] = [{"word": w.text, "start": w.start, "end": w.end} for w in transcript.words]
        if "segment" not in granularities:
            del found["segments"]
    return found


def _mean_log(confidences: Sequence[float]) -> float:
    return sum(math.log(max(value, 1e-4)) for value in confidences) / max(1, len(confidences))


def _ending(name: str | None) -> str:
    """Return an upload's ending, which libsndfile and ffmpeg look at, if it is harmless; its name is never used."""
    ending = Path(name or "").suffix.lower()
    return ending if ending[1:].isalnum() and ending.isascii() and len(ending) <= 6 and ending != ".raw" else ""


def _report_errors(api: FastAPI, metrics: Metrics) -> None:
    """Answer every error as OpenAI does: {"error": {"message", "type", "param", "code"}}."""

    def answer(status: int, message: str, param: str | None = None, headers: dict[str, str] | None = None) -> Response:
        kind = "invalid_request_error" if status < 500 and status != 429 else "server_error"
        metrics.refused(status)
        body = {"error": {"message": message, "type": kind, "param": param, "code": None}}
        return JSONResponse(body, status, headers)

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
        return answer(429, str(error), headers={"Retry-After": str(RETRY_AFTER)})

    @api.exception_handler(CanceledError)
    async def _(request: Request, error: CanceledError) -> Response:
        return answer(503, str(error), headers={"Retry-After": str(RETRY_AFTER)})

    @api.exception_handler(ValueError)
    async def _(request: Request, error: ValueError) -> Response:
        return answer(400, str(error))

    @api.exception_handler(OSError)
    async def _(request: Request, error: OSError) -> Response:
        return answer(500, f"the server cannot do this now ({error.strerror or error})")


class Guard:
    """Refuses bodies that are too large, and answers browsers' questions about other origins."""

    def __init__(self, inner: Any, largest: int, origins: Sequence[str]) -> None:
        self._largest = largest
        if origins:
            from starlette.middleware.cors import CORSMiddleware

            inner = CORSMiddleware(inner, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"])
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        sentence = f"a request has {self._largest} bytes at most: send a shorter recording, or a compressed one"
        body = {"error": {"message": sentence, "type": "invalid_request_error", "param": None, "code": None}}
        refusal = JSONResponse(body, 413, {"Connection": "close"})
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if lengths and lengths[0].isdigit() and int(lengths[0]) > self._largest:
            # A client that is cut off while it sends its body may never see the answer: a body that
            # is at most twice too large is read and dropped first.
            dropped, more = 0, True
            while more and dropped < 2 * self._largest:
                message = await receive()
                dropped, more = dropped + len(message.get("body", b"")), message.get("more_body", False)
            await refusal(scope, receive, send)
            return
        size = 0

        async def counted() -> Any:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._largest:
                raise OverflowError(sentence)
            return message

        async def checked(message: Any) -> None:
            # Whatever the application makes of a body that broke off, the client is told of its size.
            if size <= self._largest:
                await send(message)

        try:
            await self._inner(scope, counted, checked)
        except OverflowError:
            if size <= self._largest:
                raise
        if size > self._largest:
            await refusal(scope, receive, send)
