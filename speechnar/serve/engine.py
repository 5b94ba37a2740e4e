"""The models of a server and the work that they do: one request after another, a bounded number waiting.

Speaking and transcribing have a worker thread each, so that a long recording delays no speech. A request whose client
has gone is given up at the next piece of its work.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from speechnar.runtime import Caption, Recognizer, Stream, Transcript, Voice

T = TypeVar("T")


class ServeError(ValueError):
    """A request that cannot be done, or a server that cannot start; the message says why."""


class BusyError(ServeError):
    """Too many requests are waiting: the client should come again later."""


class CanceledError(ServeError):
    """The client has gone, or the request took too long."""


@dataclass(frozen=True)
class Limits:
    """Bounds on each request, and on all together.

    Attributes:
        characters: of a text to speak.
        body: bytes of a request, an upload included.
        seconds: that a request may work, once its turn has come.
        audio_seconds: of a recording.
        waiting: requests of each kind that may wait for their turn.
        patience: seconds that a request may wait for its turn.
        streams: of live audio at once.
        idle: seconds without a message, after which a stream of live audio ends.
    """

    characters: int = 10_000
    body: int = 100 * 2**20
    seconds: float = 600.0
    audio_seconds: float = 4 * 3600.0
    waiting: int = 32
    patience: float = 60.0
    streams: int = 16
    idle: float = 60.0


class Turns:
    """A worker thread, and a bounded line of requests that wait for it."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._limits, self._here, self._turn = limits, 0, asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Requests that work or wait."""
        return self._here

    async def stream(self, work: Callable[[Cancel], Iterator[T]]) -> AsyncGenerator[T, None]:
        """Run a generator in the worker thread and pass on what it yields.

        The thread does not wait for a slow client: what it makes is bounded by the limits on requests.

        Raises:
            BusyError: too many are waiting, or it was not this request's turn in time.
            CanceledError: it worked too long.
        """
        if self._here > self._limits.waiting:
            raise BusyError(f"{self._here} requests are waiting: try again later")
        self._here += 1
        cancel = Cancel()
        held = False
        try:
            try:
                await asyncio.wait_for(self._turn.acquire(), self._limits.patience)
                held = True
            except asyncio.TimeoutError:
                raise BusyError(f"no turn came in {self._limits.patience:g} s: try again later") from None
            cancel.deadline = time.monotonic() + self._limits.seconds
            loop, made = asyncio.get_running_loop(), asyncio.Queue[Any]()

            def run() -> None:
                def put(item: Any) -> None:
                    loop.call_soon_threadsafe(made.put_nowait, item)

                try:
                    for item in work(cancel):
                        put((item, None))
                        cancel.check()
                    put((None, None))
                except BaseException as error:
                    put((None, error))

            done = loop.run_in_executor(self._pool, run)
            done.add_done_callback(lambda _: self._turn.release())
            held = False  # from here on, the end of the work frees the turn
            while True:
                item, error = await made.get()
                if error is not None:
                    raise error
                if item is None:
                    return
                yield item
        finally:
            cancel.set()
            self._here -= 1
            if held:
                self._turn.release()

    def close(self) -> None:
        """End the worker thread after the work that it has."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Cancel:
    """A flag that work looks at between its pieces."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.deadline = float("inf")

    def set(self) -> None:
        self._event.set()

    def check(self, *_: object) -> None:
        """Raise CanceledError if the client has gone or time is up."""
        if self._event.is_set():
            raise CanceledError("the client has gone")
        if time.monotonic() > self.deadline:
            raise CanceledError("the request took too long: send less at once")


class Live:
    """A stream of live audio, whose work is done in a thread that all streams share in turn."""

    def __init__(self, stream: Stream, pool: ThreadPoolExecutor, sample_rate: int) -> None:
        self._stream, self._pool, self._rate = stream, pool, sample_rate

    @property
    def heard(self) -> float:
        """Seconds of audio so far."""
        return self._stream.heard

    async def captions(self, samples: np.ndarray | None) -> AsyncIterator[Caption]:
        """Recognize (T_wav,) samples, a second at a time so that other streams have their turn, or None for the end."""
        loop = asyncio.get_running_loop()
        if samples is None:
            for caption in await loop.run_in_executor(self._pool, self._stream.finish):
                yield caption
            return
        for start in range(0, len(samples), self._rate):
            piece = samples[start : start + self._rate]
            for caption in await loop.run_in_executor(self._pool, self._stream.feed, piece):
                yield caption


