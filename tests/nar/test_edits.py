"""Edits lead from the source to the target, and no fewer do."""

from __future__ import annotations

import itertools
import random

import pytest

from speechnar.nar.edits import Edits, edits


def applied(source: list[int], target: list[int], found: Edits) -> list[int]:
    """The source without the deleted tokens, and with tokens of the target at the gaps."""
    kept = [token for token, out in zip(source, found.deleted) if not out]
    assert len(found.deleted) == len(source) and len(found.inserted) == len(kept) + 1
    text = target[: found.inserted[0]]
    for token, count in zip(kept, found.inserted[1:]):
        text = [*text, token, *target[len(text) + 1 : len(text) + 1 + count]]
    return text


def longest_common(source: list[int], target: list[int]) -> int:
    """By trying all subsequences of the source, the longest first."""
    for size in range(len(source), 0, -1):
        for places in itertools.combinations(range(len(source)), size):
            rest = iter(target)
            if all(any(token == source[place] for token in rest) for place in places):
                return size
    return 0


@pytest.mark.parametrize("seed", range(60))
def test_edits_are_the_fewest_that_make_the_target(seed: int) -> None:
    draw = random.Random(seed)
    source, target = ([draw.randrange(3) for _ in range(draw.randrange(8))] for _ in range(2))
    found = edits(source, target)
    assert applied(source, target, found) == target
    common = longest_common(source, target)
    assert sum(found.deleted) == len(source) - common and sum(found.inserted) == len(target) - common


def test_the_example_of_the_docstring() -> None:
    a, b, c, d, x = range(5)
    assert edits([a, x, b, d], [a, b, c, d]) == Edits((False, True, False, False), (0, 0, 1, 0))
    assert edits([], [1, 2]) == Edits((), (2,)) and edits([1, 2], []) == Edits((True, True), (0,))
