from __future__ import annotations

import itertools

import numpy as np
import pytest

from speechnar.decode.greedy import greedy
from speechnar.runtime.windows import EncodedAudio, WindowSizes, crossover_frame, segments
from speechnar.text.symbols import Vocabulary

VOCABULARY = Vocabulary(("<blank>", "▁a", "b"))
BLANK, WORD, LETTER = 0, 1, 2


def log_probs(path: list[int], sure: float = 0.9) -> np.ndarray:
    """(T, V) whose best path is the given one."""
    probs = np.full((len(path), len(VOCABULARY)), (1 - sure) / 2, np.float32)
    probs[np.arange(len(path)), path] = sure
    return np.log(probs)


def listen(path: list[int], sizes: WindowSizes, block: int = 7, deaf: int = 0, hum: int = 0) -> tuple[list, list[int]]:
    """The segments of a stream whose samples are its best path, and the lengths of the windows; `deaf` frames at edges
    within the stream are misheard. With a hum no place is quiet.
    """
    stream = hum + np.repeat(path, sizes.frame) + np.arange(len(path) * sizes.frame) * 1e-6  # and where each is
    windows: list[int] = []

    def hear(wav: np.ndarray) -> EncodedAudio:
        wav = wav - hum
        symbols = wav[:: sizes.frame].round().astype(int)
        start = round((wav[0] - symbols[0]) * 1e6) // sizes.frame
        probs = log_probs(symbols.tolist())
        if start:
            probs[:deaf] = np.roll(probs[:deaf], 1, axis=1)
        if start + len(probs) < len(path):
            probs[len(probs) - deaf :] = np.roll(probs[len(probs) - deaf :], 1, axis=1)
        windows.append(len(wav))
        memory = np.arange(2.0 * start, 2 * (start + len(probs))).reshape(1, -1, 1)  # each says where it is
        return EncodedAudio(probs, (memory,), 2)

    blocks = [stream[at : at + block] for at in range(0, len(stream), block)]
    found = list(segments(blocks, hear, sizes, VOCABULARY))
    for start, piece in found:
        np.testing.assert_array_equal(piece.memory[0][0, :, 0], np.arange(2 * start, 2 * (start + len(piece))))
    np.testing.assert_array_equal(np.concatenate([piece.log_probs for _, piece in found]), log_probs(path))
    return found, windows


@pytest.mark.parametrize(
    ("n_frames", "lengths"),
    # windows share 6 frames of 2 samples; the last has up to 30
    [(1, [2]), (20, [40]), (30, [60]), (31, [40, 34]), (44, [40, 60]), (45, [40, 40, 34])],
)
@pytest.mark.parametrize("block", [1, 4, 100])
def test_without_pauses_windows_overlap(n_frames: int, lengths: list[int], block: int) -> None:
    assert listen([WORD] * n_frames, WindowSizes(2, 20, 6, 4), block)[1] == lengths


def test_a_window_ends_where_it_is_quiet() -> None:
    sizes = WindowSizes(2, 21, 6, 4)
    path = [WORD] * 15 + [BLANK] * 4 + [WORD] * 20
    found, windows = listen(path, sizes)
    assert [start for start, _ in found][:2] == [0, 18] and windows[0] == 2 * 18  # three quarters of 15 to 19


def test_where_it_is_loud_a_window_ends_half_a_pause_before_the_end_of_its_last_one() -> None:
    sizes = WindowSizes(2, 20, 6, 4)

    def heard(path: list[int]) -> list[int]:
        loud = listen(path, sizes, hum=1000)
        return [start for start, _ in loud[0]]

    path = [WORD] * 8 + [BLANK] * 6 + [WORD] * 3 + [BLANK] * 2 + [WORD] * 15
    assert heard(path) == [0, 12]  # 14 is the end of the pause; that at 19 is too short
    assert heard([WORD] * 8 + [BLANK] * 6 + [LETTER] * 20) != [0, 12]  # it is within a word
    early = [WORD] * 2 + [BLANK] * 6 + [WORD] * 26
    assert heard(early) not in ([0, 6], [0, 8])  # in the first half: by the overlap
    assert heard([WORD] * 14 + [BLANK] * 9 + [WORD] * 11) == [0, 18]  # the pause goes on


