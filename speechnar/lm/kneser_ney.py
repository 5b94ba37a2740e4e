"""Estimate an n-gram model from text: modified Kneser-Ney, interpolated, pruned by count and by entropy.

N-grams are kept as numbers: of words a, b, c it is (a V + b) V + c, so that sorting numbers sorts n-grams.

Source: Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling", section 4; Stolcke
    1998, "Entropy-based pruning of backoff language models", equation 9.
Differs: in pruning the probability of a context is its share of the text, for Kneser-Ney's own unigrams and bigrams are
    not made to be the probabilities of contexts (Chelba et al. 2010).
"""

from __future__ import annotations

import itertools
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from speechnar.lm.ngram import BEGIN, END, UNKNOWN, LMError, NgramModel, Table

NEVER = -99 * np.log(10)  # for `<s>`, which follows nothing


@dataclass(frozen=True)
class KneserNeyOptions:
    """Limits of the size of a model.

    Attributes:
        order: words in the longest n-gram.
        vocabulary: the most frequent words that are kept; the others are `<unk>`.
        min_counts: how often an n-gram of length 1, 2, ... has to stand in the text; lengths beyond take the last.
        prune: nats by which the model's cross-entropy may rise for leaving out one n-gram; 0 keeps all.
    """

    order: int = 3
    vocabulary: int = 30_000
    min_counts: tuple[int, ...] = (1,)
    prune: float = 0.0

    def __post_init__(self) -> None:
        if self.order < 1 or self.vocabulary < 1 or not self.min_counts:
            raise LMError(f"an n-gram model needs an order, a vocabulary and counts of 1 or more, not {self}")


@dataclass(eq=False)
class _Grams:
    """N-grams of one length, M of them, sorted.

    Attributes:
        keys: (M,) int64 numbers.
        counts: (M,) how often each stands in the text.
        probs: (M,) probability of the last word after the others.
    """

    keys: np.ndarray
    counts: np.ndarray
    probs: np.ndarray

    def places(self, keys: np.ndarray) -> np.ndarray:
        """Return the place of each key, -1 where it is missing."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)

    def kept(self, which: np.ndarray) -> _Grams:
        return _Grams(self.keys[which], self.counts[which], self.probs[which])


def train(lines: Iterable[str], options: KneserNeyOptions | None = None) -> NgramModel:
    """Estimate a model of lines, such as sentences; `<s>` and `</s>` are added at both ends of each.

    Raises:
        LMError: there is no text, or the n-grams are too long for so many words.
    """
    options = options or KneserNeyOptions()
    vocabulary, stream = _numbered(lines, options)
    if len(vocabulary) ** options.order >= 2**63:
        raise LMError(f"{options.order} words from {len(vocabulary)} cannot be numbered; take fewer of either")
    levels = _estimate(stream, vocabulary.index(BEGIN), len(vocabulary), options.order)
    return NgramModel.of_tables(vocabulary, _backed_off(_pruned(levels, len(vocabulary), options), len(vocabulary)))


def _numbered(lines: Iterable[str], options: KneserNeyOptions) -> tuple[list[str], np.ndarray]:
    """Return the sorted vocabulary, and the text as one stream of its ids, with `<s>` and `</s>` around each line."""
    numbers: defaultdict[str, int] = defaultdict(itertools.count().__next__)
    begin, end, unknown = (numbers[special] for special in (BEGIN, END, UNKNOWN))
    text = array("i")
    for line in lines:
        if words := line.split():
            text.append(begin)
            text.extend([numbers[word] for word in words])
            text.append(end)
    if not text:
        raise LMError("there is no text to learn a language model from")
    words = list(numbers)
    counts = np.bincount(text)
    by_count = sorted(range(unknown + 1, len(words)), key=lambda n: (-counts[n], words[n]))[: options.vocabulary]
    kept = [n for n in by_count if counts[n] >= options.min_counts[0]]
    kept = sorted([begin, end, unknown, *kept], key=words.__getitem__)
    id_of = np.full(len(words), kept.index(unknown))
    id_of[kept] = np.arange(len(kept))
    return [words[n] for n in kept], id_of[np.frombuffer(text, dtype=np.intc)]


def discounts(counts: np.ndarray) -> np.ndarray:
    """Return the discounts of counts of 0, 1, 2 and of 3 or more: (4,), by Chen and Goodman's equation 26.

    Where a text is so small that the equation has no answer, it is 0, 0.5, 1 and 1.5.
    """
    having = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)
    if (having == 0).any():
        return np.array([0.0, 0.5, 1.0, 1.5])
    share = having[0] / (having[0] + 2 * having[1])
    found = np.array([0.0, *(k - (k + 1) * share * having[k] / having[k - 1] for k in (1, 2, 3))])
    return np.clip(found, 0.0, [0, 1, 2, 3])


def _estimate(stream: np.ndarray, begin: int, n_words: int, order: int) -> list[_Grams]:
    """Return all n-grams of lengths 1 to `order` with their interpolated probabilities."""
    levels = [_Grams(np.arange(n_words), np.bincount(stream, minlength=n_words), np.zeros(n_words))]
    keys, inside = stream, np.ones(len(stream), dtype=bool)
    for _ in range(1, order):
        following = stream[len(stream) - len(keys) + 1 :]
        keys, inside = keys[:-1] * n_words + following, inside[:-1] & (following != begin)
        unique, counts = np.unique(keys[inside], return_counts=True)
        if not len(unique):  # no sentence is so long
            break
        levels.append(_Grams(unique, counts, np.zeros(len(unique))))

    lower = np.full(1, 1 / (n_words - 1))  # below the unigrams: each word alike, but for `<s>`
    for n, level in enumerate(levels):
        rest = n_words**n
        seen = level.counts
        if n + 1 < len(levels):  # in how many contexts a shorter n-gram stands; nothing stands before `<s>`
            contexts = np.bincount(level.places(levels[n + 1].keys % (rest * n_words)), minlength=len(level.keys))
            seen = np.where(level.keys // rest == begin, level.counts, contexts)
        if n == 0:
            seen = np.where(level.keys == begin, 0, seen)
        taken = discounts(seen)[np.minimum(seen, 3)]
        group, starts = _groups(level.keys // n_words)
        total = np.add.reduceat(seen, starts)[group]
        freed = np.add.reduceat(taken, starts)[group] / total
        shorter = levels[n - 1].places(level.keys % rest) if n else np.zeros(n_words, dtype=np.int64)
        level.probs = (seen - taken) / total + freed * lower[shorter]
        lower = level.probs
    levels[0].probs[begin] = 0.0
    return levels


def _groups(contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for sorted contexts the number of the distinct context that each is, and where each of these begins."""
    starts = np.flatnonzero(np.diff(contexts, prepend=-1))
    group = np.zeros(len(contexts), dtype=np.int64)
    group[starts[1:]] = 1
    return np.cumsum(group), starts


