"""Decoding that says which rows it wants to have read, so that several utterances can share the passes of a decoder.

texts = together([verify(a, reader_a), verify(b, reader_b)], read)     each pass reads rows of both
text = alone(verify(a, reader_a))
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from speechnar.decode.interface import DraftReader, Verdict

T = TypeVar("T")
Asked = tuple[DraftReader, np.ndarray]
Passes = Generator[Asked, Verdict, T]
"""Work that yields a reader and rows for each pass, is sent what the reader predicts, and returns a result."""


def alone(work: Passes[T]) -> T:
    """Return the result of one work, each of whose passes is read by itself."""
    (result,) = together([work], read_alone)
    return result


def read_alone(asked: Mapping[int, Asked]) -> dict[int, Verdict]:
    """Read the rows of several works, each by itself."""
    return {n: reader.read(rows) for n, (reader, rows) in asked.items()}


def together(works: Sequence[Passes[T]], read: Callable[[Mapping[int, Asked]], Mapping[int, Verdict]]) -> list[T]:
    """Return the results of several works, in as many passes as the one that needs most.

    Args:
        read: reads the rows of some of the works, by their numbers, in one pass.
    """
    results: dict[int, T] = {}
    asked: dict[int, Asked] = {}

    def go_on(n: int, verdict: Verdict | None) -> None:
        try:
            asked[n] = works[n].send(verdict)  # type: ignore[arg-type]  # None starts it
        except StopIteration as end:
            asked.pop(n, None)
            results[n] = end.value

    for n in range(len(works)):
        go_on(n, None)
    while asked:
        for n, verdict in read(dict(asked)).items():
            go_on(n, verdict)
    return [results[n] for n in range(len(works))]
