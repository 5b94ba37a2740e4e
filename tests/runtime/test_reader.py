"""The decoder of a recognizer is given contiguous arrays, which its passes share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from speechnar.runtime.old_readers import AllTokensReader, RowsReader
from speechnar.runtime.reader import BARRED, MOST_TOGETHER, DecoderInfo, JointReader, Memory, OnnxReader

INFO = DecoderInfo(max_tokens=20, prompt=(7, 8), memory_per_frame=2, past=(2, 1, 4))


NOTHING = Memory({f"memory_{n}": np.zeros((1, 1, *((4, 3) if n else (3, 4))), np.float32) for n in (0, 1)}, 3)


class Session:
    """A graph that predicts token 0 everywhere, and remembers its inputs."""

    def __init__(self) -> None:
        self.given: list[dict[str, np.ndarray]] = []

    def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[Any]:
        self.given.append(given)
        size, asked = given["tokens"].shape[1], len(given["asked"])
        return [np.zeros(size, int), np.zeros(size), np.zeros(asked), np.zeros((2, 1, size, 4), np.float32)]


def test_a_part_of_a_window_is_copied_once_for_all_passes_of_older_graphs() -> None:
    session = Session()
    part = np.arange(2 * 1 * 9 * 4.0, dtype=np.float32).reshape(2, 1, 9, 4)[:, :, 3:7]
    reader = AllTokensReader(session, INFO, part)  # type: ignore[arg-type]
    for _ in range(2):
        reader.read(np.array([[1, 2]]))
        reader.keep(0, 1, 3)
    for n in range(2):
        first, second = (given[f"memory_{n}"] for given in session.given)
        np.testing.assert_array_equal(first[0], part[n])
        assert first.flags.c_contiguous and np.shares_memory(first, second)


class Counting(Session):
    """A graph that names two tokens for each that is wanted, and whose keys and values tell the tokens apart."""

    def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[Any]:
        super().run(names, given)
        tokens = given["tokens"][0]
        wanted = tokens[given.get("wanted", slice(None))]
        best, log_probs = np.stack([wanted + 1, wanted + 2], 1), np.stack([-wanted / 10, -wanted / 5], 1)
        present = np.broadcast_to(tokens[None, None, :, None], (2, 1, len(tokens), 4)).astype(np.float32)
        return [best, log_probs, np.zeros(len(given["asked"])), present]


def test_the_two_best_tokens_of_each_place_are_told() -> None:
    reader = OnnxReader(Counting(), INFO, NOTHING)  # type: ignore[arg-type]
    verdict = reader.read(np.array([[1, 2], [3, 4]]))
    assert verdict.best.tolist() == [[9, 2, 3], [9, 4, 5]] and verdict.second is not None
    assert verdict.second.tolist() == [[10, 3, 4], [10, 5, 6]]
    np.testing.assert_allclose(verdict.best_log_probs, [[-0.8, -0.1, -0.2], [-0.8, -0.3, -0.4]])
    np.testing.assert_allclose(verdict.second_log_probs, [[-1.6, -0.2, -0.4], [-1.6, -0.6, -0.8]])


def test_a_branch_reads_on_behind_an_earlier_place_and_leaves_the_text_as_it_is() -> None:
    session = Counting()
    reader = OnnxReader(session, INFO, NOTHING)  # type: ignore[arg-type]
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
        tokens, places = given["tokens"][0].astype(np.float64), given["positions"][0]
        known = np.concatenate([given["past"][0, 0, :, 0], tokens])
        seen = (known * (given["bias"][0, 0] > BARRED / 2)).sum(1)
        audible = given["memory_bias"][:, 0] > BARRED / 2  # (B, T, M)
        heard = (given["memory_1"][:, 0, 0, :, None] * audible).sum(1)
        np.testing.assert_array_equal(tokens, tokens[given["gathered"]].ravel()[given["scattered"]])
        value = seen + 1000 * heard.ravel()[given["scattered"]] + 1e6 * places
        wanted = value[given["wanted"]]
        asked = wanted[given["asked"][:, 0]] + given["asked"][:, 1]
        present = np.broadcast_to(tokens[None, None, :, None], (2, 1, len(tokens), 4)).astype(np.float32)
        return [np.stack([wanted, -wanted], 1), np.stack([wanted / 2, wanted / 3], 1), asked, present]


class Hearing:
    """A graph whose memory of states is the states."""

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=f"memory_{n}") for n in range(2)]

    def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [given["states"][:, None].copy(), given["states"][:, None].swapaxes(2, 3).copy()]


def joint_reader(*frames: int) -> JointReader:
    """A reader of utterances with so many states, each of which is another one."""
    rng = np.random.default_rng(0)
    states = [rng.integers(1, 9, (1, number, 4)).astype(np.float32) for number in frames]
    return JointReader(Hearing(), states, 1)  # type: ignore[arg-type]


def test_utterances_that_are_read_together_are_read_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts, audio and rows have other lengths; utterances are done in any order, and the last one reads alone."""
    monkeypatch.setattr("speechnar.runtime.reader.MOST_TOGETHER", 1000)
    rng, session, lengths = np.random.default_rng(0), Seeing(), (3, 7, 5, 4)
    joint = joint_reader(*lengths)
    memories = [Memory({name: part.copy() for name, part in its.parts.items()}, its.frames) for its in joint.memories]
    assert [its.frames for its in memories] == list(lengths)
    alone = [OnnxReader(session, INFO, memory) for memory in memories]  # type: ignore[arg-type]
    together = [OnnxReader(session, INFO, memory) for memory in joint.memories]  # type: ignore[arg-type]
    for left in ([0, 1, 2, 3], [0, 1, 2, 3], [0, 2, 3], [0, 2, 3], [2, 3], [3]):
        rows = {n: rng.integers(0, 50, (int(rng.integers(1, 4)), int(rng.integers(0, 6)))) for n in left}
        session.given.clear()
        read = joint.read({n: (together[n], its) for n, its in rows.items()})
        assert len(session.given) == 1 and sorted(read) == left
        for n, its in rows.items():
            expected = alone[n].read(its)
            for name in ("best", "best_log_probs", "log_probs", "second", "second_log_probs"):
                np.testing.assert_array_equal(getattr(read[n], name), getattr(expected, name))
            row, kept = len(its) - 1, int(rng.integers(0, its.shape[1] + 1))
            for reader in (alone[n], together[n]):
                reader.keep(row, kept, *range(3, 3 + n + 1))


