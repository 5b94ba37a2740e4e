"""A word n-gram model in little memory: a trie of sorted arrays, with 8-bit codes in the place of probabilities.

The n-grams that begin with the same words lie side by side, sorted by their last word; each points to those one word
longer. A context is the trie's nodes for its last word, last two words, and so on, so that a step is one binary search
an order.

Source: the layout and the binning of values follow KenLM (Heafield 2011), sections 3.2 and 3.3.
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from speechnar.files import atomic_write

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
FORMAT = 1
CODES = 256
AFTER_ALL = "\U0010ffff"  # sorts behind every letter


class LMError(ValueError):
    """Report a language model that cannot be made, read or used; the message says why."""


@dataclass(frozen=True, eq=False)
class Table:
    """All n-grams of one length, M of them, in the order of their words' ids.

    Attributes:
        ids: (M, n) word ids.
        log_probs: (M,) natural logarithm of the last word's probability after the others.
        backoffs: (M,) natural logarithm; added where a longer n-gram is missing. Zero in the longest.
    """

    ids: np.ndarray
    log_probs: np.ndarray
    backoffs: np.ndarray


@dataclass(frozen=True, eq=False)
class Level:
    """A `Table` as the model stores it.

    Attributes:
        words: (M,) the last word of each.
        first: (M + 1,) places in the next level at which the continuations begin; empty in the last level.
        log_probs, backoffs: (M,) uint8 codes.
        log_prob_codes, backoff_codes: the natural logarithms that the codes stand for.
    """

    words: np.ndarray
    first: np.ndarray
    log_probs: np.ndarray
    backoffs: np.ndarray
    log_prob_codes: np.ndarray
    backoff_codes: np.ndarray


class NgramModel:
    """The probabilities of words, given the words before.

    Args:
        words: the vocabulary, sorted, with `<s>`, `</s>` and `<unk>` in it; a word's id is its place.
        levels: of lengths 1, 2, ...; the first has every word.

    Raises:
        LMError: the vocabulary is not sorted or lacks one of the three.
    """

    def __init__(self, words: Sequence[str], levels: Sequence[Level]) -> None:
        self.words = list(words)
        if missing := {BEGIN, END, UNKNOWN} - set(self.words):
            raise LMError(f"the language model's vocabulary lacks {', '.join(sorted(missing))}")
        if any(a >= b for a, b in zip(self.words, self.words[1:])):
            raise LMError("the language model's vocabulary is not sorted, or has a word twice")
        self.levels = tuple(levels)
        self._words = [level.words.data for level in levels]
        self._first = [level.first.data for level in levels]
        self._log_probs = [level.log_probs.data for level in levels]
        self._backoffs = [level.backoffs.data for level in levels]
        self._log_prob_of = [level.log_prob_codes.tolist() for level in levels]
        self._backoff_of = [level.backoff_codes.tolist() for level in levels]
        self._begin_id, self._end_id, self.unknown_id = map(self.words.index, (BEGIN, END, UNKNOWN))

    @property
    def order(self) -> int:
        return len(self.levels)

    @property
    def start(self) -> tuple[int, ...]:
        """Return the state before the first word of a sentence."""
        return (self._begin_id,) if self.order > 1 else ()

    @cached_property
    def unknown_log_prob(self) -> float:
        """Return the natural log-probability of `<unk>` without context."""
        return self._log_prob_of[0][self._log_probs[0][self.unknown_id]]

    @cached_property
    def _unigrams(self) -> np.ndarray:
        return self.levels[0].log_prob_codes[self.levels[0].log_probs]

    def id_of(self, word: str) -> int | None:
        """Return the id of a word; None if it is not in the vocabulary or is one of the three special words."""
        place = bisect_left(self.words, word)
        known = place < len(self.words) and self.words[place] == word and word not in (BEGIN, END, UNKNOWN)
        return place if known else None

    def best_beginning_with(self, letters: str) -> float | None:
        """Return the log-probability of the most frequent word with this beginning; None where there is none."""
        low = bisect_left(self.words, letters)
        high = bisect_left(self.words, letters + AFTER_ALL, low)
        return float(self._unigrams[low:high].max()) if high > low else None

    def step(self, state: tuple[int, ...], word_id: int) -> tuple[float, tuple[int, ...]]:
        """Return the log-probability of the next word.

        Args:
            state: the nodes of the last word, of the last two words, and so on, as far as they exist.

        Returns:
            The word's natural log-probability, and the state after it.
        """
        log_prob = self._log_prob_of[0][self._log_probs[0][word_id]]
        after = [word_id]
        for level, node in enumerate(state):
            low, high = self._first[level][node], self._first[level][node + 1]
            words = self._words[level + 1]
            place = bisect_left(words, word_id, low, high)
            if place < high and words[place] == word_id:
                log_prob = self._log_prob_of[level + 1][self._log_probs[level + 1][place]]
                if len(after) == level + 1:  # no shorter n-gram was missing
                    after.append(place)
            else:
                log_prob += self._backoff_of[level][self._backoffs[level][node]]
        return log_prob, tuple(after[: self.order - 1])

    def end(self, state: tuple[int, ...]) -> float:
        """Return the natural log-probability that the sentence ends."""
        return self.step(state, self._end_id)[0]

    def score(self, sentence: Sequence[str]) -> list[float]:
        """Return the natural log-probabilities of the words of a sentence and of its end."""
        found, state = [], self.start
        for word in sentence:
            known = self.id_of(word)
            log_prob, state = self.step(state, self.unknown_id if known is None else known)
            found.append(log_prob)
        return [*found, self.end(state)]

    @classmethod
    def of_tables(cls, words: Sequence[str], tables: Sequence[Table]) -> NgramModel:
        """Build a model of n-grams of lengths 1, 2, ...; every n-gram without its last word must be among them.

        Raises:
            LMError: one is not.
        """
        levels = []
        id_type = np.min_scalar_type(len(words) - 1)
        for n, table in enumerate(tables):
            first = np.zeros(0, dtype=np.uint32)
            if n + 1 < len(tables):
                longer = tables[n + 1].ids
                places = rows_in(longer[:, :-1], table.ids, len(words))
                if (places < 0).any():
                    lost = " ".join(words[i] for i in longer[int(np.argmax(places < 0))])
                    raise LMError(f"the n-gram {lost!r} has no entry for its first {n + 1} words")
                counts = np.bincount(places, minlength=len(table.ids))
                first = np.concatenate(([0], np.cumsum(counts))).astype(np.uint32)
            levels.append(Level(table.ids[:, -1].astype(id_type), first, *_coded(table.log_probs, table.backoffs)))
        return cls(words, levels)

    def save(self, path: str | Path) -> None:
        """Write one file of arrays (`.npz`, whatever its name) by LZMA, a quarter smaller than `np.savez_compressed`.

        The file is replaced whole or not at all.
        """
        arrays = {"format": np.array(FORMAT), "words": np.frombuffer("\n".join(self.words).encode(), dtype=np.uint8)}
        for n, level in enumerate(self.levels):
            counts = np.diff(level.first)
            arrays |= {
                f"words_{n}": level.words if n else level.words[:0],  # the first level has them all, in order
                f"counts_{n}": counts.astype(np.min_scalar_type(counts.max(initial=0))),
                f"log_probs_{n}": level.log_probs,
                f"backoffs_{n}": level.backoffs,
                f"log_prob_codes_{n}": level.log_prob_codes,
                f"backoff_codes_{n}": level.backoff_codes,
            }
        with atomic_write(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_LZMA) as file:
            for name, array in arrays.items():
                with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)

    @classmethod
    def load(cls, path: str | Path) -> NgramModel:
        """Read what `save` wrote.

        Raises:
            LMError: the file is something else, or of a newer version.
            OSError: it cannot be read.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            if arrays["format"] > FORMAT:
                raise LMError(f"{path} has the format {arrays['format']}; this version reads {FORMAT}: upgrade it")
            words = arrays["words"].tobytes().decode().split("\n")
            levels: list[Level] = []
            while (n := len(levels)) == 0 or f"words_{n}" in arrays:
                first = np.concatenate(([0], np.cumsum(arrays[f"counts_{n}"], dtype=np.uint32))).astype(np.uint32)
                ids = arrays[f"words_{n}"] if n else np.arange(len(words), dtype=np.min_scalar_type(len(words) - 1))
                rest = [arrays[f"{name}_{n}"] for name in ("log_probs", "backoffs", "log_prob_codes", "backoff_codes")]
                levels.append(Level(ids, first, *rest))
        except LMError:
            raise
        except (ValueError, KeyError, zipfile.BadZipFile, EOFError, lzma.LZMAError, zlib.error):
            raise LMError(f"{path} is not a language model of `speechnar lm train`") from None
        return cls(words, levels)


