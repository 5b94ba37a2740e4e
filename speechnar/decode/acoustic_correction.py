"""Correct recognized words by their letters, their neighbors and the audio, all words of an utterance at once.

    frames       ......... the ....... rrole ....... is .........
    options                            rule                 a cost of letters, a cost between its neighbors, and its
                                       role                 gain: how much more probable CTC finds the frames from
                           the        role is               `the` to `is` with it than with what is written
                           ...

A word that no lexicon has may be another word or two, or one with a neighbor. A short word of which CTC is not certain
may be left out. A word that exists never becomes another one. The best option has the smallest sum of costs, less its
weighted gain. It is taken only if that is certain: a logistic regression on costs and gain says how often such a change
is right.

Source: the noisy channel as in `corrector`; the probability of frames given a text is the sum over all paths of CTC
    (Graves et al. 2006, section 4.1). Three knowledge sources with weights: Bahl, Jelinek and Mercer 1983.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from speechnar.decode.corrector import Correction, Corrector, ends_sentence
from speechnar.decode.forced_alignment import total_log_probs
from speechnar.decode.letter_channel import LONGEST, Gate
from speechnar.decode.spelling import ctc_tokens, edit_distances
from speechnar.text.marked_word import MarkedWord, plain
from speechnar.text.whisper_bpe import BytePairs

COMPARED = 8  # options of a word that the audio is asked about
RARE = 0.95  # confidence that the correction of a verified name or compound needs
DOUBTFUL = 0.8  # confidence below which a known word may be wrong
SHORT = 3  # letters of a word that may be left out
LIMIT = 60.0  # nats, of a gain
FEATURES = 13
"""Of a correction, in this order: 1; the costs of letters, and of the bigram model less that of what is written; the
cost of letters for each letter; 1 if the word has a capital within a sentence; the gain; the gain, or 0 if it is below;
the gain for each letter that changes; 1 if the word is left out; 1 if it is left out and the next word begins with it;
1 if two words are replaced of which the second is known; 1 if the word is a known one with an ending; and the mean
confidence of the words of the utterance."""


@dataclass(frozen=True, eq=False)
class Utterance:
    """Recognized words and the audio that they were recognized in.

    Attributes:
        words: with marks and capitals.
        frames: the first frame of each word and the one after its last.
        confidences: of the words, in [0, 1].
        log_probs: (T, V) natural logarithms of CTC.
    """

    words: Sequence[str]
    frames: Sequence[tuple[int, int]]
    confidences: Sequence[float]
    log_probs: np.ndarray


@dataclass
class _Option:
    """New words for `count` words from `place` on, with costs in nats, and the gain of the audio once it is known."""

    place: int
    count: int
    words: tuple[str, ...]
    letters: float
    lm: float
    gain: float = 0.0

    def total(self, gate: Gate) -> float:
        return gate.letters * self.letters + self.lm - gate.audio * self.gain


class AcousticCorrector:
    """A corrector of recognized words by the CTC output that they come from. Threads may share one.

    Args:
        corrector: of text.
        tokenizer: of CTC.
    """

    def __init__(self, corrector: Corrector, tokenizer: BytePairs) -> None:
        self._corrector, self._tokenizer = corrector, tokenizer

    def corrections(self, text: Utterance, verified: bool) -> list[Correction]:
        """Return the certain corrections of an utterance, in the order of their words, no two of the same word.

        Args:
            verified: the words are those of a decoder that verified CTC's. Of these, names and compounds stand unless
                it is almost certain that they are wrong.
        """
        least = self.threshold(verified)
        certain = (each for each in self.proposals(text) if each.confidence >= least)
        return without_overlap(each for each in certain if not verified or self._is_wrong(text, each))

    def _is_wrong(self, text: Utterance, change: Correction) -> bool:
        """Return whether verified words are wrong, and are no name or compound that lexicons lack."""
        words = [MarkedWord.parse(word) for word in text.words[change.place : change.place + change.count]]
        may_exist = any(word and (word.has_capital or self._corrector.is_compound(word.letters)) for word in words)
        return not may_exist or change.confidence >= RARE

    def threshold(self, verified: bool) -> float:
        """Return the smallest confidence of a correction that is made."""
        return self._corrector.gate.verified if verified else self._corrector.gate.draft

    def proposals(self, text: Utterance) -> list[Correction]:
        """Return the best correction of each doubtful word, certain or not, in the order of their words."""
        gate = self._corrector.gate
        line = _Line(self._corrector, text)
        found = [options for place in line.doubtful if (options := line.options(place, gate))]
        self._listen(text, [option for options in found for option in options])
        return [line.correction(options, gate) for options in found]

    def _listen(self, text: Utterance, options: Sequence[_Option]) -> None:
        """Compute the gains of options."""
        spans: list[tuple[int, int]] = []
        rows: dict[tuple[tuple[str, ...], int, int], int] = {}
        texts: list[list[int]] = []
        pairs = []
        for option in options:
            first, last = max(0, option.place - 1), option.place + option.count
            start = text.frames[first][0] if first else 0
            end = text.frames[last][1] if last + 1 < len(text.words) else len(text.log_probs)
            before, after = text.words[first : option.place], text.words[last : last + 1]
            pair = []
            for words in ((*before, *option.words, *after), (*before, *text.words[option.place : last], *after)):
                key = words, start, end
                if key not in rows:
                    tokens = ctc_tokens(self._tokenizer, words) if start < end else None
                    rows[key] = -1 if tokens is None else len(texts)
                    if tokens is not None:
                        texts.append(tokens)
                        spans.append((start, end))
                pair.append(rows[key])
            pairs.append(pair)
        if not texts:
            return
        totals = total_log_probs(text.log_probs, texts, self._tokenizer.blank_id, spans)
        for option, (new, old) in zip(options, pairs):
            if new < 0 <= old:  # CTC cannot write it, so nobody said it
                option.gain = -LIMIT
            elif min(new, old) >= 0 and totals[old] != totals[new]:  # else CTC cannot judge it
                option.gain = min(max(float(totals[new] - totals[old]), -LIMIT), LIMIT)


class _Line:
    """The words of an utterance, with what the corrector knows of them."""

    def __init__(self, corrector: Corrector, text: Utterance) -> None:
        self._corrector, self._text = corrector, text
        self._parsed = [MarkedWord.parse(word) for word in text.words]
        self._ids = [corrector.id_of(word) for word in self._parsed]
        self._unknown = set(corrector.unknown(self._parsed))
        self.doubtful = [
            place
            for place, word in enumerate(self._parsed)
            if place in self._unknown or word and len(word.letters) < LONGEST and text.confidences[place] < DOUBTFUL
        ]
        self._confidence = sum(text.confidences) / max(1, len(text.confidences))
        self._joined = {place: joined for place in self.doubtful if (joined := self._join(place))}
        alone = [word.letters for place in self._unknown if (word := self._parsed[place])]
        self._candidates = corrector.candidates([*alone, *self._joined.values()])

    def _join(self, place: int) -> str:
        """Return the letters of a word and the next one, if these may be one word; otherwise nothing."""
        word, after = self._parsed[place], self._parsed[place + 1] if place + 1 < len(self._parsed) else None
        if word is None or after is None or word.after or after.before or len(word.letters + after.letters) >= LONGEST:
            return ""
        joined = word.letters + after.letters
        is_unknown = not self._unknown.isdisjoint((place, place + 1))
        return joined if is_unknown and (joined in self._corrector.places or not after.has_capital) else ""

    def options(self, place: int, gate: Gate) -> list[_Option]:
        """Return the options of a word that are best without the audio."""
        corrector, word = self._corrector, self._parsed[place]
        assert word is not None
        found = []
        if place in self._unknown:
            found += [_Option(place, 1, new, cost, 0.0) for cost, new in self._candidates[word.letters]]
        joined = self._joined.get(place, "")
        if joined in corrector.places:
            found.append(_Option(place, 2, (joined,), 0.0, 0.0))
        elif joined:
            near = self._candidates[joined]
            found += [_Option(place, 2, new, cost, 0.0) for cost, new in near if len(new) == 1]
        if len(word.letters) <= SHORT and not word.before and not word.after:
            found.append(_Option(place, 1, (), len(word.letters), 0.0))
        state = corrector.state_before(place, self._ids)
        after = [self._ids[place + count :][:1] for count in range(3)]
        written = [corrector.lm_cost(state, [*self._ids[place : place + n], *after[n]]) for n in range(3)]
        for option in found:
            new = [corrector.places[word] for word in option.words]
            option.lm = corrector.lm_cost(state, [*new, *after[option.count]]) - written[option.count]
        kept = sorted(found, key=lambda each: gate.letters * each.letters + each.lm)[:COMPARED]
        for option in kept:
            option.words = self._marked(option)
        return kept

    def _marked(self, option: _Option) -> tuple[str, ...]:
        """Return the words of an option with the capital and the marks of those that it replaces."""
        first, last = self._parsed[option.place], self._parsed[option.place + option.count - 1]
        assert first is not None and last is not None
        if not option.words:
            return ()
        return MarkedWord(first.before, first.letters, last.after, first.has_capital).with_words(option.words)

    def _begins_next(self, place: int) -> bool:
        """Return whether the next word begins with a word, as in `th then`."""
        word, after = self._parsed[place], self._parsed[place + 1] if place + 1 < len(self._parsed) else None
        return bool(word and after and after.letters.startswith(word.letters) and after.letters != word.letters)

    def correction(self, options: Sequence[_Option], gate: Gate) -> Correction:
        """Return the best of the options of a word."""
        best = min(options, key=lambda option: option.total(gate))
        place, end = best.place, best.place + best.count
        word = self._parsed[place]
        assert word is not None
        is_unknown = place in self._unknown
        old, new = ("".join(map(plain, words)) for words in (self._text.words[place:end], best.words))
        edits = max(1, edit_distances(old, [new])[-1])
        features = (
            1.0, best.letters, best.lm, best.letters / len(word.letters),
            float(word.has_capital and place > 0 and not ends_sentence(self._text.words[place - 1])),
            best.gain, max(best.gain, 0.0), best.gain / edits,
            float(not best.words), float(not best.words and self._begins_next(place)),
            float(best.count == 2 and self._ids[place + 1] is not None),
            float(self._corrector.has_ending(word.letters)), self._confidence,
        )  # fmt: skip
        weights = gate.unknown if is_unknown else gate.known
        logit = sum(a * b for a, b in zip(weights, features, strict=True))
        confidence = 1 / (1 + math.exp(-min(max(logit, -60), 60)))
        return Correction(place, best.words, features, confidence, best.count, is_unknown)


def without_overlap(corrections: Iterable[Correction]) -> list[Correction]:
    """Return the most certain corrections of which no two change the same word, in the order of their words."""
    taken: set[int] = set()
    kept = []
    for each in sorted(corrections, key=lambda each: -each.confidence):
        places = set(range(each.place, each.place + each.count))
        if taken.isdisjoint(places):
            taken |= places
            kept.append(each)
    return sorted(kept, key=lambda each: each.place)
