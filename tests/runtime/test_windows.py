from __future__ import annotations

import itertools

import numpy as np
import pytest

from speechnar.decode.ctc import greedy
from speechnar.decode.units import Units
from speechnar.runtime.windows import Heard, joined, quietest, stretches, windows

UNITS = Units(("<blank>", "▁a", "b"))
BLANK, WORD, LETTER = 0, 1, 2


def log_probs(path: list[int], sure: float = 0.9) -> np.ndarray:
    """(T, V) whose best path is the given one."""
    probs = np.full((len(path), len(UNITS)), (1 - sure) / 2, np.float32)
    probs[np.arange(len(path)), path] = sure
    return np.log(probs)


@pytest.mark.parametrize(
    ("n_samples", "lengths"),
    [(1, [1]), (10, [10]), (11, [10, 4]), (17, [10, 10]), (18, [10, 10, 4])],  # windows share 3 samples
)
@pytest.mark.parametrize("block", [1, 4, 100])
def test_windows_overlap_and_cover_everything(n_samples: int, lengths: list[int], block: int) -> None:
    stream = np.arange(n_samples, dtype=np.float32)
    blocks = [stream[at : at + block] for at in range(0, n_samples, block)]
    found = list(windows(blocks, size=10, hop=7))
    assert [len(wav) for _, wav in found] == lengths
    for n, (start, wav) in enumerate(found):
        assert start == 7 * n
        np.testing.assert_array_equal(wav, stream[start : start + 10])


def test_windows_are_given_out_before_the_stream_ends() -> None:
    endless = (np.zeros(4, np.float32) for _ in itertools.count())
    assert next(windows(endless, 10, 7))[0] == 0


def test_the_join_is_amid_the_longest_pause_before_a_word() -> None:
    path = [WORD, BLANK] * 8 + [BLANK] * 6 + [WORD, BLANK] * 5  # 32 frames; the pause is 15 to 21
    assert quietest(log_probs(path), log_probs(path), UNITS) in range(16, 21)


def test_the_join_is_in_the_middle_half() -> None:
    path = [BLANK] * 10 + [WORD, BLANK, WORD, BLANK, BLANK, BLANK, WORD, BLANK, WORD, BLANK] * 2 + [BLANK] * 10
    assert 10 <= quietest(log_probs(path), log_probs(path), UNITS) < 30


def test_a_pause_within_a_word_is_no_place_to_join() -> None:
    path = [WORD] * 10 + [BLANK] * 8 + [LETTER, BLANK, BLANK, WORD] + [BLANK] * 9 + [LETTER]  # 32 frames
    assert quietest(log_probs(path), log_probs(path), UNITS) in (19, 20)


def test_both_windows_have_a_say() -> None:
    one = [BLANK] * 16 + [WORD] * 16
    other = [WORD] * 12 + [BLANK] * 2 + [WORD] * 18
    for before, after in ((one, other), (other, one)):
        assert quietest(log_probs(before), log_probs(after), UNITS) in (12, 13)


def test_without_any_blank_the_join_is_still_somewhere() -> None:
    assert 2 <= quietest(log_probs([WORD] * 8), log_probs([LETTER] * 8), UNITS) < 6
    certain = np.where(log_probs([WORD] * 8) > -1, 0.0, -np.inf)
    assert 2 <= quietest(certain, certain, UNITS) < 6


@pytest.mark.parametrize("seed", range(20))
def test_pieces_decode_to_the_words_of_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    path: list[int] = []
    while len(path) < 300:
        path += [WORD] * rng.integers(1, 4) + [BLANK] * rng.integers(0, 3)
        for _ in range(rng.integers(0, 3)):
            path += [LETTER] * rng.integers(1, 3) + [BLANK] * rng.integers(1, 3)
        path += [BLANK] * rng.integers(1, 5)
    whole = log_probs(path)
    parts = [whole[rows.astype(int)] for _, rows in windows([np.arange(len(whole))], size=60, hop=30)]
    for n, part in enumerate(parts):  # edges that lack context are misheard
        part[:4] = np.where(n == 0, part[:4], np.roll(part[:4], 1, axis=1))
        part[-4:] = np.where(n == len(parts) - 1, part[-4:], np.roll(part[-4:], 1, axis=1))
    memory = np.arange(2 * len(whole), dtype=np.float32).reshape(1, 1, -1, 1)  # two to a frame: each says where it is
    heard = [Heard(part, memory[:, :, 60 * n : 60 * n + 2 * len(part)], 2) for n, part in enumerate(parts)]
    joins = list(joined(heard, hop=30, units=UNITS))
    for start, piece in joins:
        np.testing.assert_array_equal(piece.memory[0, 0, :, 0], 2 * start + np.arange(2 * len(piece)))
    pieces = [(start, piece.log_probs) for start, piece in joins]
    assert len(pieces) == len(parts)
    np.testing.assert_array_equal(np.concatenate([piece for _, piece in pieces]), whole)
    words = [
        (word.text, start + word.start, start + word.end)
        for start, piece in pieces
        for word in greedy(piece, UNITS, 1.0).words
    ]
    assert words == [(word.text, word.start, word.end) for word in greedy(whole, UNITS, 1.0).words]


def test_nothing_joins_to_nothing() -> None:
    assert list(joined([], 5, UNITS)) == []


def test_what_is_long_is_cut_at_its_longest_pauses() -> None:
    word = [WORD, LETTER, BLANK]
    path = [BLANK] * 9 + word * 4 + [BLANK] * 5 + word * 3 + [BLANK] * 7 + word * 2 + [BLANK] * 9
    heard = Heard(log_probs(path), np.arange(2.0 * len(path)).reshape(1, 1, -1, 1), 2)

    def lengths(longest: int, pause: int) -> list[int]:
        parts = list(stretches(heard, UNITS, longest, pause))
        assert [start for start, _ in parts] == [0, *np.cumsum([len(part) for _, part in parts])[:-1]]
        np.testing.assert_array_equal(np.concatenate([part.log_probs for _, part in parts]), heard.log_probs)
        for start, part in parts:
            np.testing.assert_array_equal(part.memory[0, 0, :, 0], np.arange(2 * start, 2 * (start + len(part))))
        return [len(part) for _, part in parts]

    assert lengths(len(path), 3) == [57]  # short enough
    assert lengths(56, 9) == [57]  # no pause is long enough; those at the ends are none
    assert lengths(56, 3) == [38, 19]  # frames 34 to 41 are the longest pause: 7 blanks and the one that ends a word
    assert lengths(37, 3) == [23, 15, 19]  # then 20 to 25
    assert lengths(1, 7) == [38, 19]
