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


class Counting(Session):
    """A graph that names two tokens for each it reads, and whose keys and values tell the tokens apart."""

    def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[Any]:
        super().run(names, given)
        tokens = given["tokens"][0]
        best, log_probs = np.stack([tokens + 1, tokens + 2], 1), np.stack([-tokens / 10, -tokens / 5], 1)
        present = np.broadcast_to(tokens[None, None, :, None], (2, 1, len(tokens), 4)).astype(np.float32)
        return [best, log_probs, np.zeros(len(given["asked"])), present]


def test_the_two_best_tokens_of_each_place_are_told() -> None:
    reader = OnnxReader(Counting(), INFO, np.zeros((2, 1, 3, 4), np.float32))  # type: ignore[arg-type]
    verdict = reader.read(np.array([[1, 2], [3, 4]]))
    assert verdict.best.tolist() == [[9, 2, 3], [9, 4, 5]] and verdict.second is not None
    assert verdict.second.tolist() == [[10, 3, 4], [10, 5, 6]]
    np.testing.assert_allclose(verdict.best_log_probs, [[-0.8, -0.1, -0.2], [-0.8, -0.3, -0.4]])
    np.testing.assert_allclose(verdict.second_log_probs, [[-1.6, -0.2, -0.4], [-1.6, -0.6, -0.8]])


def test_a_branch_reads_on_behind_an_earlier_place_and_leaves_the_text_as_it_is() -> None:
    session = Counting()
    reader = OnnxReader(session, INFO, np.zeros((2, 1, 3, 4), np.float32))  # type: ignore[arg-type]
    reader.read(np.array([[1, 2, 3]]))
    reader.keep(0, 3, 5)
    branch = reader.branch(2, 6)
    branch.read(np.array([[4]]))
    branch.keep(0, 1, 9)
    branch.read(np.array([[9]]))
    reader.read(np.array([[0]]))
    _, behind, further, whole = session.given
    assert behind["past"][0, 0, :, 0].tolist() == [*INFO.prompt, 1, 2] and behind["tokens"].tolist() == [[6, 4]]
    assert behind["positions"].tolist() == [[4, 5]]
    assert further["past"][0, 0, :, 0].tolist() == [*INFO.prompt, 1, 2, 6, 4]
    assert whole["past"][0, 0, :, 0].tolist() == [*INFO.prompt, 1, 2, 3] and whole["tokens"].tolist() == [[5, 0]]
