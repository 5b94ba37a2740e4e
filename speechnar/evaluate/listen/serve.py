"""The server of a listening test: one page, and a small API for its script.

    POST /api/raters    {key}                              -> {token}
    GET  /api/test                                         -> what is asked, and which trials are answered
    GET  /api/trials/{place}/samples/{sample}              -> audio/wav
    POST /api/ratings   {trial, key, scores, seconds}      -> {stored}

All but the first want `Authorization: Bearer TOKEN`. A token is the rater's number signed for this test. What a sample
is never leaves the server: a rater asks for the samples of a trial by their place. A rating that is acknowledged is on
the disk; the same request again, with the same key, is acknowledged again and changes nothing.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import html
import re
import socket
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import MutableHeaders

from speechnar.evaluate.listen import plan
from speechnar.evaluate.listen.plan import AUDIO_FOLDER, METHODS, ListenError, ListeningTest, Trial
from speechnar.evaluate.listen.store import Full, Rating, Refused, Store

LARGEST_BODY = 16384  # bytes
SLOWEST_BODY = 10.0  # seconds until a request must be complete
MOST_AT_ONCE = 1000  # connections
MOST_RATERS = 1000
HEADERS = {
    # only our own script and style, no frames; samples are played from blobs that the script has fetched
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",  # a cached sample would load faster and so reveal what X is
}
ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}

Key = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class NewRater(BaseModel):
    """The request that registers a rater, sent with the consent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: Key


class NewRating(BaseModel):
    """An answer to a trial."""

    model_config = ConfigDict(extra="forbid", strict=True)

    trial: Annotated[int, Field(ge=0, lt=10**6)]
    key: Key
    scores: Annotated[list[Annotated[int, Field(ge=-100, le=100)]], Field(min_length=1, max_length=100)]
    seconds: Annotated[float, Field(ge=0, le=10**6, allow_inf_nan=False)]


def listener(host: str = "127.0.0.1", port: int = 8000) -> socket.socket:
    """Return a socket that waits for connections; port 0 takes a free one.

    Raises:
        ListenError: the address is taken, or not one of this computer's.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ListenError(f"cannot listen on {host}, port {port} ({reason}); give others by --host, --port") from None


def serve(folder: Path, connections: socket.socket, most_raters: int = MOST_RATERS) -> None:
    """Serve the test of a folder until interrupted.

    Raises:
        ListenError: the folder holds no test, or cannot be written.
    """
    test = plan.load(folder)
    store = Store(folder)
    settings = uvicorn.Config(
        app(folder, test, store, most_raters),
        http="h11",
        ws="none",
        log_level="warning",
        limit_concurrency=MOST_AT_ONCE,
        h11_max_incomplete_event_size=LARGEST_BODY,
        timeout_keep_alive=10,
        server_header=False,
    )
    try:
        uvicorn.Server(settings).run([connections])
    finally:
        store.close()


def app(folder: Path, test: ListeningTest, store: Store, most_raters: int = MOST_RATERS) -> Guard:
    """Return the ASGI application of a test."""
    signer = Signer(store.secret(), test.id)
    files = {(stimulus.system, stimulus.item): folder / AUDIO_FOLDER / stimulus.file for stimulus in test.stimuli}
    plan_of = functools.lru_cache(maxsize=4096)(functools.partial(plan.plan, test))
    page = _page(test)
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def rater_of(request: Request) -> int:
        number = signer.number(request.headers.get("authorization", "").removeprefix("Bearer "))
        if number is None:
            raise HTTPException(401, "this rater is not known here; reload the page to begin")
        return number

    @api.exception_handler(RequestValidationError)
    def refuse(request: Request, error: RequestValidationError) -> Response:
        # FastAPI's own answer repeats the request, which may hold what JSON cannot say, such as NaN
        said = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()[:3])
        return JSONResponse({"detail": said}, 422)

    @api.get("/")
    def index() -> Response:
        return Response(page, media_type="text/html")

    @api.get("/{name}")
    def asset(name: str) -> Response:
        if name not in ASSETS:
            raise HTTPException(404, "there is no such page")
        return Response(_asset(name), media_type=ASSETS[name])

    @api.post("/api/raters")
    def begin(new: NewRater) -> dict[str, str]:
        try:
            return {"token": signer.token(store.add_rater(new.key, most_raters))}
        except Full as error:
            raise HTTPException(403, str(error)) from None

    @api.get("/api/test")
    def asked(request: Request) -> dict[str, Any]:
        rater = rater_of(request)
        return {**_asked(test, plan_of(rater)), "answered": store.answered(rater)}

    @api.get("/api/trials/{place}/samples/{sample}")
    def audio(request: Request, place: int, sample: int) -> Response:
        trials = plan_of(rater_of(request))
        if not 0 <= place < len(trials) or not 0 <= sample < len(trials[place].systems):
            raise HTTPException(404, "there is no such sample")
        trial = trials[place]
        return FileResponse(files[trial.systems[sample], trial.item], media_type="audio/wav")

    @api.post("/api/ratings")
    def rate(request: Request, new: NewRating) -> dict[str, bool]:
        rater = rater_of(request)
        trials, scores = plan_of(rater), METHODS[test.method].scores
        if new.trial >= len(trials):
            raise HTTPException(422, f"there is no trial {new.trial}")
        expected = plan.n_scores(trials[new.trial], test.method)
        if len(new.scores) != expected or not set(new.scores) <= set(scores):
            raise HTTPException(422, f"an answer has {expected} scores from {scores[0]} to {scores[-1]}")
        try:
            store.add_rating(Rating(rater, new.trial, new.key, tuple(new.scores), new.seconds))
        except Refused as error:
            raise HTTPException(409, str(error)) from None
        return {"stored": True}

    return Guard(api)


class Signer:
    """Make and check raters' tokens, `NUMBER.SIGNATURE`."""

    def __init__(self, secret: bytes, test_id: str) -> None:
        self._secret, self._test_id = secret, test_id

    def token(self, number: int) -> str:
        signature = hmac.new(self._secret, f"{self._test_id} {number}".encode(), hashlib.sha256)
        return f"{number}.{signature.hexdigest()}"

    def number(self, token: str) -> int | None:
        """Return the number of the rater of a token; None if the token is not valid."""
        found = re.fullmatch(r"(0|[1-9][0-9]{0,8})\.[0-9a-f]{64}", token, re.ASCII)
        if not found or not hmac.compare_digest(token, self.token(int(found[1]))):
            return None
        return int(found[1])