def rows_in(rows: np.ndarray, table: np.ndarray, n_words: int) -> np.ndarray:
    """Return the place of each row of word ids in a sorted table of rows of this length; -1 where it is missing."""
    keys, sought = row_keys(table, n_words), row_keys(rows, n_words)
    places = np.searchsorted(keys, sought)
    places[places == len(keys)] = 0
    return np.where(keys[places] == sought, places, -1) if len(keys) else np.full(len(rows), -1)


def row_keys(rows: np.ndarray, n_words: int) -> np.ndarray:
    """Return (M, n) word ids as (M,) int64 numbers that sort as the rows do.

    Raises:
        LMError: a number would not fit.
    """
    if n_words ** rows.shape[1] >= 2**63:
        raise LMError(f"n-grams of {rows.shape[1]} words from {n_words} are too many to number; take fewer words")
    keys = np.zeros(len(rows), dtype=np.int64)
    for column in rows.T:
        keys = keys * n_words + column
    return keys


def _coded(*values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the codes of each array, then the values of the codes: the means of bins with equally many values."""
    codes, books = [], []
    for array in values:
        book = np.unique(array)
        if len(book) > CODES:
            bins = np.array_split(np.sort(array), CODES)
            book = np.unique(np.array([part.mean() for part in bins]))
        middles = (book[1:] + book[:-1]) / 2
        codes.append(np.searchsorted(middles, array).astype(np.uint8))
        books.append(book.astype(np.float32))
    return (*codes, *books)