def test_a_branch_is_read_with_the_others_and_other_audio_by_itself() -> None:
    session, joint = Seeing(), joint_reader(3, 7, 5)
    readers = [OnnxReader(session, INFO, memory) for memory in joint.memories]  # type: ignore[arg-type]
    rows = np.array([[1, 2]])
    for n, reader in enumerate(readers):
        reader.read(rows)
        reader.keep(0, 2, 5 + n)
    branch, other = readers[2].branch(1, 9), OnnxReader(session, INFO, NOTHING)  # type: ignore[arg-type]
    expected = branch.read(rows)
    session.given.clear()
    read = joint.read({0: (other, rows), 1: (readers[1], rows), 2: (branch, rows)})
    assert [given["gathered"].shape[0] for given in session.given] == [1, 2]
    np.testing.assert_array_equal(read[2].log_probs, expected.log_probs)
    np.testing.assert_array_equal(read[1].log_probs, readers[1].read(rows).log_probs)  # its memory has moved


@pytest.mark.parametrize(("pending", "sizes"), [(1, [2, 1]), (2, [1, 1, 1])])
def test_as_many_utterances_share_a_pass_as_it_has_room_for(pending: int, sizes: list[int]) -> None:
    """Tokens that are read before the rows count too."""
    session, joint = Seeing(), joint_reader(5, 6, 4)
    readers = [OnnxReader(session, INFO, memory) for memory in joint.memories]  # type: ignore[arg-type]
    for reader in readers:
        reader.read(np.array([[1]]))
        reader.keep(0, 0, *range(pending))
    rows = np.ones((1, MOST_TOGETHER // 2 - 1), int)
    alone = [reader.read(rows) for reader in readers]
    session.given.clear()
    read = joint.read({n: (reader, rows) for n, reader in enumerate(readers)})
    assert [given["gathered"].shape[0] for given in session.given] == sizes
    for n, expected in enumerate(alone):
        np.testing.assert_array_equal(read[n].log_probs, expected.log_probs)


def test_a_branch_within_tokens_that_the_next_pass_reads() -> None:
    session = Counting()
    reader = OnnxReader(session, INFO, NOTHING)  # type: ignore[arg-type]
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

    reader = RowsReader(Rows(), INFO, np.zeros((2, 1, 3, 4), np.float32))  # type: ignore[arg-type]
    reader.read(np.array([[1, 2], [3, 4]]))
    reader.keep(1, 1, 5, 6)
    verdict = reader.read(np.array([[2]]))
    assert given[1]["past"][0, 0, 0, :, 0].tolist() == [*INFO.prompt, 3]
    assert given[1]["tokens"].tolist() == [[5, 6, 2]] and verdict.best.tolist() == [[6, 2]]


@pytest.mark.parametrize("named", [1, 2], ids=["format 6", "formats 7 to 9"])
def test_older_graphs_predict_behind_all_tokens(named: int) -> None:
    class Old(Counting):
        def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[Any]:
            best, log_probs, _, present = super().run(names, given)
            asked = given["tokens"][0][given["asked"][:, 0]] * 100 + given["asked"][:, 1]
            return [best[:, 0], log_probs[:, 0], asked, present] if named == 1 else [best, log_probs, asked, present]

    session = Old()
    reader = AllTokensReader(session, INFO, np.zeros((2, 1, 3, 4), np.float32))  # type: ignore[arg-type]
    verdict = reader.read(np.array([[1, 2], [3, 4]]))
    (given,) = session.given
    assert given.keys() == {"tokens", "positions", "asked", "bias", "past", "memory_bias", "memory_0", "memory_1"}
    assert given["memory_bias"].shape == (1, 1, 6, 3) and given["memory_1"].shape == (1, 1, 3, 4)
    assert verdict.best.tolist() == [[9, 2, 3], [9, 4, 5]]
    assert verdict.log_probs.tolist() == [[801, 102], [803, 304]]  # the token before, and the one that is asked for
    assert (verdict.second is None) == (named == 1)
