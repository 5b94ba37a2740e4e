"""A draft checked and mended by a decoder that reads many of its words at once.

    draft     the  night  before  she  left
    decoder   the  knight             says of every place what it would have written there, in one pass
    rows           before  she  left  after its own word the draft goes on behind what is spelled alike,
                   night  before ...  where it stands,
                   she  left ...      or a word later, if that is not clear
    decoder                           reads all of that at once; the row that stands longest is taken

Where the draft is right nothing is written one by one. A wrong place costs a pass, unless the decoder had a better word
for it, spelled much alike, while it read on behind another: the draft is written anew there. What comes out, if there
is no margin and passes are enough, is what the decoder would have written piece by piece. Where it does not come to an
end soon after the draft's, which decoders of speech are prone to, what is behind that is left out.

Source: Blockwise parallel decoding, Stern et al. 2018, section 3; speculative decoding, Leviathan et al. 2023,
    section 2.
Differs: the draft is that of a CTC model, all at once, and is taken up again behind a wrong place by its spelling, and
    where that is not clear in several ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from speechnar.decode.result import DecodeError
from speechnar.text.whisper_bpe import Pieces

LONGER = 1.5  # times the draft, and a few pieces: what is longer goes round in circles
A_FEW = 12
REACH = 4  # pieces within which a draft is looked through for the decoder's word
WIDTH = 12  # pieces that are read in one pass, over all rows
SHORTEST_ROW = 4
ALIKE = 0.7  # of the longer spelling may differ where a word is written anew: what differs more stands elsewhere
NEARLY = 1  # letters more than the fewest that may differ where a draft goes on
LIKELY = 3  # places where it may
FIRST_WIDTH = 64  # in the first pass, whose word on what is far ahead spares others
BEYOND = 6  # pieces behind the draft's last word: a decoder that goes on longer than that goes round in circles


@dataclass(frozen=True, eq=False)
class Checked:
    """What a decoder says of B rows of N pieces.

    Attributes:
        best: (B, N + 1) int64 the piece it would have written: at each place, and behind the last one.
        best_log_probs: (B, N + 1) of that piece.
        log_probs: (B, N) of the piece that stands there.
    """

    best: np.ndarray
    best_log_probs: np.ndarray
    log_probs: np.ndarray


class Reader(Protocol):
    """A decoder that goes on from a text that it keeps."""

    def read(self, rows: np.ndarray) -> Checked:
        """What it says of (B, N) int64 pieces, each row following the text."""

    def keep(self, row: int, n: int, piece: int) -> None:
        """Adds to the text: of what was read last, the first `n` pieces of a row, and another piece."""


@dataclass(frozen=True)
class VerifyOptions:
    """How a draft is mended.

    Attributes:
        iterations: passes of the decoder, at most; what is left after them stays a draft.
        acceptance_threshold: nats by which the decoder may prefer another piece to the draft's before that gives way.
    """

    iterations: int = 40
    acceptance_threshold: float = 0.0

    def __post_init__(self) -> None:
        if self.iterations < 0 or self.acceptance_threshold < 0:
            raise DecodeError(
                f"iterations {self.iterations} and acceptance_threshold {self.acceptance_threshold} should be 0 or more"
            )


@dataclass(frozen=True, eq=False)
class Verified:
    """pieces: ids, without the end; probabilities: what the decoder gives them, 0 where it did not come to; passes: how
    many it took.
    """

    pieces: list[int]
    probabilities: list[float]
    passes: int


def verify(
    draft: Sequence[int],
    reader: Reader,
    pieces: Pieces,
    longest: int,
    options: VerifyOptions = VerifyOptions(),
    acceptance_bonus: Sequence[float] | None = None,
) -> Verified:
    """Mends a draft.

    Args:
        draft: ids of pieces.
        longest: pieces that the decoder can read.
        acceptance_bonus: for each piece of the draft, nats that come to the margin.

    Returns:
        The text; what the decoder did not come to is a draft.
    """

    def n_words(ids: Sequence[int]) -> int:
        return sum(pieces.begins_word[piece] for piece in ids)

    text: list[int] = []
    log_probs: list[float] = []
    draft = list(draft)
    margins = [options.acceptance_threshold + extra for extra in (acceptance_bonus or [0.0] * len(draft))]
    expected = n_words(draft)
    limit = min(longest, int(LONGER * len(draft)) + A_FEW)
    starts, done, beyond = [0], 0, 0  # of the rows, in the draft; passes; pieces after its end
    while done < options.iterations and len(text) < limit:
        width = min(max(SHORTEST_ROW, WIDTH // len(starts)) if done else FIRST_WIDTH, limit - len(text))
        rows = np.full((len(starts), min(width, len(draft) - min(starts))), pieces.end_id)
        for row, start in zip(rows, starts):
            its = draft[start : start + len(row)]
            row[: len(its)] = its
        checked = reader.read(rows)
        done += 1
        stands = [_stands(row, margins[start:], checked, n) for n, (row, start) in enumerate(zip(rows, starts))]
        chosen = int(np.argmax(stands))
        n, place = stands[chosen], starts[chosen] + stands[chosen]
        text += rows[chosen, :n].tolist()
        log_probs += checked.log_probs[chosen, :n].tolist()
        piece = int(checked.best[chosen, n])
        if piece == pieces.end_id:
            return Verified(text, np.exp(log_probs).tolist(), done)
        text.append(piece)
        log_probs.append(float(checked.best_log_probs[chosen, n]))
        beyond += place >= len(draft) and n_words(text) > expected
        if beyond > BEYOND:
            return Verified(text[:-beyond], np.exp(log_probs[:-beyond]).tolist(), done)
        reader.keep(chosen, n, piece)
        _revise(draft, margins, starts[chosen], place + 1, checked, chosen, pieces)
        starts = _goes_on(draft, place, piece, pieces, lost=not n)
    rest = list(draft[starts[0] :])
    return Verified(text + rest, [*np.exp(log_probs).tolist(), *[0.0] * len(rest)], done)


def _stands(row: np.ndarray, margins: Sequence[float], checked: Checked, n: int) -> int:
    """How many pieces of a row the decoder agrees with, from its beginning on, within the draft."""
    size = min(len(row), len(margins))
    lacking = checked.best_log_probs[n, :size] - checked.log_probs[n, :size]
    wrong = (row[:size] != checked.best[n, :size]) & (lacking > margins[:size])
    return int(np.argmax(wrong)) if wrong.any() else size


def _revise(
    draft: list[int], margins: list[float], start: int, first: int, checked: Checked, row: int, pieces: Pieces
) -> None:
    """Writes a draft anew behind a wrong place, where the decoder has read on: from where it would have gone on
    otherwise each whole word is what it would have written there, one piece, if that is spelled alike: else the row
    stood beside what was said. It is still a draft.

    Args:
        start: where the row begins in the draft.
        first: of the places that are written anew, in the draft; changed in place, as are the margins.
    """
    end = min(start + checked.log_probs.shape[1], len(draft))
    edges = [n for n in range(first, end) if pieces.begins_word[draft[n]]]
    usual = min(margins, default=0.0)
    for a, b in reversed(list(zip(edges, edges[1:]))):
        lacking = checked.best_log_probs[row, a - start : b - start] - checked.log_probs[row, a - start : b - start]
        wrong = np.flatnonzero(lacking > margins[a:b])
        if not len(wrong):
            continue
        place = a + int(wrong[0])
        piece = int(checked.best[row, place - start])
        if piece == pieces.end_id or (place == a and not pieces.begins_word[piece]):
            continue
        before, wanted = "".join(pieces.pieces[old] for old in draft[place:b]), pieces.pieces[piece]
        if _differences(wanted, [before])[1] <= ALIKE * max(len(before), len(wanted)):
            draft[place:b] = [piece]
            margins[place:b] = [usual]


def _differences(wanted: str, parts: Iterable[str]) -> list[int]:
    """The edit distances of a text from nothing, from the first part, from the first two, and so on."""
    row = list(range(len(wanted) + 1))
    found = [row[-1]]
    for part in parts:
        for letter in part:
            above, row = row, [row[0] + 1]
            for n, other in enumerate(wanted):
                row.append(min(above[n] + (letter != other), above[n + 1] + 1, row[n] + 1))
        found.append(row[-1])
    return found


def _goes_on(draft: Sequence[int], place: int, piece: int, pieces: Pieces, lost: bool) -> list[int]:
    """Where a draft may go on behind a piece of the decoder's that came at a place in it, the likeliest first: behind
    what is spelled as the piece is; and if it is lost, since that was its first place, at other words.
    """
    if place >= len(draft) or draft[place] == piece:
        return [min(place + 1, len(draft))]
    differences = _differences(pieces.pieces[piece], [pieces.pieces[old] for old in draft[place : place + 1 + REACH]])
    nearly = [n for n, its in enumerate(differences) if its <= min(differences) + NEARLY]
    likely = [place + n for n in sorted(nearly, key=differences.__getitem__)][:LIKELY]
    if not lost:
        return likely
    again = [n + 1 for n in range(place + 1, min(place + 1 + REACH, len(draft))) if draft[n] == piece][:1]
    words = [n for n in range(place + 1, len(draft)) if pieces.begins_word[draft[n]]][:2]
    return list(dict.fromkeys((likely[0], place + 1, *again, *words, place)))
