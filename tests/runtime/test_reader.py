"""The decoder of a recognizer is given contiguous arrays, which its passes share."""

from __future__ import annotations

from typing import Any

import numpy as np

from speechnar.runtime.reader import DecoderInfo, OnnxReader

INFO = DecoderInfo(max_tokens=20, prompt=(7, 8), memory_per_frame=2, past=(2, 1, 4))


class Session:
    """A graph that predicts token 0 everywhere, and remembers its inputs."""

    def __init__(self) -> None:
        self.given: list[dict[str, np.ndarray]] = []

    def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[Any]:
        self.given.append(given)
        size, asked = given["tokens"].shape[1], len(given["asked"])
        return [np.zeros(size, int), np.zeros(size), np.zeros(asked), np.zeros((2, 1, size, 4), np.float32)]


def test_a_part_of_a_window_is_copied_once_for_all_passes() -> None:
    session = Session()
    part = np.arange(2 * 1 * 9 * 4.0, dtype=np.float32).reshape(2, 1, 9, 4)[:, :, 3:7]
    reader = OnnxReader(session, INFO, part)  # type: ignore[arg-type]
    for _ in range(2):
        reader.read(np.array([[1, 2]]))
        reader.keep(0, 1, 3)
    for n in range(2):
        first, second = (given[f"memory_{n}"] for given in session.given)
        np.testing.assert_array_equal(first[0], part[n])
        assert first.flags.c_contiguous and np.shares_memory(first, second)
