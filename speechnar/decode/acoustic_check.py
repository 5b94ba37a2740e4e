"""Check a decoder's text against CTC: no word that nobody said, and no word lost that somebody said.

    draft      the   lions   den    probably  because            CTC's text, with its frames
    decoder    the   lion's  den    den                          repeats a word, and ends before the audio does
    changes                         + den     - probably because

A change is a run of words that one of the two texts has and the other has not. Its gain is the natural logarithm of how
much more probable CTC finds the frames between the neighboring words with the run than without it, summed over all
paths. Words that were said, but that CTC missed, lose a few nats a token; words that were not said lose ten and more. A
word that stands beside itself needs more, because decoders of speech repeat themselves.

Source: Graves et al. 2006, "Connectionist temporal classification", section 4.1, for the probability of a text; the
    likelihood ratio as a confidence of words is that of Jiang 2005, "Confidence measures for speech recognition: a
    survey", section 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from speechnar.decode.forced_alignment import total_log_probs
from speechnar.decode.spelling import MARKS, ctc_tokens, edit_distances, key_of
from speechnar.decode.spoken_numbers import said_by_numbers
from speechnar.text.abbreviations import TITLES
from speechnar.text.whisper_bpe import BytePairs

NUMBER_WORDS = frozenset(
    "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million "
    "billion first second third half quarter point and a dollar dollars cent cents pound pounds percent per o'clock "
    "am pm".split()
)
"""Words that a number in digits stands for: beside one they are neither missing nor too much."""


CONTEXT = 2  # words that are the same in both texts on each side of a change, between whose ends it is judged
REPEATED = 4  # words in a row that nobody says twice in one breath: a decoder that writes them again is in a loop


@dataclass(frozen=True)
class CheckConfig:
    """Limits of the acoustic check, in nats; `recipes/english_base/RESULTS.md` has the gains that they are chosen by.

    Attributes:
        insertion: gain a token, plus the logarithm of the decoder's confidence, that words beyond the draft need.
        repetition: gain a token that words need which stand beside themselves, or in a row that is repeated.
        deletion: gain from which a run of the draft's words is kept though the decoder left it out.
    """

    insertion: float = -5.5
    repetition: float = -2.0
    deletion: float = 8.0


@dataclass(frozen=True)
class Change:
    """A run of words that one text has and the other has not.

    Attributes:
        draft, text: places of words from the first to before the last, in the draft and in the decoder's text; one of
            them is empty.
        draft_block, text_block: the same of all words around the run that are not the same in both texts.
    """

    draft: slice
    text: slice
    draft_block: slice
    text_block: slice

    @property
    def is_insertion(self) -> bool:
        return self.draft.start == self.draft.stop


def changes(draft: Sequence[str], text: Sequence[str]) -> list[Change]:
    """Align two texts, and return the runs of words that only one of them has, in order.

    The alignment has the smallest sum of edits: 1 for a word that one text lacks, and up to 1.5 for two words that
    stand for each other, 0 if they are the same but for case and marks. So words of unlike spelling are aligned with
    each other where both texts have some between the words they share.
    """
    left, right = [key_of(word) for word in draft], [key_of(word) for word in text]
    first = _n_shared(left, right)
    behind = _n_shared(left[first:][::-1], right[first:][::-1])
    inner, other = left[first : len(left) - behind], right[first : len(right) - behind]
    path = [(first + i, first + j) for i, j in _alignment(inner, other)]
    steps = list(zip(path, path[1:]))
    found: list[Change] = []
    for same, block in groupby(steps, lambda step: step[1] == _next(step[0]) and left[step[0][0]] == right[step[0][1]]):
        if same:
            continue
        differing = list(block)
        (start, begin), (stop, end) = differing[0][0], differing[-1][1]
        for kind, run in groupby(differing, lambda step: (step[1][0] - step[0][0], step[1][1] - step[0][1])):
            if kind != (1, 1):
                its = list(run)
                (a, c), (b, d) = its[0][0], its[-1][1]
                found.append(Change(slice(a, b), slice(c, d), slice(start, stop), slice(begin, end)))
    return found


def _n_shared(left: Sequence[str], right: Sequence[str]) -> int:
    """Return the number of words that are the same at the beginning of both texts."""
    return next((n for n, pair in enumerate(zip(left, right)) if pair[0] != pair[1]), min(len(left), len(right)))


def _next(place: tuple[int, int]) -> tuple[int, int]:
    return place[0] + 1, place[1] + 1


def _alignment(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Return the places in two texts that the best alignment goes through, from (0, 0) to the ends of both."""
    pairs, others = [_pairs(word) for word in left], [_pairs(word) for word in right]
    best = [[float(j) for j in range(len(right) + 1)]]
    for i, one in enumerate(left):
        above, row = best[-1], [i + 1.0]
        for j, other in enumerate(right):
            unlike = 0.0 if one == other else 1.5 - len(pairs[i] & others[j]) / max(len(pairs[i]), len(others[j]))
            row.append(min(above[j + 1] + 1, row[j] + 1, above[j] + unlike))
        best.append(row)
    places = [(len(left), len(right))]
    while (place := places[-1]) != (0, 0):
        i, j = place
        if i and best[i][j] == best[i - 1][j] + 1:
            places.append((i - 1, j))
        elif j and best[i][j] == best[i][j - 1] + 1:
            places.append((i, j - 1))
        else:
            places.append((i - 1, j - 1))
    return places[::-1]


def _pairs(word: str) -> set[str]:
    """Return the pairs of letters next to each other, the ends of the word included."""
    return {a + b for a, b in zip(f" {word}", f"{word} ")}


