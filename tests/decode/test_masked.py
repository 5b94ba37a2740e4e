"""Mask-CTC and Mask-Predict fill masks in the right order; n-best rescoring judges tokens one by one, by loops."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from speechnar.decode.interface import DecoderInput, refine
from speechnar.decode.mask_ctc import MaskCTCDecoder, resize_masks, resized
from speechnar.decode.mask_predict import MaskPredictDecoder, masked_state
from speechnar.decode.rescoring import agreement
from speechnar.text.symbols import Vocabulary

VOCABULARY = Vocabulary(("<blank>", *"abcdefgh", "<mask>"))
MASK = VOCABULARY.mask_id
ROWS = [[1, MASK, MASK, 2, MASK], [MASK, MASK, MASK], [], [3, 4], [MASK]]


class Reader:
    """A masked decoder of functions of (B, N) tokens: of log-probabilities, and of the number of tokens of a mask."""

    def __init__(
        self,
        predict: Callable[[np.ndarray], np.ndarray] | None = None,
        count: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.function, self.count = predict, count
        self.seen: list[list[list[int]]] = []

    def predict(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        self.seen.append([row[:n] for row, n in zip(tokens.tolist(), token_lengths.tolist())])
        assert self.function
        return self.function(tokens)

    def predict_counts(self, tokens: np.ndarray, token_lengths: np.ndarray) -> np.ndarray:
        assert self.count
        return self.count(tokens)

    def aligned_with(self, texts: Sequence[Sequence[int]], repeats: int) -> Reader:
        return self

    @property
    def masks(self) -> list[int]:
        """The number of masks in each call."""
        return [sum(row.count(MASK) for row in rows) for rows in self.seen]


def increasing(right: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Predict the right tokens, with more confidence the further to the right they are; and masks most of all."""

    def predict(tokens: np.ndarray) -> np.ndarray:
        scores = np.eye(10)[np.broadcast_to(right, tokens.shape)] * np.linspace(1, 2, tokens.shape[1])[:, None]
        scores[:, :, MASK] = 5.0
        return scores

    return predict


def ctc(path: list[int], probability: float = 0.5) -> DecoderInput:
    """The output of an encoder whose best path is given, with a blank after each token."""
    frames = [token for n in path for token in (n, 0)]
    probs = np.full((1, len(frames), 10), (1 - probability) / 9)
    probs[0, range(len(frames)), frames] = probability
    return DecoderInput(np.log(probs), np.array([len(frames)]))


@pytest.mark.parametrize(
    ("iterations", "masks"), [(1, [8]), (2, [8, 4]), (4, [8, 6, 4, 2]), (50, [8, 7, 6, 5, 4, 3, 2, 1])]
)
def test_mask_ctc_fills_the_most_probable_first(iterations: int, masks: list[int]) -> None:
    right = np.arange(1, 9)
    reader = Reader(increasing(right), lambda tokens: np.full(tokens.shape, 8 - (tokens != MASK).sum()))
    given = DecoderInput(ctc([1, 2, 3]).log_probs, np.array([6]), reader)
    state = refine(MaskCTCDecoder(VOCABULARY, 0.9, iterations), given, keep_history=True)
    assert state.sequences() == [right.tolist()] and reader.masks == masks
    assert state.step == len(state.history) == len(masks)


def test_mask_ctc_fills_rows_by_their_own_number_and_leaves_what_is_known() -> None:
    counts = iter([[[0, 2, 0, 1], [3, 0, 0, 0], [0] * 4, [0] * 4, [1, 0, 0, 0]], np.ones((5, 5), int)])
    reader = Reader(increasing(np.array([7])), lambda tokens: np.array(next(counts)))
    decoder = MaskCTCDecoder(VOCABULARY, iterations=2)
    state = masked_state(ROWS, MASK, reader)
    while not state.done:
        state = dataclasses.replace(decoder.step(state), step=state.step + 1)
    assert state.sequences() == [[1, 7, 7, 2, 7], [7, 7, 7], [], [3, 4], [7]]
    assert reader.seen == [ROWS, [[1, MASK, 7, 2, 7], [MASK, 7, 7], [], [3, 4], [7]]]


def test_mask_ctc_masks_what_ctc_is_not_confident_of() -> None:
    given = ctc([1, 2, 3, 4])
    probs = np.exp(given.log_probs)
    probs[0, 0], probs[0, 6] = (np.eye(10)[token] * 0.89 + 0.01 for token in (1, 4))
    reader = Reader(increasing(np.array([8])), lambda tokens: np.full(tokens.shape, 1))
    given = DecoderInput(np.log(probs), given.lengths, reader)
    state = refine(MaskCTCDecoder(VOCABULARY, 0.9), given)
    assert state.sequences() == [[1, 8, 4]]  # the two masks shrink to one, and stay one
    assert refine(MaskCTCDecoder(VOCABULARY, 0.3), given).sequences() == [[1, 2, 3, 4]]
    assert refine(MaskCTCDecoder(VOCABULARY, 0.9, resizing=False), given).sequences() == [[1, 8, 8, 4]]


