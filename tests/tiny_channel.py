"""Costs of letters that are easy to add up by hand, for the correction of words."""

from __future__ import annotations

from speechnar.decode.letter_channel import LETTERS, Channel, Gate

SIZE = len(LETTERS)
TINY_CHANNEL = Channel(
    substitution=tuple(tuple(0.0 if a == b else 3.0 for b in range(SIZE)) for a in range(SIZE)),
    deletion=(2.0,) * SIZE,
    insertion=(4.0,) * SIZE,
    single=1.0,
    double=1.5,
    split=5.0,
    fragment=0.9,
    weight=1.0,
    confidence=(5.0, 0, 0, 0, 0, 0, -4.0, 0, 0, 0),  # by the cost of letters for each letter alone
    threshold=0.8,
    audio=Gate(1.0, 0.5, (), (), 1.0, 1.0),
)
