"""Correct the spelling of a recognizer's text, all words at once: a noisy channel from words to what is written.

    written      the   rrole   is      a word that no lexicon has
    words        the   rule    is      the candidate with the best sum of two costs, in nats: that of the letters, by
                       role            how often a recognizer writes one for another, and that of the word between its
                       roll            neighbors, by a bigram model

A word that the bigram model or the pronouncing lexicon has, with or without a final s, is never changed. Each of the
others is decided by itself, with its neighbors as they are written, so no decision waits for another. A word changes
only if that is certain: a logistic regression on the candidate's probability among all candidates, both costs, the
length of the word and the share of such words in the line says how often such a change is right.

Source: Kernighan, Church and Gale 1990, "A spelling correction program based on a noisy channel model"; the neighbors:
    Church and Gale 1991, "Probability scoring for spelling correction", section 3.
Differs: costs are learned from a recognizer's text (recipes/correction), any number of errors is allowed, and a word
    may be two words that were written as one. A loose letter that the next word begins with is left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from speechnar import config
from speechnar.lm.ngram import LMError, NgramModel
from speechnar.text.g2p import pronouncer
from speechnar.text.marked_word import MarkedWord
from speechnar.text.symbols import TextError

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
LM, CHANNEL = "lm.npz", "channel.json"
CLOSE = 4  # letters that only one of two words has, at most
SIMILAR = 3  # letters by which their lengths differ, at most
COMPARED = 400  # words of which the costs are computed; 1,500 find hardly more errors of dev's drafts
OTHER = 3.0  # nats a letter that only one of two words has, in the rough cost by which these words are taken
LONGER = 2.0  # nats a letter by which their lengths differ, in the same
RARE = 0.35  # weight of the cost of the word itself, in the same
FREQUENCY = 0.6  # weight of a word's own cost beside that of its letters, before the neighbors choose
SENTENCE_ENDS, QUOTES = (".", "!", "?"), "\"'\u201d\u2019)"
UNKNOWN = 13.0  # nats, the cost of a word that the bigram model does not have
KEPT = 20  # candidates that the neighbors choose from
LONGEST = 24  # letters of a word that is corrected
ENGLISH = Path(__file__).parents[1] / "assets" / "corrector" / "english"


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


@dataclass(frozen=True)
class Correction:
    """New words for one word, or for two.

    Attributes:
        place: of the (first) word in its line.
        words: one or two, with capital and marks; none where words are left out.
        features: 1; the natural logarithms of the probability among all candidates and of one minus it; the costs of
            letters and of the bigram model; the number of letters; the cost of letters for each; 1 if two words; 1 if
            the word has a capital within a sentence; the natural logarithm of the share of unknown words in the rest of
            the line, of which right text has few. None of a letter that is left out. Those of a correction by audio are
            in `speechnar.decode.acoustic_correction`.
        confidence: in [0, 1], how often such a change is right.
        count: of the words that are replaced, 1 or 2.
        is_unknown: no lexicon has the (first) word.
    """

    place: int
    words: tuple[str, ...]
    features: tuple[float, ...]
    confidence: float
    count: int = 1
    is_unknown: bool = True


def corrected_words(words: Sequence[str], corrections: Sequence[Correction]) -> list[str]:
    """Return words with corrections made, which are in the order of their places."""
    found = list(words)
    for each in reversed(corrections):
        found[each.place : each.place + each.count] = each.words
    return found


class Corrector:
    """A corrector of recognized text. Threads may share one.

    Args:
        folder: of `lm.npz` and `channel.json`, which recipes/correction makes.

    Raises:
        TextError: a file is missing or damaged.
    """

    def __init__(self, folder: Path = ENGLISH) -> None:
        try:
            values = json.loads((folder / CHANNEL).read_text(encoding="utf-8"))
            self._channel = config.from_dict(Channel, values, str(folder / CHANNEL))
            self._lm = NgramModel.load(folder / LM)
        except (OSError, LMError, ValueError) as error:
            raise TextError(f"there is no corrector in {folder}, make it by recipes/correction: {error}") from None
        self._substitution = np.array(self._channel.substitution, np.float32)
        self._deletion = np.array(self._channel.deletion, np.float32)
        letters = frozenset(LETTERS)
        known = {word: n for n, word in enumerate(self._lm.words) if letters.issuperset(word) and len(word) < LONGEST}
        self.places, self._words = known, tuple(known)  # of the words in the bigram model
        self._letters = np.full((len(known), LONGEST), -1, np.int8)
        raw = np.array(self._words, f"S{LONGEST}").view(np.uint8).reshape(len(known), LONGEST)
        for n, letter in enumerate(LETTERS):
            self._letters[raw == ord(letter)] = n
        self._lengths = (raw > 0).sum(1).astype(np.int8)
        bits = [1 << n for n in range(len(LETTERS) - 1)]
        self._bits = np.array([*bits, 0, 0], np.uint32)  # of the letters that a word has: apostrophes and -1 have none
        self._signatures = np.bitwise_or.reduce(self._bits[self._letters], 1)
        self._costs = np.array([-self._lm.step((), n)[0] for n in known.values()], np.float32)
        self.candidates = lru_cache(20_000)(self._search)

    def __call__(self, text: str) -> str:
        """Return a line of text with its words corrected. The white space around all other words stays."""
        places = list(re.finditer(r"\S+", text))
        for each in reversed(self.corrections([place[0] for place in places])):
            start, end = places[each.place].span()
            if not each.words:  # a loose letter, with the space behind it
                end = places[each.place + 1].start()
            text = text[:start] + " ".join(each.words) + text[end:]
        return text

    @property
    def threshold(self) -> float:
        """The smallest confidence of a correction that is made."""
        return self._channel.threshold

    def corrections(self, words: Sequence[str]) -> list[Correction]:
        """Return the certain corrections of words without white space, in their order."""
        return [each for each in self.proposals(words) if each.confidence >= self._channel.threshold]

    def proposals(self, words: Sequence[str]) -> list[Correction]:
        """Return the best correction of each word that no lexicon has, and of loose letters, certain or not."""
        parsed = [MarkedWord.parse(word) for word in words]
        ids = [self.id_of(word) for word in parsed]
        loose = [Correction(place, (), (), self._channel.fragment) for place in loose_letters(parsed)]
        unknown = self.unknown(parsed)
        of_others = math.log((len(unknown) - 0.5) / (len(words) + 4)) if unknown else 0.0
        found = loose
        for place in unknown:
            word = parsed[place]
            assert word is not None
            after = ids[place + 1] if place + 1 < len(words) else None
            state = self._state(ids[place - 1]) if place else self._lm.start
            options = [(cost, self._between(state, new, after), new) for cost, new in self.candidates(word.letters)]
            if not options:
                continue
            totals = [self._channel.weight * cost + lm for cost, lm, _ in options]
            best = min(range(len(options)), key=totals.__getitem__)
            share = 1 / sum(math.exp(totals[best] - total) for total in totals)
            cost, lm, new = options[best]
            size = len(word.letters)
            inside = word.has_capital and place > 0 and not ends_sentence(words[place - 1])
            features = (
                1.0, math.log(share), math.log(1.0001 - share), cost, lm, size, cost / size, len(new) - 1.0,
                float(inside), of_others,
            )  # fmt: skip
            logit = sum(a * b for a, b in zip(self._channel.confidence, features, strict=True))
            found.append(Correction(place, word.with_words(new), features, 1 / (1 + math.exp(-logit))))
        return sorted(found, key=lambda each: each.place)

    def id_of(self, word: MarkedWord | None) -> int | None:
        """Return the id of a word in the bigram model; None where it has none."""
        return self._lm.id_of(word.letters) if word else None

    @property
    def gate(self) -> Gate:
        """The weights of corrections by audio."""
        return self._channel.audio

    def unknown(self, words: Sequence[MarkedWord | None]) -> list[int]:
        """Return the places of words that no lexicon has."""
        return [
            place
            for place, word in enumerate(words)
            if word and 1 < len(word.letters) < LONGEST and self.id_of(word) is None and not self.knows(word.letters)
        ]

    def lm_cost(self, before: int | None, ids: Sequence[int | None], at_start: bool) -> float:
        """Return the cost of words behind another; that of an unknown word is constant."""
        state = self._lm.start if at_start else self._state(before)
        total = 0.0
        for each in ids:
            if each is None:
                total, state = total + UNKNOWN, ()
            else:
                log_prob, state = self._lm.step(state, each)
                total -= log_prob
        return total

    def _state(self, word_id: int | None) -> tuple[int, ...]:
        """Return the bigram model's state behind a word; that of no word where it is unknown."""
        return () if word_id is None else self._lm.step((), word_id)[1]

    def knows(self, word: str) -> bool:
        """Return whether a lexicon has a word, or what is left of it without a final s."""
        stem = word.removesuffix("s").removesuffix("'")
        return any(form in self.places or pronouncer().knows(form) for form in (word, stem) if len(form) > 2)

    def _between(self, state: tuple[int, ...], words: Sequence[str], after: int | None) -> float:
        """Return the cost of words behind a state of the bigram model, and that of the known word after them."""
        total = 0.0
        for word in words:
            log_prob, state = self._lm.step(state, self.places[word])
            total -= log_prob
        return total if after is None else total - self._lm.step(state, after)[0]

    def _search(self, word: str) -> list[tuple[float, tuple[str, ...]]]:
        """Return the cost of the letters of a word for the candidates that are likely without their neighbors."""
        written = np.array([LETTERS.index(letter) for letter in word])
        signature = np.bitwise_or.reduce(self._bits[written])
        other = np.bitwise_count(self._signatures ^ signature)
        lengths = np.abs(self._lengths - np.int8(len(word)))
        near = np.flatnonzero((other <= CLOSE) & (lengths <= SIMILAR))
        if len(near) > COMPARED:
            far = OTHER * other[near] + LONGER * lengths[near] + RARE * self._costs[near]
            near = near[np.argpartition(far, COMPARED)[:COMPARED]]
        found: list[tuple[float, tuple[str, ...]]] = []
        if len(near):
            costs = self.letter_costs(written, self._letters[near], self._lengths[near])
            for n in np.argsort(costs + FREQUENCY * self._costs[near])[:KEPT].tolist():
                found.append((float(costs[n]), (self._words[near[n]],)))
        for size in range(1, len(word) - 1):
            parts = word[:size], word[size:]
            if parts[0] in self.places and parts[1] in self.places and (size > 1 or word[0] in "ai"):
                found.append((self._channel.split, parts))
        return found

    def letter_costs(self, written: np.ndarray, said: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return the costs (N,) of writing a word for each of N words: the sum of those of the cheapest edits.

        Args:
            written: (M,) numbers of letters.
            said: (N, `LONGEST`) numbers of letters, -1 behind the end; lengths: (N,).
        """
        channel, size = self._channel, int(lengths.max())
        said = said[:, :size].T.astype(np.intp)  # a row for each place of a letter
        deletions = self._deletion[said]
        deletions[1:][said[1:] == said[:-1]] = channel.single
        costs = np.zeros((size + 1, said.shape[1]), np.float32)  # of writing nothing for the first 0, 1, 2 ... letters
        np.cumsum(deletions, axis=0, out=costs[1:])
        for n, letter in enumerate(written):
            insertion = channel.double if n and written[n - 1] == letter else channel.insertion[letter]
            replaced = costs[:-1] + self._substitution[:, letter].take(said)
            costs += np.float32(insertion)
            np.minimum(costs[1:], replaced, out=costs[1:])
            for left, here, deletion in zip(costs, costs[1:], deletions):  # faster than np.minimum.accumulate
                np.minimum(here, left + deletion, out=here)
        return costs[lengths, np.arange(said.shape[1])]


def ends_sentence(word: str) -> bool:
    """Return whether a word, with its marks, is the last one of a sentence."""
    return word.rstrip(QUOTES).endswith(SENTENCE_ENDS)


def loose_letters(words: Sequence[MarkedWord | None]) -> Iterator[int]:
    """Yield the places of single small letters that the next word begins with, as in `b but`.

    Letters that are spelled, capitals as in `Vitamin C can`, and letters behind a quotation mark are left alone.
    """
    sizes = [len(word.letters) if word else 0 for word in words]
    for place, (word, after) in enumerate(zip(words, words[1:])):
        if word is None or after is None or word.has_capital or word.before or word.after or word.letters in "aio":
            continue
        if sizes[place] == 1 < sizes[place + 1]:
            if after.letters.startswith(word.letters) and not after.before and (not place or sizes[place - 1] != 1):
                yield place
