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

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speechnar import config
from speechnar.decode.letter_channel import LETTERS, LONGEST, Channel, Gate, NearWords
from speechnar.lm.ngram import LMError, NgramModel
from speechnar.text.g2p import pronouncer
from speechnar.text.marked_word import MarkedWord
from speechnar.text.symbols import TextError

LM, CHANNEL = "lm.npz", "channel.json"
SENTENCE_ENDS, QUOTES = (".", "!", "?"), "\"'\u201d\u2019)"
ENDINGS = ("ly", "es", "d", "ed", "ing", "er", "est", "th", "eth", "ness", "less", "like", "man", "men")
"""Of words that lexicons may leave out, such as `punctiliously` and `destroyeth`."""
UNKNOWN = 13.0  # nats, the cost of a word that the bigram model does not have
ENGLISH = Path(__file__).parents[1] / "assets" / "corrector" / "english"


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
            self._channel = config.load(Channel, folder / CHANNEL)
            self._lm = NgramModel.load(folder / LM)
        except (OSError, LMError, ValueError) as error:
            raise TextError(f"there is no corrector in {folder}, make it by recipes/correction: {error}") from None
        letters = frozenset(LETTERS)
        self.places = {
            word: n for n, word in enumerate(self._lm.words) if letters.issuperset(word) and len(word) < LONGEST
        }
        costs = np.array([-self._lm.step((), n)[0] for n in self.places.values()])
        self._near = NearWords(tuple(self.places), costs, self._channel)

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
        candidates = self.candidates(word.letters for place in unknown if (word := parsed[place]))
        for place in unknown:
            word = parsed[place]
            assert word is not None
            after = [each for each in ids[place + 1 : place + 2] if each is not None]
            state = self.state_before(place, ids)
            options = [
                (cost, self.lm_cost(state, [*map(self.places.__getitem__, new), *after]), new)
                for cost, new in candidates[word.letters]
            ]
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

    def state_before(self, place: int, ids: Sequence[int | None]) -> tuple[int, ...]:
        """Return the bigram model's state before a word of a line; that of no word behind an unknown one."""
        if not place:
            return self._lm.start
        before = ids[place - 1]
        return () if before is None else (before,)[: self._lm.order - 1]

    def lm_cost(self, state: tuple[int, ...], ids: Iterable[int | None]) -> float:
        """Return the cost of words behind a state of the bigram model; that of an unknown word is constant."""
        total = 0.0
        for each in ids:
            if each is None:
                total, state = total + UNKNOWN, ()
            else:
                log_prob, state = self._lm.step(state, each)
                total -= log_prob
        return total

    def knows(self, word: str) -> bool:
        """Return whether a lexicon has a word, or what is left of it without a final s."""
        stem = word.removesuffix("s").removesuffix("'")
        return any(form in self.places or pronouncer().knows(form) for form in (word, stem) if len(form) > 2)

    def is_compound(self, word: str) -> bool:
        """Return whether a word is two words of three letters or more, such as `snowboy`."""
        return any(word[:n] in self.places and word[n:] in self.places for n in range(3, len(word) - 2))

    def has_ending(self, word: str) -> bool:
        """Return whether a word is another one of four letters or more, or one without its e, with an ending."""
        stems = [word.removesuffix(ending) for ending in ENDINGS if word.endswith(ending)]
        return any(len(stem) > 3 and (self.knows(stem) or self.knows(stem + "e")) for stem in stems)

    def candidates(self, written: Iterable[str]) -> dict[str, list[tuple[float, tuple[str, ...]]]]:
        """Return for each of some words those that may be meant, one or two, with the costs of their letters.

        These are the likeliest ones without their neighbors.
        """
        found: dict[str, list[tuple[float, tuple[str, ...]]]] = {}
        for word, near in self._near(written).items():
            found[word] = [(cost, (each,)) for cost, each in near]
            for size in range(1, len(word) - 1):
                parts = word[:size], word[size:]
                if parts[0] in self.places and parts[1] in self.places and (size > 1 or word[0] in "ai"):
                    found[word].append((self._channel.split, parts))
        return found


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