def _pruned(levels: Sequence[_Grams], n_words: int, options: KneserNeyOptions) -> list[_Grams]:
    """Remove n-grams that are too rare or save too little entropy, but none that a longer one begins with."""
    found: list[_Grams] = []
    needed = np.zeros(0, dtype=np.int64)
    n_tokens = levels[0].counts.sum()
    for n in range(len(levels) - 1, 0, -1):
        level, shorter = levels[n], levels[n - 1]
        least = options.min_counts[min(n, len(options.min_counts) - 1)]
        level = level.kept((level.counts >= least) | np.isin(level.keys, needed))
        if options.prune > 0:
            of_suffix = shorter.probs[shorter.places(level.keys % n_words**n)]
            share = shorter.counts[shorter.places(level.keys // n_words)] / n_tokens
            tells = share * _losses(level, of_suffix, n_words) >= options.prune
            level = level.kept(tells | np.isin(level.keys, needed))
        needed = np.unique(level.keys // n_words)
        found.insert(0, level)
    return [levels[0], *found]


def _losses(level: _Grams, of_suffix: np.ndarray, n_words: int) -> np.ndarray:
    """Return the relative entropy, in nats, by which a context's distribution changes if one n-gram is removed."""
    group, starts = _groups(level.keys // n_words)
    left = np.maximum(1 - np.add.reduceat(level.probs, starts), 1e-12)[group]
    left_below = np.maximum(1 - np.add.reduceat(of_suffix, starts), 1e-12)[group]
    backoff = np.log(left / left_below)
    without = np.log((left + level.probs) / (left_below + of_suffix))
    return level.probs * (np.log(level.probs / of_suffix) - without) - left * (without - backoff)


def _backed_off(levels: Sequence[_Grams], n_words: int) -> list[Table]:
    """Return tables whose backoffs make the probabilities after every context sum to 1."""
    backoffs = [np.zeros(len(level.keys)) for level in levels]

    def below(keys: np.ndarray, n: int) -> np.ndarray:
        """Return the probabilities of n-grams of n + 1 words by the model of the shorter n-grams."""
        places = levels[n].places(keys)
        if n == 0:
            return levels[0].probs[places]
        missing = places < 0
        probs = np.where(missing, 0.0, levels[n].probs[places])
        context = levels[n - 1].places(keys[missing] // n_words)
        backoff = np.where(context < 0, 0.0, backoffs[n - 1][context])
        probs[missing] = np.exp(backoff) * below(keys[missing] % n_words**n, n - 1)
        return probs

    for n in range(1, len(levels)):
        level = levels[n]
        if not len(level.keys):
            continue
        _, starts = _groups(level.keys // n_words)
        left = 1 - np.add.reduceat(level.probs, starts)
        left_below = 1 - np.add.reduceat(below(level.keys % n_words**n, n - 1), starts)
        contexts = levels[n - 1].places(level.keys[starts] // n_words)
        backoffs[n - 1][contexts] = np.log(np.maximum(left, 1e-12) / np.maximum(left_below, 1e-12))
    tables = []
    for n, level in enumerate(levels):
        ids = np.stack([level.keys // n_words**k % n_words for k in range(n, -1, -1)], axis=1)
        log_probs = np.full(len(level.keys), NEVER)
        np.log(level.probs, where=level.probs > 0, out=log_probs)
        tables.append(Table(ids, log_probs, backoffs[n]))
    return tables
