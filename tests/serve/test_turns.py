"""Turns at a worker: who is next, who is refused, and what a slow client costs the others."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from speechnar.serve import turns as module
from speechnar.serve.turns import AHEAD, BusyError, CanceledError, Turns

Work = Callable[[Callable[..., None]], Iterator[Any]]


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def steps(name: str, count: int, log: list[str], seconds: float = 0.01) -> Work:
    """Return work of many short steps, each of which it logs."""

    def work(check: Callable[..., None]) -> Iterator[str]:
        for _ in range(count):
            check()
            time.sleep(seconds)
            log.append(name)
            yield name

    return work


async def collected(turns: Turns, work: Work, client: str) -> list[Any]:
    return [item async for item in turns.stream(work, client)]


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.005)


def test_clients_take_turns_however_long_their_work_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", 0.05)
    log: list[str] = []

    async def test() -> None:
        turns = Turns("test", 8, 30, 30)
        long = asyncio.create_task(collected(turns, steps("long", 100, log), "a"))
        await until(lambda: "long" in log)
        short = await asyncio.gather(*(collected(turns, steps(f"{n}", 2, log), f"b{n}") for n in range(3)))
        assert short == [["0"] * 2, ["1"] * 2, ["2"] * 2]
        assert not long.done()
        assert await long == ["long"] * 100 and turns.waiting == 0
        turns.close()

    run(test())


def test_a_client_with_many_requests_does_not_come_before_one_with_a_single(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", 30.0)
    log: list[str] = []
    go = threading.Event()

    def held(check: Callable[..., None]) -> Iterator[int]:
        go.wait(30)
        yield 0

    async def test() -> None:
        turns = Turns("test", 16, 30, 30)
        waiting = [asyncio.create_task(collected(turns, held, "a"))]
        for n in range(5):
            waiting.append(asyncio.create_task(collected(turns, steps("a", 1, log), "a")))
            await until(lambda n=n: turns.waiting == n + 2)
        waiting.append(asyncio.create_task(collected(turns, steps("b", 1, log), "b")))
        await until(lambda: turns.waiting == 7)
        go.set()
        await asyncio.gather(*waiting)
        assert log.index("b") <= 1 and log.count("a") == 5
        turns.close()

    run(test())


def test_where_the_line_is_full_the_client_with_the_most_requests_loses_its_newest() -> None:
    go = threading.Event()

    def held(check: Callable[..., None]) -> Iterator[int]:
        go.wait(30)
        yield 1

    async def test() -> None:
        turns = Turns("test", 3, 30, 30)
        many = []
        for n in range(4):
            many.append(asyncio.create_task(collected(turns, held, "a")))
            await until(lambda n=n: turns.waiting == n + 1)
        with pytest.raises(BusyError, match="4 requests are waiting"):
            await collected(turns, held, "a")
        other = asyncio.create_task(collected(turns, held, "b"))
        with pytest.raises(BusyError, match="others came who had fewer"):
            await many[3]
        go.set()
        assert await other == [1] and await asyncio.gather(*many[:3]) == [[1]] * 3
        turns.close()

    run(test())


def test_a_client_that_takes_nothing_delays_nobody_and_is_bounded() -> None:
    log: list[str] = []

    async def test() -> None:
        turns = Turns("test", 4, 30, 30)
        slow = turns.stream(steps("slow", 50, log, 0.0), "a")
        assert await anext(slow) == "slow"
        await until(lambda: turns._jobs[0].blocked)
        assert len(log) <= AHEAD + 2
        assert await collected(turns, steps("b", 3, log), "b") == ["b"] * 3
        assert [item async for item in slow] == ["slow"] * 49
        stuck = turns.stream(steps("stuck", 50, log, 0.0), "a")
        await anext(stuck)
        await until(lambda: turns._jobs[0].blocked)
        await stuck.aclose()  # the client goes
        assert await collected(turns, steps("c", 1, log), "a") == ["c"] and turns.waiting == 0
        turns.close()

    run(test())


def test_a_client_that_goes_while_its_work_waits_for_another_turn_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", 0.0)
    log: list[str] = []

    async def test() -> None:
        turns = Turns("test", 8, 30, 30)
        tasks = [asyncio.create_task(collected(turns, steps(f"{n}", 200, log), f"{n}")) for n in range(5)]
        await until(lambda: len(set(log)) == 5)
        for task in tasks[:4]:
            task.cancel()
        assert await tasks[4] == ["4"] * 200
        await asyncio.wait(tasks)
        assert turns.waiting == 0 and not turns._served
        await until(lambda: turns._working is None)
        turns.close()

    run(test())


def test_work_and_patience_are_bounded() -> None:
    log: list[str] = []

    async def test() -> None:
        turns = Turns("test", 4, patience=0.1, seconds=0.5)
        with pytest.raises(CanceledError, match="took too long"):
            await collected(turns, steps("a", 1000, log, 0.005), "a")
        assert 10 < len(log) < 200
        go = threading.Event()
        holder = asyncio.create_task(collected(turns, lambda check: iter([go.wait(30)]), "a"))
        await until(lambda: turns.waiting == 1)
        with pytest.raises(BusyError, match="no turn came in 0.1 s"):
            await collected(turns, steps("b", 1, log), "b")
        go.set()
        assert await holder == [True]
        assert await collected(turns, steps("c", 1, log), "b") == ["c"]
        turns.close()

    run(test())


def test_an_error_of_the_work_reaches_its_own_request() -> None:
    def broken(check: Callable[..., None]) -> Iterator[int]:
        yield 1
        raise ValueError("this one")

    async def test() -> None:
        turns = Turns("test", 4, 30, 30)
        one, two = await asyncio.gather(
            collected(turns, broken, "a"), collected(turns, steps("b", 3, []), "b"), return_exceptions=True
        )
        assert isinstance(one, ValueError) and str(one) == "this one" and two == ["b"] * 3
        turns.close()

    run(test())