class AcousticCheck:
    """The CTC output of an utterance, and the words of its draft, against which a decoder's text is checked.

    Args:
        log_probs: (T, V) natural logarithms of CTC.
        tokenizer: of CTC.
        words: of the draft.
        frames: the first frame of each word and the one after its last.
    """

    def __init__(
        self,
        log_probs: np.ndarray,
        tokenizer: BytePairs,
        words: Sequence[str],
        frames: Sequence[tuple[int, int]],
        config: CheckConfig = CheckConfig(),
    ) -> None:
        self._log_probs, self._tokenizer, self._config = log_probs, tokenizer, config
        self._words, self._frames = words, frames

    def wrong(self, text: Sequence[str], confidences: Sequence[float]) -> list[Change]:
        """Return where the draft is right and the decoder's text, of words and their confidences in [0, 1], is not.

        Words of the draft that spell a number of the text are not missing, and are no part of what is returned.
        """
        found = (self._beyond_numbers(change, text) for change in changes(self._words, text))
        return [change for change in found if change and self.is_wrong(change, text, confidences)]

    def _beyond_numbers(self, change: Change, text: Sequence[str]) -> Change | None:
        """Return a change without the words at its ends that a number in digits stands for; None if none are left."""
        if change.is_insertion:
            return change
        said = said_by_numbers(text[change.text_block], self._words[change.draft_block])
        if not said:
            return change
        start, run = change.draft_block.start, range(change.draft.start, change.draft.stop)
        left = [n for n in run if n - start not in said and key_of(self._words[n]) not in NUMBER_WORDS]
        return replace(change, draft=slice(left[0], left[-1] + 1)) if left else None

    def is_wrong(self, change: Change, text: Sequence[str], confidences: Sequence[float]) -> bool:
        """Return whether the draft is right where the decoder's text differs from it by a change.

        A repeated word that CTC cannot judge, such as a number in digits, is wrong.

        Args:
            text: words of the decoder.
            confidences: in [0, 1], of each word of the decoder.
        """
        if self._is_written_short(change, text):
            return False
        gain, n_tokens = self._gain(change, text)
        if not change.is_insertion:
            return gain > self._config.deletion
        if _is_repeated(change, [key_of(word) for word in text]):
            return gain < self._config.repetition * n_tokens or not gain  # 0: CTC cannot judge it
        confidence = max(min(confidences[change.text]), 1e-10)
        return gain + n_tokens * math.log(confidence) < self._config.insertion * n_tokens

    def span(self, change: Change) -> tuple[int, int]:
        """Return the frames of a change: from the end of the draft's word before it to the start of the one after."""
        start = self._frames[change.draft.start - 1][1] if change.draft.start else 0
        last = change.draft.stop == len(self._frames)
        return start, len(self._log_probs) if last else self._frames[change.draft.stop][0]

    def _gain(self, change: Change, text: Sequence[str]) -> tuple[float, int]:
        """Return the gain of a change's words and the number of their tokens; (0, 1) where it cannot be judged."""
        in_draft, in_text = change.draft_block, change.text_block
        n = min(CONTEXT, in_draft.start, in_text.start)
        before, start = text[in_text.start - n : change.text.start], in_draft.start - n
        n = min(CONTEXT, len(self._words) - in_draft.stop, len(text) - in_text.stop)
        after, stop = text[change.text.stop : in_text.stop + n], in_draft.stop + n
        first = self._frames[start][0] if start else 0
        last = self._frames[stop - 1][1] if 0 < stop < len(self._words) else len(self._log_probs)
        run = text[change.text] if change.is_insertion else self._words[change.draft]
        longer, shorter = (ctc_tokens(self._tokenizer, words) for words in ([*before, *run, *after], [*before, *after]))
        if longer is None or shorter is None or first >= last:
            return 0.0, 1
        log_probs = self._log_probs[first:last]
        with_run, without = total_log_probs(log_probs, [longer, shorter], self._tokenizer.blank_id)
        if with_run == without:  # both of them cannot be said in so few frames
            return 0.0, 1
        return float(with_run - without), max(1, len(longer) - len(shorter))

    def _is_written_short(self, change: Change, text: Sequence[str]) -> bool:
        """Return whether the words of a change are the number in digits, or the title, that stands beside them."""
        run = text[change.text] if change.is_insertion else self._words[change.draft]
        other, at = (self._words, change.draft) if change.is_insertion else (text, change.text)
        beside = [*other[: at.start][-1:], *other[at.stop :][:1]]
        if all(key_of(word) in NUMBER_WORDS for word in run):
            return any(char.isdigit() for word in beside for char in word)
        said = "".join(map(key_of, run))
        titles = (TITLES[title].lower() for word in beside if (title := word.strip(MARKS)) in TITLES)
        return any(2 * edit_distances(title, [said])[-1] <= len(title) for title in titles)


def _is_repeated(change: Change, keys: Sequence[str]) -> bool:
    """Return whether the words of an insertion stand beside themselves, or are part of a row of words that is repeated.

    Args:
        keys: of the decoder's text.
    """
    start, stop = change.text.start, change.text.stop
    run = keys[start:stop]
    if run in (keys[max(0, 2 * start - stop) : start], keys[stop : 2 * stop - start]):
        return True
    rows = [tuple(keys[n : n + REPEATED]) for n in range(len(keys) - REPEATED + 1)]
    near = range(max(0, start - REPEATED + 1), min(stop, len(rows)))
    return any(rows.count(rows[n]) > 1 for n in near)