def test_silence_is_cut_into_windows() -> None:
    found, windows = listen([BLANK] * 50, WindowSizes(2, 20, 6, 4))
    assert [start for start, _ in found] == [0, 18, 36] and windows == [40, 40, 28]


def test_the_first_piece_is_given_out_before_the_stream_ends() -> None:
    endless = (np.zeros(4, np.float32) for _ in itertools.count())
    silence = segments(
        endless, lambda wav: EncodedAudio(log_probs([BLANK] * (len(wav) // 2))), WindowSizes(2, 20, 6, 4), VOCABULARY
    )
    assert next(silence)[0] == 0 and next(silence)[0] == 18


def test_the_join_is_amid_the_longest_pause_before_a_word() -> None:
    path = [WORD, BLANK] * 8 + [BLANK] * 6 + [WORD, BLANK] * 5  # 32 frames; the pause is 15 to 21
    assert crossover_frame(log_probs(path), log_probs(path), VOCABULARY) in range(16, 21)


def test_the_join_is_in_the_middle_half() -> None:
    path = [BLANK] * 10 + [WORD, BLANK, WORD, BLANK, BLANK, BLANK, WORD, BLANK, WORD, BLANK] * 2 + [BLANK] * 10
    assert 10 <= crossover_frame(log_probs(path), log_probs(path), VOCABULARY) < 30


def test_a_pause_within_a_word_is_no_place_to_join() -> None:
    path = [WORD] * 10 + [BLANK] * 8 + [LETTER, BLANK, BLANK, WORD] + [BLANK] * 9 + [LETTER]  # 32 frames
    assert crossover_frame(log_probs(path), log_probs(path), VOCABULARY) in (19, 20)


def test_both_windows_have_a_say() -> None:
    one = [BLANK] * 16 + [WORD] * 16
    other = [WORD] * 12 + [BLANK] * 2 + [WORD] * 18
    for before, after in ((one, other), (other, one)):
        assert crossover_frame(log_probs(before), log_probs(after), VOCABULARY) in (12, 13)


def test_without_any_blank_the_join_is_still_somewhere() -> None:
    assert 2 <= crossover_frame(log_probs([WORD] * 8), log_probs([LETTER] * 8), VOCABULARY) < 6
    certain = np.where(log_probs([WORD] * 8) > -1, 0.0, -np.inf)
    assert 2 <= crossover_frame(certain, certain, VOCABULARY) < 6


@pytest.mark.parametrize(("pause", "deaf"), [(20, 4), (5, 0)])  # edges that lack context are misheard
@pytest.mark.parametrize("seed", range(20))
def test_pieces_decode_to_the_words_of_the_whole(seed: int, pause: int, deaf: int) -> None:
    rng = np.random.default_rng(seed)
    path: list[int] = []
    while len(path) < 300:
        path += [WORD] * rng.integers(1, 4) + [BLANK] * rng.integers(0, 3)
        for _ in range(rng.integers(0, 3)):
            path += [LETTER] * rng.integers(1, 3) + [BLANK] * rng.integers(1, 3)
        path += [BLANK] * rng.integers(1, 5)
    found, _ = listen(path, WindowSizes(3, 60, 30, pause), deaf=deaf)
    assert len(found) > 5
    words = [
        (word.text, start + word.start, start + word.end)
        for start, piece in found
        for word in greedy(piece.log_probs, VOCABULARY, 1.0).words
    ]
    assert words == [(word.text, word.start, word.end) for word in greedy(log_probs(path), VOCABULARY, 1.0).words]