class Engine:
    """Voices and a recognizer, loaded, with their workers.

    Args:
        voices: by name, the first one the default.
    """

    def __init__(self, voices: dict[str, Voice], recognizer: Recognizer, limits: Limits) -> None:
        self.voices, self.recognizer, self.limits = voices, recognizer, limits
        self.speaking, self.hearing = Turns("speak", limits), Turns("hear", limits)
        self._live, self.streams = ThreadPoolExecutor(1, thread_name_prefix="live"), 0

    def names(self) -> list[str]:
        """Return what a request may call a voice: voices, then `VOICE/SPEAKER` where there are several speakers."""
        return [
            name if speaker is None else f"{name}/{speaker}"
            for name, voice in self.voices.items()
            for speaker in (None, *voice.speakers)
        ]

    def find(self, name: str) -> tuple[Voice, str | None]:
        """Return a voice and a speaker by a name of `names`, or by a speaker's own name.

        Raises:
            ServeError: there is none.
        """
        voice, _, speaker = name.partition("/")
        if voice in self.voices and (not speaker or speaker in self.voices[voice].speakers):
            return self.voices[voice], speaker or None
        for candidate in self.voices.values():
            if name in candidate.speakers:
                return candidate, name
        raise ServeError(f"there is no voice {name!r}; take one of {', '.join(self.names())}")

    def speak(self, text: str, voice: str, speed: float = 1.0) -> tuple[int, AsyncIterator[np.ndarray]]:
        """Return the sample rate in Hz, and (T_wav,) float32 while it is made.

        Raises:
            ServeError: the text is too long, or there is no such voice.
        """
        if len(text) > self.limits.characters:
            raise ServeError(f"the text has {len(text)} characters but may have {self.limits.characters}: send less")
        found, speaker = self.find(voice)

        def work(cancel: Cancel) -> Iterator[np.ndarray]:
            for wav in found.stream(text, speed=speed, speaker=speaker):
                cancel.check()
                yield wav

        return found.sample_rate, self.speaking.stream(work)

    async def transcribe(
        self, recording: Path | np.ndarray, sample_rate: int | None = None, hotwords: Sequence[str] = ()
    ) -> Transcript:
        """Transcribe a file, or (T_wav,) samples.

        Raises:
            ValueError: the recording cannot be read, or is too long.
        """
        longest = self.limits.audio_seconds

        def work(cancel: Cancel) -> Iterator[Transcript]:
            done = 0.0

            def progress(seconds: float) -> None:
                nonlocal done
                cancel.check()
                done += seconds
                if done > longest:
                    raise ServeError(f"the recording lasts more than {longest:g} s: send it in parts")

            yield self.recognizer.transcribe(recording, sample_rate, hotwords=hotwords, progress=progress)

        async with contextlib.aclosing(self.hearing.stream(work)) as transcripts:
            return await anext(transcripts)

    @contextlib.contextmanager
    def listen(self, sample_rate: int, hotwords: Sequence[str] = ()) -> Iterator[Live]:
        """Open a stream of live audio of a sample rate in Hz.

        Raises:
            BusyError: too many are open.
        """
        if self.streams >= self.limits.streams:
            raise BusyError(f"{self.streams} streams of live audio are open: try again later")
        self.streams += 1
        try:
            yield Live(self.recognizer.stream(sample_rate, hotwords=hotwords), self._live, sample_rate)
        finally:
            self.streams -= 1

    def close(self) -> None:
        """End the workers after the work that they have."""
        self.speaking.close()
        self.hearing.close()
        self._live.shutdown(wait=True, cancel_futures=True)


def hotwords_of(prompt: str | None, letters: frozenset[str]) -> list[str]:
    """Return the words and phrases of a prompt that a recognizer can expect.

    Clients send a list of names, or the text before. A list, with commas or line ends, is taken; running text is not.

    Args:
        letters: that the recognizer can write; a phrase with others is left out.
    """
    phrases = [" ".join(part.split()) for part in (prompt or "").replace("\n", ",").split(",")]
    found = [phrase for phrase in phrases if phrase and len(phrase.split()) <= 4]
    if len(phrases) > 1 and len(found) < len(phrases):
        return []
    return [phrase for phrase in found if set(phrase.lower()) - {" "} <= letters][:100]
