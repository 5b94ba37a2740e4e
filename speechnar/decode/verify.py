"""A draft checked and mended by a decoder that reads all of it at once.

    draft     the  night  before  she  left  for  paris
    decoder   the  knight ...                            says of every place what it would have written there, in one pass
    rows      the  knight before  she  left ...          its word, and what the draft goes on with: after the wrong word,
              the  knight night   before she ...         with that word too, from where the draft says the same word, ...
    decoder                                              reads all rows at once; the row that stands longest is taken

Where the draft is right nothing is done one by one; each wrong place costs a pass. What comes out, if there is no margin
and passes are enough, is what the decoder would have written piece by piece.

Source: Blockwise parallel decoding, Stern et al. 2018, section 3; speculative decoding, Leviathan et al. 2023, section 2.
Differs: the draft is that of a CTC model, all at once, and is taken up again behind a wrong place in several ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from speechnar.decode.pieces import Pieces
from speechnar.decode.result import DecodeError

LONGER = 1.5  # times the draft, and a few pieces: what is longer goes round in circles
A_FEW = 12
REACH = 4  # pieces within which a draft is looked through for the decoder's word


@dataclass(frozen=True, eq=False)
class Checked:
    """What a decoder says of texts, B rows of up to N pieces; a row's numbers end one place behind its last piece.

    Attributes:
        best: (B, N + 1) int64 the piece it would have written.
        best_log_probs: (B, N + 1) of that piece.
        log_probs: (B, N) of the piece that stands there.
    """

    best: np.ndarray
    best_log_probs: np.ndarray
    log_probs: np.ndarray


@dataclass(frozen=True)
class VerifyOptions:
    """How a draft is mended.

    Attributes:
        passes: of the decoder, at most; then the draft stands as it is from there.
        margin: nats by which the decoder may prefer another piece to the draft's before that gives way.
    """

    passes: int = 24
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.passes < 0 or self.margin < 0:
            raise DecodeError(f"passes {self.passes} and margin {self.margin} should be 0 or more")


@dataclass(frozen=True, eq=False)
class Verified:
    """pieces (N,) ids, without the end; probabilities (N,) that the decoder gives them, 0 where it did not see them;
    passes: how many it took."""

    pieces: list[int]
    probabilities: list[float]
    passes: int


def verify(
    draft: Sequence[int],
    check: Callable[[np.ndarray], Checked],
    pieces: Pieces,
    longest: int,
    options: VerifyOptions = VerifyOptions(),
    trusted: Sequence[float] | None = None,
) -> Verified:
    """Mends a draft.

    Args:
        draft: ids of pieces.
        check: (B, N) int64 pieces, 0-padded, to what the decoder says of them.
        longest: pieces that the decoder can read.
        trusted: for each piece of the draft, nats that come to the margin.

    Returns:
        The text; what the decoder did not come to, or cannot read, is the draft's.
    """
    Row = tuple[list[int], list[float]]  # pieces and the margins of each
    margins = [options.margin + extra for extra in trusted] if trusted else [options.margin] * len(draft)
    limit = min(longest, int(LONGER * len(draft)) + A_FEW)
    rows: list[Row] = [(list(draft)[:limit], margins[:limit])]
    rest = list(draft)[limit:]
    settled, probabilities = 0, [0.0] * len(rows[0][0])
    for done in range(options.passes):
        tokens = np.zeros((len(rows), max(len(row) for row, _ in rows)), np.int64)
        for n, (row, _) in enumerate(rows):
            tokens[n, : len(row)] = row
        checked = check(tokens)
        stands = [_stands(row, its, checked, n, settled, pieces.end_id) for n, (row, its) in enumerate(rows)]
        chosen = int(np.argmax(stands))
        settled, (row, margins) = stands[chosen], rows[chosen]
        probabilities = np.exp(checked.log_probs[chosen, : len(row)].astype(float)).tolist()
        best = int(checked.best[chosen, settled])
        if best == pieces.end_id:  # also where the row is over
            return Verified(row[:settled] + rest, probabilities[:settled] + [0.0] * len(rest), done + 1)
        if settled + 1 >= limit:
            break
        said = checked.best[chosen, settled:].tolist()
        rows = _mended(row, margins, settled, said, pieces, limit)
    row = rows[0][0]
    unseen = len(row) + len(rest) - settled
    return Verified(row + rest, probabilities[:settled] + [0.0] * unseen, options.passes)


def _stands(row: list[int], margins: list[float], checked: Checked, n: int, settled: int, end_id: int) -> int:
    """How many pieces of a row the decoder agrees with, from its beginning on."""
    for place in range(settled, len(row)):
        if row[place] == checked.best[n, place]:
            continue
        if checked.log_probs[n, place] < checked.best_log_probs[n, place] - margins[place]:
            return place
    return len(row)


def _mended(
    row: list[int], margins: list[float], place: int, said: list[int], pieces: Pieces, limit: int
) -> list[tuple[list[int], list[float]]]:
    """What may follow the decoder's word at the place where a row is wrong, the likeliest first; each text once."""
    word = said[0]
    nexts = [n for n in range(place + 1, len(row)) if pieces.begins_word[row[n]]][:2]  # words that begin after it
    again = [n for n in range(place + 1, min(place + 1 + REACH, len(row))) if row[n] == word][:1]
    found: dict[tuple[int, ...], list[float]] = {}
    for start in (place + 1, *(n + 1 for n in again), *nexts, place):
        made = (*row[:place], word, *row[start:])[:limit]
        found.setdefault(made, [*margins[:place], 0.0, *margins[start:]][:limit])
    guessed = (*row[:place], *said[: len(row) - place])[:limit]  # what it says of the rest, though that follows the wrong word
    found.setdefault(guessed, [*margins[:place], *[0.0] * (len(guessed) - place)])
    return [(list(made), its) for made, its in found.items()]
