"""Find the words that a recognizer may have written otherwise, by the costs of its errors, letter by letter.

    written     rrole     role   0.9 nats, one letter for a double one
                          rule   4.1 nats, and o for u
                          ...

The words of a vocabulary are compared with what is written in three steps, each for fewer words: by the letters that
only one of the two has, by such pairs of neighboring letters, and by the cheapest edits. All words that are written are
compared at once.

Source: the noisy channel of Kernighan, Church and Gale 1990, "A spelling correction program based on a noisy channel
    model"; the cheapest edits: Wagner and Fischer 1974, "The string-to-string correction problem".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
LONGEST = 24  # letters of a word that is corrected
CLOSE = 4  # letters that only one of two words has, at most
SIMILAR = 3  # letters by which their lengths differ, at most
COMPARED = 100  # words of which the costs are computed: 98 % of dev's best candidates are among them
UNLIKE = 1.5  # nats a letter or a pair of letters that only one of two words has, in the rough cost that chooses them
LONGER = 1.0  # nats a letter by which their lengths differ, in the same
RARE = 0.35  # weight of the cost of the word itself, in the same
FREQUENCY = 0.6  # weight of a word's own cost beside that of its letters, before the neighbors choose
KEPT = 20  # words that the neighbors choose from
AT_ONCE = 16  # written words that are looked up at once, for the processor's cache
REMEMBERED = 20_000  # written words of which the near words are kept
_BITS = np.array([*(1 << n for n in range(len(LETTERS) - 1)), 0, 0], np.uint32)
"""A bit for each letter; apostrophes and -1, which is behind the end, have none."""
_PLACES = 31 * np.arange(len(LETTERS) + 2)[:, None] + 17 * np.arange(len(LETTERS) + 1)
_PAIRS = np.left_shift(np.uint64(1), (_PLACES % 64).astype(np.uint64))
"""[letter][next letter]: one of 64 bits. Behind the letters comes the beginning of a word, as the first of a pair, or
its end, as the second. The last row is of what is behind the end and has no bits."""
_PAIRS[-1] = 0


@dataclass(frozen=True)
class Gate:
    """The weights of corrections by audio, `AcousticCorrector`.

    Attributes:
        letters, audio: weights of the costs of letters and of the gain of the audio, beside those of the bigram model.
        unknown, known: the weights of the logistic regressions, for words that no lexicon has and for others.
        draft, verified: smallest confidence of a change that is made, of words of CTC, and of those that a decoder
            verified.
    """

    letters: float
    audio: float
    unknown: tuple[float, ...]
    known: tuple[float, ...]
    draft: float
    verified: float


@dataclass(frozen=True)
class Channel:
    """`channel.json`: costs in nats, of letters in the order of `LETTERS`.

    Attributes:
        substitution: [said][written]; 0 for the same letter.
        deletion, insertion: of a letter that was said, and of one that was not.
        single, double: of one letter written for a double one, and of two for one.
        split: of two words that are written as one.
        fragment: in [0, 1], how often it is right to leave out a letter that the next word begins with.
        weight: of the costs of letters, beside those of the bigram model.
        confidence: the weights of the logistic regression on `Correction.features`.
        threshold: smallest confidence of a change that is made.
        audio: the same of corrections by audio.
    """

    substitution: tuple[tuple[float, ...], ...]
    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    single: float
    double: float
    split: float
    fragment: float
    weight: float
    confidence: tuple[float, ...]
    threshold: float
    audio: Gate


class NearWords:
    """The words of a vocabulary that are near others. Threads may share one.

    Args:
        words: of `LETTERS`, fewer than `LONGEST` each.
        costs: (N,) nats, of each word by itself.
        channel: the costs of letters.
    """

    def __init__(self, words: Sequence[str], costs: np.ndarray, channel: Channel) -> None:
        order = np.argsort([len(word) for word in words], kind="stable")  # words of one length are side by side
        self._words = [words[n] for n in order]
        self._costs = costs[order].astype(np.float32)
        self._letters = letters_of(self._words)
        self._lengths = (self._letters >= 0).sum(1).astype(np.int8)
        self._first = np.searchsorted(self._lengths, np.arange(LONGEST + SIMILAR + 2)).tolist()  # of each length
        self._letter_bits, self._pair_bits = _bits_of(self._letters)
        size = len(LETTERS) + 1  # with what is behind the end
        self._substitution = np.full((size, size), np.inf, np.float32)
        self._substitution[:-1, :-1] = channel.substitution
        self._deletion = np.array([*channel.deletion, np.inf], np.float32)
        self._insertion = np.array([*channel.insertion, 0.0], np.float32)
        self._single, self._double = np.float32(channel.single), np.float32(channel.double)
        self._found: dict[str, list[tuple[float, str]]] = {}

    def __call__(self, written: Iterable[str]) -> dict[str, list[tuple[float, str]]]:
        """Return for each of some written words the near words with the costs of their letters, the likeliest first.

        Likely is what is cheap by its letters and by itself.

        Args:
            written: words of `LETTERS`, no longer than `LONGEST`.
        """
        words = dict.fromkeys(written)
        found = {word: self._found[word] for word in words if word in self._found}
        new = [word for word in words if word not in found]
        for n in range(0, len(new), AT_ONCE):
            found |= zip(new[n : n + AT_ONCE], self._search(new[n : n + AT_ONCE]))
        if len(self._found) > REMEMBERED:
            self._found = {}
        self._found.update(found)
        return found

    def _search(self, written: Sequence[str]) -> list[list[tuple[float, str]]]:
        """Return the near words of each of some words, with the costs of their letters."""
        letters = letters_of(written)
        letter_bits, pair_bits = _bits_of(letters)
        near = [self._near(*each) for each in zip(map(len, written), letter_bits, pair_bits)]
        sizes = [len(each) for each in near]
        places = np.concatenate(near)
        costs = self.letter_costs(np.repeat(letters, sizes, 0), self._letters[places])
        totals = costs + FREQUENCY * self._costs[places]
        found = []
        for end, size in zip(np.cumsum(sizes).tolist(), sizes):
            best = end - size + np.argsort(totals[end - size : end])[:KEPT]
            found.append(list(zip(costs[best].tolist(), [self._words[n] for n in places[best].tolist()])))
        return found

    def _near(self, length: int, letter_bits: np.uint32, pair_bits: np.uint64) -> np.ndarray:
        """Return the places of the `COMPARED` words that are nearest to a word of so many letters by a rough cost."""
        start, end = self._first[max(0, length - SIMILAR)], self._first[length + SIMILAR + 1]
        other = np.bitwise_count(self._letter_bits[start:end] ^ letter_bits)
        near = np.flatnonzero(other <= CLOSE)
        if len(near) <= COMPARED:
            return near + start
        unlike = other[near]
        near += start
        unlike += np.bitwise_count(self._pair_bits[near] ^ pair_bits)
        longer = np.abs(self._lengths[near] - np.int8(length))
        far = UNLIKE * unlike + LONGER * longer + RARE * self._costs[near]
        return near[np.argpartition(far, COMPARED)[:COMPARED]]

    def letter_costs(self, written: np.ndarray, said: np.ndarray) -> np.ndarray:
        """Return the costs (N,) of writing words for others, in nats: the sum of those of the cheapest edits.

        At most `SIMILAR` letters in a row are left out, except at the beginning of a word.

        Args:
            written, said: (N, L) numbers of letters, -1 behind the end; as many words of the one as of the other.
        """
        ends = (said >= 0).sum(1)
        said = said.T[: ends.max(initial=0)].astype(np.intp, order="C")  # a row for each place of a letter
        deletions = self._deletion[said]
        deletions[1:][said[1:] == said[:-1]] = self._single
        costs = np.zeros((len(said) + 1, len(ends)), np.float32)  # of writing nothing for the first 0, 1, 2 ... letters
        np.cumsum(deletions, axis=0, out=costs[1:])
        said *= len(self._substitution)
        before = np.full(len(ends), -1)
        for letter in written.T[: (written >= 0).sum(1).max(initial=0)].astype(np.intp, order="C"):
            insertion = np.where((letter == before) & (letter >= 0), self._double, self._insertion[letter])
            replaced = costs[:-1] + self._substitution.take(said + letter)
            costs += insertion
            np.minimum(costs[1:], replaced, out=costs[1:])
            for _ in range(SIMILAR):
                np.minimum(costs[1:], costs[:-1] + deletions, out=costs[1:])
            before = letter
        return costs[ends, np.arange(len(ends))]


def letters_of(words: Sequence[str]) -> np.ndarray:
    """Return (N, `LONGEST`) int8 numbers of the letters of words, -1 behind the end."""
    raw = np.array(words, f"S{LONGEST}").view(np.uint8).reshape(len(words), LONGEST)
    numbers = np.full(256, -1, np.int8)
    numbers[list(LETTERS.encode())] = range(len(LETTERS))
    return numbers[raw]


def _bits_of(letters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits (N,) of the letters of N words, and those of their pairs of neighboring letters.

    Args:
        letters: (N, L) numbers, -1 behind the end.
    """
    before = np.pad(letters[:, :-1], ((0, 0), (1, 0)), constant_values=len(LETTERS))
    return np.bitwise_or.reduce(_BITS[letters], 1), np.bitwise_or.reduce(_PAIRS[before, letters], 1)