class Guard:
    """Middleware that reads the body of each request first, refuses one that is large or slow, and adds HEADERS."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            body = await asyncio.wait_for(_body(receive), SLOWEST_BODY)
        except asyncio.TimeoutError:
            refusal = JSONResponse({"detail": "the request took too long"}, 408, {"Connection": "close"})
            await refusal(scope, receive, send_guarded)
            return
        except OverflowError:
            sentence = f"a request has {LARGEST_BODY} bytes at most"
            refusal = JSONResponse({"detail": sentence}, 413, {"Connection": "close"})
            await refusal(scope, receive, send_guarded)
            return
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Any:
            return messages.pop() if messages else await receive()

        await self._inner(scope, replay, send_guarded)


async def _body(receive: Any) -> bytes:
    """Return the body of a request; raise OverflowError when it has too many bytes."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise OverflowError
        if not message.get("more_body"):
            return body


def _asked(test: ListeningTest, trials: tuple[Trial, ...]) -> dict[str, Any]:
    """Return the data of a rater's page; it does not tell which trials are catch trials."""
    method = METHODS[test.method]
    samples = len(trials[0].systems)
    labels = method.samples or ("the reference", *(f"sample {n}" for n in range(1, samples)))
    return {
        "question": test.question,
        "samples": labels,
        "choices": [{"score": choice.score, "label": choice.label} for choice in method.choices],
        "trials": len(trials),
        "training": sum(trial.kind == plan.TRAINING for trial in trials),
    }


def _asset(name: str) -> str:
    return resources.files("speechnar.evaluate.listen").joinpath("page", name).read_text(encoding="utf-8")


def _page(test: ListeningTest) -> str:
    """Return the page with the texts of the test; markup in them is escaped."""

    def paragraphs(text: str) -> str:
        return "\n".join(f"<p>{html.escape(part.strip())}</p>" for part in re.split(r"\n\s*\n", text) if part.strip())

    texts = {
        "id": html.escape(test.id),
        "title": html.escape(test.title),
        "intro": paragraphs(test.intro),
        "consent": paragraphs(test.consent),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: texts[found[1]], _asset("index.html"))
