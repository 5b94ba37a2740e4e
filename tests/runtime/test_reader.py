"""The decoder of a recognizer is given contiguous arrays, which its passes share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from speechnar.runtime.reader import BARRED, MOST_TOGETHER, DecoderInfo, JointReader, OnnxReader, RowReader

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


class Seeing(Session):
    """A graph whose outputs are sums over all that each token sees, of exact numbers."""

    def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[Any]:
        super().run(names, given)
        tokens, places = given["tokens"].astype(np.float64), given["positions"]
        past = np.concatenate([given["past"][0, :, :, 0], tokens], 1)[:, None]
        heard = given["memory_1"][:, 0, :, 0][:, None]
        seen = (past * (given["bias"][:, 0] > BARRED / 2)).sum(2)
        said = (heard * (given["memory_bias"][:, 0] > BARRED / 2)).sum(2)
        value = (seen + 1000 * said + 1e6 * places).ravel()
        asked = value[given["asked"][:, 0]] + given["asked"][:, 1]
        present = np.broadcast_to(tokens[None, :, :, None], (2, *tokens.shape, 4)).astype(np.float32)
        return [np.stack([value, -value], 1), np.stack([value / 2, value / 3], 1), asked, present]


def test_utterances_that_are_read_together_are_read_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts, audio and rows have other lengths; utterances are done in any order, and the last one reads alone."""
    monkeypatch.setattr("speechnar.runtime.reader.MOST_TOGETHER", 1000)
    rng, session = np.random.default_rng(0), Seeing()
    memories = [rng.integers(1, 9, (2, 1, frames, 4)).astype(np.float32) for frames in (3, 7, 5, 4)]
    alone, together = ([OnnxReader(session, INFO, memory) for memory in memories] for _ in range(2))  # type: ignore[arg-type]
    joint = JointReader(together)
    for left in ([0, 1, 2, 3], [0, 1, 2, 3], [0, 2, 3], [0, 2, 3], [2, 3], [3]):
        rows = {n: rng.integers(0, 50, (int(rng.integers(1, 4)), int(rng.integers(0, 6)))) for n in left}
        session.given.clear()
        read = joint.read(rows)
        assert len(session.given) == 1 and list(read) == left
        for n, its in rows.items():
            expected = alone[n].read(its)
            for name in ("best", "best_log_probs", "log_probs", "second", "second_log_probs"):
                np.testing.assert_array_equal(getattr(read[n], name), getattr(expected, name))
            row, kept = len(its) - 1, int(rng.integers(0, its.shape[1] + 1))
            for reader in (alone[n], together[n]):
                reader.keep(row, kept, *range(3, 3 + n + 1))


@pytest.mark.parametrize(("pending", "passes"), [(1, 1), (2, 2)])
def test_long_passes_are_read_one_by_one(pending: int, passes: int) -> None:
    """Padding, and what is read before the rows, count."""
    session = Seeing()
    readers = [OnnxReader(session, INFO, np.ones((2, 1, 5, 4), np.float32)) for _ in range(2)]  # type: ignore[arg-type]
    for reader in readers:
        reader.read(np.array([[1]]))
        reader.keep(0, 0, *range(pending))
    session.given.clear()
    JointReader(readers).read({0: np.ones((1, MOST_TOGETHER // 2 - 1), int), 1: np.ones((1, 1), int)})
    assert len(session.given) == passes


def test_a_branch_within_tokens_that_the_next_pass_reads() -> None:
    session = Counting()
    reader = OnnxReader(session, INFO, np.zeros((2, 1, 3, 4), np.float32))  # type: ignore[arg-type]
    reader.read(np.array([[1, 2, 3]]))
    reader.keep(0, 1, 5, 6, 4)
    reader.branch(3, 9).read(np.array([[8]]))
    assert session.given[1]["past"][0, 0, :, 0].tolist() == [*INFO.prompt, 1]
    assert session.given[1]["tokens"].tolist() == [[5, 6, 9, 8]]


def test_several_tokens_are_kept_by_the_reader_of_older_graphs() -> None:
    given: list[dict[str, np.ndarray]] = []

    class Rows:
        def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[Any]:
            given.append(inputs)
            rows, size = inputs["tokens"].shape
            present = np.broadcast_to(inputs["tokens"][None, :, None, :, None], (2, rows, 1, size, 4))
            present = np.concatenate([np.repeat(inputs["past"], rows, 1), present], 3)
            return [inputs["tokens"], np.zeros((rows, size)), np.zeros((rows, size - 1)), present[:, :, :, -size:]]

    reader = RowReader(Rows(), INFO, np.zeros((2, 1, 3, 4), np.float32))  # type: ignore[arg-type]
    reader.read(np.array([[1, 2], [3, 4]]))
    reader.keep(1, 1, 5, 6)
    verdict = reader.read(np.array([[2]]))
    assert given[1]["past"][0, 0, 0, :, 0].tolist() == [*INFO.prompt, 3]
    assert given[1]["tokens"].tolist() == [[5, 6, 2]] and verdict.best.tolist() == [[6, 2]]
