"""Turns at a processor: many requests of many clients, one of which works at a time.

Clients take turns of a second, so that no client's long work keeps another's short work waiting:

    client A   [== a long recording ==]      [== goes on ==]      [== goes on ==]
    client B                           [= b =]
    client C                                                [= c =]

A request whose client does not take what is made gives its turn away too, so that a slow client delays nobody, and
what lies ready for it is bounded.

Source: longest queue drop (Suter et al. 1999) for the line that is full: the client with the most requests loses its
    newest one.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")
Check: TypeAlias = Callable[..., None]

SLICE = 1.0  # seconds that a request works before it gives its turn to the next, if one waits
BEGUN = 4  # requests of one client that may be begun at once; each holds a decoder or an encoder
AHEAD = 6  # results that may lie ready for a client


class ServeError(ValueError):
    """A request that cannot be done, or a server that cannot start; the message says why."""


class BusyError(ServeError):
    """Too many requests are waiting: the client should come again later."""


class CanceledError(ServeError):
    """The client has gone, or the request took too long."""


class Turns:
    """A worker, and a bounded line of requests that wait for it.

    Args:
        name: of the threads.
        waiting: requests that may wait, besides the one that works.
        patience: seconds that a request may wait for its first turn.
        seconds: that a request may work in all.
    """

    def __init__(self, name: str, waiting: int, patience: float, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(waiting + 1, thread_name_prefix=name)
        self._most, self._patience, self._seconds = waiting + 1, patience, seconds
        self._jobs: list[_Job[Any]] = []
        self._working: _Job[Any] | None = None
        self._clock = itertools.count()
        self._served: dict[str, int] = {}  # when each client had its last turn, by `_clock`

    @property
    def waiting(self) -> int:
        """Requests that work or wait."""
        return len(self._jobs)

    async def stream(self, work: Callable[[Check], Iterator[T]], client: str) -> AsyncGenerator[T, None]:
        """Run a generator in a worker thread and pass on what it yields.

        Args:
            work: is given a function to call between the pieces of its work, which raises CanceledError once the
                client has gone, and gives the turn away when it is time.
            client: who asks.

        Raises:
            BusyError: too many are waiting, or it was not this request's turn in time.
            CanceledError: it worked too long.
        """
        job: _Job[T] = _Job(self, client, self._seconds)
        self._admit(job)
        try:
            try:
                await asyncio.wait_for(job.line_up(), self._patience)
            except asyncio.TimeoutError:
                raise BusyError(f"no turn came in {self._patience:g} s: try again later") from None
            job.done = job.loop.run_in_executor(self._pool, job.run, work)
            job.done.add_done_callback(lambda _: self.release(job))
            while True:
                item, error = await job.made.get()
                job.room.release()
                if error is not None:
                    raise error
                if item is None:
                    return
                yield item
        finally:
            job.cancel("the client has gone")
            self._jobs.remove(job)
            if all(other.client != client for other in self._jobs):
                self._served.pop(client, None)
            if job.done is None:  # else the end of the thread frees the turn
                self.release(job)

    def _admit(self, job: _Job[Any]) -> None:
        """Put a request in the line; where that is full, another of a client with more requests has to go."""
        if len(self._jobs) >= self._most:
            count = Counter(other.client for other in self._jobs)
            greedy, most = count.most_common(1)[0]
            idle = [other for other in self._jobs if other.client == greedy and not other.evicted]
            idle = [other for other in idle if other.done is None or other.blocked]
            if most <= count[job.client] + 1 or not idle:
                raise BusyError(f"{len(self._jobs)} requests are waiting: try again later")
            idle[-1].evict()
        self._served.setdefault(job.client, next(self._clock))
        self._jobs.append(job)

    def next(self) -> None:
        """Give the turn to a request of the client that has waited longest for one, if nobody has it."""
        if self._working is not None:
            return
        begun = Counter(job.client for job in self._jobs if job.done is not None and not job.done.done())
        lined_up = [job for job in self._jobs if job.lined_up and not job.turn.done()]
        ready = [job for job in lined_up if job.done is not None or begun[job.client] < BEGUN]
        if ready:
            self._working = job = min(ready, key=lambda job: (self._served[job.client], job.since))
            self._served[job.client] = next(self._clock)
            job.turn.set_result(None)

    def release(self, job: _Job[Any]) -> None:
        """Take the turn from a request, if it has it."""
        if self._working is job:
            self._working = None
        self.next()

    def wanted(self) -> bool:
        """Return whether a request waits for a turn; may be called by any thread."""
        return any(job.lined_up for job in list(self._jobs))

    def stamp(self) -> int:
        """Return a number that is larger than all before."""
        return next(self._clock)

    def close(self) -> None:
        """End the worker threads after the work that they have."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class _Job(Generic[T]):
    """A request: what the event loop and its thread know of it.

    Attributes:
        turn: is done when its turn has come; made anew each time that it waits for one.
        since: when it began to wait, by the clock of all turns.
        done: the end of its thread; None before it has begun.
        made: results and the error that ended the work, or None for the end.
        room: for results that the client has not taken.
        blocked: it waits for the client to take what is ready.
        evicted: it has lost its place to another client's request.
    """

    def __init__(self, turns: Turns, client: str, seconds: float) -> None:
        self._turns, self.client, self._left = turns, client, seconds
        self.loop = asyncio.get_running_loop()
        self.turn: asyncio.Future[None] = self.loop.create_future()
        self.since, self.lined_up = 0, False
        self.done: asyncio.Future[None] | None = None
        self.made: asyncio.Queue[Any] = asyncio.Queue()
        self.room = threading.Semaphore(AHEAD)
        self.blocked = self.evicted = False
        self._reason: str | None = None  # why it is given up
        self._began = 0.0

    async def line_up(self) -> None:
        """Wait for a turn."""
        if self._reason is not None:
            raise CanceledError(self._reason)
        self.turn, self.since, self.lined_up = self.loop.create_future(), self._turns.stamp(), True
        self._turns.release(self)
        try:
            await self.turn
        finally:
            self.lined_up = False
        self._began = time.monotonic()

    def cancel(self, reason: str) -> None:
        """Give the request up at the next piece of its work."""
        self._reason = self._reason or reason
        self.room.release()
        if self.done is not None and not self.turn.done():
            self.turn.cancel()

    def evict(self) -> None:
        """Give the request up for another client's."""
        self.evicted = True
        sentence = "others came who had fewer requests: try again later"
        if self.done is None:
            if not self.turn.done():
                self.turn.set_exception(BusyError(sentence))
        else:
            self.cancel(sentence)

    # In the thread:

    def run(self, work: Callable[[Check], Iterator[T]]) -> None:
        """Do the work and pass on what it yields."""
        try:
            for item in work(self.check):
                self._put(item, None)
                self.check()
            self._put(None, None)
        except BaseException as error:
            self._put(None, error)

    def check(self, *_: object) -> None:
        """Give the turn away when it is time.

        Raises:
            CanceledError: the client has gone, or the request has worked too long.
        """
        if self._reason is not None:
            raise CanceledError(self._reason)
        now = time.monotonic()
        if now - self._began > self._left:
            raise CanceledError("the request took too long: send less at once")
        if now - self._began > SLICE and self._turns.wanted():
            self._pause(lambda: None)

    def _put(self, item: T | None, error: BaseException | None) -> None:
        if not self.room.acquire(blocking=False) and self._reason is None and error is None:
            self._pause(self._until_taken)
        self.loop.call_soon_threadsafe(self.made.put_nowait, (item, error))

    def _until_taken(self) -> None:
        self.blocked = True
        self.room.acquire()
        self.blocked = False

    def _pause(self, wait: Callable[[], None]) -> None:
        """Give the turn away, wait, and come back at the next turn."""
        self._left -= time.monotonic() - self._began
        self.loop.call_soon_threadsafe(self._turns.release, self)
        wait()
        try:
            asyncio.run_coroutine_threadsafe(self.line_up(), self.loop).result()
        except CancelledError:
            raise CanceledError(self._reason or "the client has gone") from None