def test_masks_shrink_and_expand_before_every_step() -> None:
    """Of three masks one is filled; the two that are left shrink to one, which expands to three; then two to one."""
    seen, counts = [], iter([3, 3, 1])

    def count(tokens: np.ndarray) -> np.ndarray:
        seen.append(tokens.tolist())
        return np.full(tokens.shape, next(counts))

    reader = Reader(increasing(np.array([7])), count)
    given = DecoderInput(ctc([8, 8, 8]).log_probs, np.array([6]), reader)
    decoder = MaskCTCDecoder(VOCABULARY, iterations=4)
    state = decoder.first(given)
    assert state.sequences() == [[MASK] * 3] and not seen
    rows = []
    while not state.done:
        state = dataclasses.replace(decoder.step(state), step=state.step + 1)
        rows += state.sequences()
    assert rows == [[MASK, MASK, 7], [MASK, MASK, 7, 7], [7, 7, 7]]
    assert seen == [[[MASK]], [[MASK, 7]], [[MASK, 7, 7]]]
    assert reader.seen == [[[MASK] * 3], [[MASK, MASK, MASK, 7]], [[MASK, 7, 7]]]


def test_tokens_keep_their_scores_when_masks_come_and_go() -> None:
    reader = Reader(count=lambda tokens: np.array([[9, 0, 9, 2], [3, 9, 9, 9]]))
    state = masked_state([[1, MASK, 2, MASK], [MASK, MASK, 4]], MASK, reader)
    state.scores[0, [0, 2]], state.scores[1, 2] = (-0.5, -0.25), -0.125
    after = resized(state, MASK)
    assert after.sequences() == [[1, 2, MASK, MASK], [MASK, MASK, MASK, 4]] and not after.done
    assert after.scores.tolist() == [[-0.5, -0.25, -np.inf, -np.inf], [-np.inf, -np.inf, -np.inf, -0.125]]
    after = resized(masked_state([[1, MASK]], MASK, Reader(count=np.zeros_like)), MASK)
    assert after.done and after.sequences() == [[1]]


def test_masks_shrink_and_expand_to_the_predicted_number() -> None:
    seen = []

    def count(tokens: np.ndarray) -> np.ndarray:
        seen.append(tokens.tolist())
        return np.array([[9, 0, 9, 3], [2, 9, 9, 9], [9, 9, 9, 9], [9, 9, 9, 9], [1, 9, 9, 9]])

    assert resize_masks(ROWS, Reader(count=count), MASK) == [[1, 2, *[MASK] * 3], [MASK] * 2, [], [3, 4], [MASK]]
    assert seen == [[[1, MASK, 2, MASK], [MASK, 0, 0, 0], [0] * 4, [3, 4, 0, 0], [MASK, 0, 0, 0]]]


def test_equal_tokens_are_no_run_of_masks() -> None:
    reader = Reader(count=lambda tokens: np.ones_like(tokens))
    assert resize_masks([[3, 3, MASK, 3, MASK]], reader, MASK) == [[3, 3, MASK, 3, MASK]]


def test_mask_predict_masks_the_least_probable_again() -> None:
    right = np.arange(1, 9)
    reader = Reader(increasing(right))
    given = ctc([2, 4, 6, 8, 1, 3, 5, 7])
    state = refine(MaskPredictDecoder(VOCABULARY, 4), DecoderInput(given.log_probs, given.lengths, reader))
    assert state.sequences() == [right.tolist()] and reader.masks == [8, 6, 4, 2]
    again = [[n for n, token in enumerate(rows[0]) if token == MASK] for rows in reader.seen]
    assert again == [list(range(8)), list(range(6)), list(range(4)), list(range(2))]  # the left is less probable


def test_nothing_said_has_nothing_to_predict() -> None:
    given = DecoderInput(np.log(np.full((1, 3, 10), [0.91, *[0.01] * 9])), np.array([3]), Reader())
    for decoder in (MaskPredictDecoder(VOCABULARY), MaskCTCDecoder(VOCABULARY)):
        assert refine(decoder, given).sequences() == [[]]  # type: ignore[arg-type]


TEXTS = [[1, 2, 3, 4, 1], [4, 4], [], [3]]


def whole(tokens: np.ndarray) -> np.ndarray:
    """Log-probabilities for which the position, and every token of the row, make a difference."""
    positions = np.arange(1, tokens.shape[1] + 1)
    total = ((tokens + 1) ** 2 * positions * (tokens != 0)).sum(axis=1)
    scores = total[:, None, None] * positions[:, None] * np.arange(1, 11) % 7.0
    return scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))


def by_hand(text: list[int], passes: int) -> float:
    total = 0.0
    for number in range(passes):
        row = [MASK if n % passes == number else token for n, token in enumerate(text)]
        if row:
            log_probs = whole(np.array([row]))[0]
            total += sum(float(log_probs[n, text[n]] - max(log_probs[n])) for n in range(len(text)) if row[n] == MASK)
    return total


@pytest.mark.parametrize("passes", [1, 2, 3, 9])
def test_each_token_is_judged_once_where_it_is_masked(passes: int) -> None:
    reader = Reader(whole)
    found = agreement(TEXTS, reader, passes, MASK)
    assert [len(rows) for rows in reader.seen] == [len(TEXTS) * passes]
    assert found.tolist() == pytest.approx([by_hand(text, passes) for text in TEXTS])


def test_a_text_that_the_decoder_would_predict_is_agreed_with_whatever_its_length() -> None:
    reader = Reader(lambda tokens: np.broadcast_to([0.0, 3, 1, *[0] * 7], (*tokens.shape, 10)))
    assert agreement([[1, 1, 1], [1], [1, 2]], reader, 1, MASK).tolist() == [0.0, 0.0, -2.0]
