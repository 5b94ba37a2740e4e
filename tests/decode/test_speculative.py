"""Drafts are mended to what a decoder would have written piece by piece, in few passes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from speechnar.decode.result import DecodeError
from speechnar.decode.speculative import FIRST_WIDTH, WIDTH, Checked, VerifyOptions, verify
from speechnar.text.whisper_bpe import Pieces

PIECES = Pieces((*(f"▁{letter}" for letter in "abcdefgh"), *"ijkl", "</s>"))
END = PIECES.end_id
Says = Callable[[tuple[int, ...]], np.ndarray]


class Decoder:
    """A reader that asks a function for the log-probabilities of the piece behind any text."""

    def __init__(self, says: Says) -> None:
        self.says = says
        self.text: tuple[int, ...] = ()
        self.widest = 0

    def read(self, rows: np.ndarray) -> Checked:
        self.rows = rows
        self.widest = max(self.widest, rows.size)
        said = np.array([[self.says((*self.text, *row[:n])) for n in range(len(row) + 1)] for row in rows.tolist()])
        given = np.array([[said[i, n, piece] for n, piece in enumerate(row)] for i, row in enumerate(rows)])
        return Checked(said.argmax(2), said.max(2), given.reshape(rows.shape))

    def keep(self, row: int, n: int, piece: int) -> None:
        self.text = (*self.text, *self.rows[row, :n].tolist(), piece)


def chance(seed: int, ends: float = 0.0) -> Says:
    """Log-probabilities that depend on the whole text, in a way that only its hash knows."""

    def says(text: tuple[int, ...]) -> np.ndarray:
        rng = np.random.default_rng((seed, *text))
        logits = 2 * rng.normal(size=len(PIECES))
        logits[END] = 10 if len(text) >= ends else -10
        return logits - np.log(np.exp(logits).sum())

    return says


def one_by_one(says: Says, longest: int) -> list[int]:
    text: list[int] = []
    while len(text) < longest and (piece := int(says(tuple(text)).argmax())) != END:
        text.append(piece)
    return text


def spoilt(text: Sequence[int], errors: int, rng: random.Random) -> list[int]:
    """A text with pieces replaced, left out and put in."""
    draft = list(text)
    for _ in range(errors):
        place = rng.randrange(len(draft))
        draft[place : place + rng.choice((0, 1, 1, 2))] = [rng.randrange(END) for _ in range(rng.choice((0, 1, 1, 2)))]
        draft = draft or [0]
    return draft


@pytest.mark.parametrize("seed", range(30))
def test_what_comes_out_is_what_the_decoder_writes_piece_by_piece(seed: int) -> None:
    rng = random.Random(seed)
    says = chance(seed, ends=rng.randrange(2, 30))
    expected = one_by_one(says, 100)
    draft = spoilt(expected, rng.randrange(6), rng)
    made = verify(draft, Decoder(says), PIECES, 100)
    assert made.pieces == expected
    probabilities = [np.exp(says(tuple(expected[:n]))[piece]) for n, piece in enumerate(expected)]
    np.testing.assert_allclose(made.probabilities, probabilities)


@pytest.mark.parametrize("size", [1, WIDTH, *(FIRST_WIDTH + more for more in (-1, 0, 1, WIDTH + 1, WIDTH + 2, 60))])
def test_a_right_draft_is_read_in_as_few_passes_as_its_width_allows(size: int) -> None:
    says = chance(1, ends=size)
    decoder = Decoder(says)
    expected = one_by_one(says, 200)
    made = verify(expected, decoder, PIECES, 200)
    assert made.pieces == expected and len(expected) == size
    passes, left = 1, size - FIRST_WIDTH
    while left > 0:  # each pass gives a piece of its own besides
        passes, left = passes + 1, left - 1 - WIDTH
    assert made.passes == passes
    assert decoder.widest == min(size, FIRST_WIDTH)


@pytest.mark.parametrize(
    ("spoil", "passes"),
    [
        (lambda text: [*text[:5], (text[5] + 1) % 8, *text[6:]], 2),  # another word
        (lambda text: [*text[:5], *text[6:]], 2),  # a word too few
        (lambda text: [*text[:5], (text[5] + 1) % 8, *text[5:]], 2),  # a word too many
    ],
)
def test_one_wrong_word_costs_one_pass(spoil: Callable[[list[int]], list[int]], passes: int) -> None:
    words = [0, 1, 2, 3, 4, 5, 6, 7, 0, 2, 4]

    def says(text: tuple[int, ...]) -> np.ndarray:
        wanted = (*words, END)[len(text)] if text == tuple(words[: len(text)]) else END
        return np.where(np.arange(len(PIECES)) == wanted, 0.0, -9.0)

    made = verify(spoil(words), Decoder(says), PIECES, 100)
    assert made.pieces == words
    assert made.passes <= passes + 1  # rows are shorter when there are several
    assert made.passes < len(words)


@pytest.mark.parametrize("extra", range(10))
def test_a_decoder_that_does_not_end_is_cut_where_the_draft_ends(extra: int) -> None:
    words = [0, 1, 2, 3, 4]

    def says(text: tuple[int, ...]) -> np.ndarray:
        wanted = (*words, *[5, 6] * 5)[len(text)] if len(text) < len(words) + extra else END
        return np.where(np.arange(len(PIECES)) == wanted, 0.0, -9.0)

    for draft in (words, [0, 1, 2, 3, 7]):
        made = verify(draft, Decoder(says), PIECES, 100)
        assert made.pieces == words + ([5, 6] * 3)[:extra] * (extra <= 6)
        assert len(made.probabilities) == len(made.pieces)


def test_within_the_margin_the_draft_stands() -> None:
    def says(text: tuple[int, ...]) -> np.ndarray:
        logits = np.full(len(PIECES), -9.0)
        logits[END if len(text) == 2 else 3] = -0.5
        logits[4] = -1.5 if len(text) < 2 else -9.0
        return logits

    assert verify([4, 4], Decoder(says), PIECES, 100).pieces == [3, 3]
    assert verify([4, 4], Decoder(says), PIECES, 100, VerifyOptions(acceptance_threshold=1.1)).pieces == [4, 4]
    assert verify([4, 4], Decoder(says), PIECES, 100, VerifyOptions(acceptance_threshold=0.9)).pieces == [3, 3]
    assert verify([4, 4], Decoder(says), PIECES, 100, acceptance_bonus=[2.0, 0.0]).pieces == [4, 3]


def by_place(words: list[int]) -> Says:
    """Whatever came before, it is sure of the word that belongs to a place."""

    def says(text: tuple[int, ...]) -> np.ndarray:
        return np.where(np.arange(len(PIECES)) == (*words, *[END] * 9)[len(text)], 0.0, -9.0)

    return says


def test_what_the_decoder_reads_on_mends_the_draft_behind() -> None:
    words = [0, 1, 2, 3, 4, 5, 6, 7] * 3
    draft = [(word + 1) % 8 for word in words]
    made = verify(draft, Decoder(by_place(words)), PIECES, 100)
    assert made.pieces == words
    assert made.passes <= len(words) // 3  # not a pass for every wrong word


def spelled(text: str) -> tuple[Pieces, list[int]]:
    """Pieces, and a text of them."""
    said = text.split()
    pieces = Pieces((*dict.fromkeys(said), "▁sh", "ure", "▁zzzzzzzzzzzzzzzz", "</s>"))
    return pieces, [pieces.ids[piece] for piece in said]


def sure_of(words: list[int], pieces: Pieces, lost: str) -> Says:
    """It is sure of a text, and says the same whenever it does not stand in it."""

    def says(text: tuple[int, ...]) -> np.ndarray:
        its = list(text) == words[: len(text)]
        wanted = (*words, pieces.end_id)[len(text)] if its else pieces.ids[lost]
        return np.where(np.arange(len(pieces)) == wanted, 0.0, -9.0)

    return says


def test_a_draft_goes_on_behind_what_is_spelled_as_the_decoders_piece() -> None:
    pieces, words = spelled("▁a ▁sure ▁means ▁of ▁not ▁encountering ▁objections ▁because ▁that ▁was ▁known")
    draft = [words[0], pieces.ids["▁sh"], pieces.ids["ure"], *words[2:]]
    decoder = Decoder(sure_of(words, pieces, "</s>"))
    made = verify(draft, decoder, pieces, 100)
    assert (made.pieces, made.passes) == (words, 2)
    assert len(decoder.rows) == 1


def test_what_is_read_beside_what_was_said_leaves_the_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces, words = spelled("▁earthquakes ▁but ▁which ▁luxury ▁from ▁symphony ▁did ▁chemist ▁upon ▁gardeners ▁known")
    draft = [words[-1], *words]  # a word too many
    made = verify(draft, Decoder(sure_of(words, pieces, "▁zzzzzzzzzzzzzzzz")), pieces, 100)
    assert (made.pieces, made.passes) == (words, 3)
    monkeypatch.setattr("speechnar.decode.speculative.ALIKE", 1.0)
    made = verify(draft, Decoder(sure_of(words, pieces, "▁zzzzzzzzzzzzzzzz")), pieces, 100)
    assert made.pieces == words and made.passes > 3


def test_what_passes_do_not_reach_stays_a_draft() -> None:
    words = [0, 1, 2, 3, 4, 5]
    draft = [1, 1, 3, 3, 5, 4]
    assert verify(draft, Decoder(by_place(words)), PIECES, 100, VerifyOptions(iterations=0)).pieces == draft
    made = verify(draft, Decoder(by_place(words)), PIECES, 100, VerifyOptions(iterations=1))
    assert made.passes == 1
    assert made.pieces == [*words[:5], 4]  # of the last word it is not known whether it ends there
    assert [probability > 0 for probability in made.probabilities] == [True] + [False] * 5


def test_a_decoder_that_goes_round_in_circles_is_stopped() -> None:
    says = chance(3, ends=10**9)
    made = verify([0, 1, 2], Decoder(says), PIECES, 1000, VerifyOptions(iterations=1000))
    assert len(made.pieces) < 30
    assert len(verify([0] * 50, Decoder(says), PIECES, 20, VerifyOptions(iterations=1000)).probabilities) >= 20


def test_options_are_checked() -> None:
    with pytest.raises(DecodeError, match="should be 0 or more"):
        VerifyOptions(iterations=-1)
    with pytest.raises(DecodeError, match="should be 0 or more"):
        VerifyOptions(acceptance_threshold=-0.1)
