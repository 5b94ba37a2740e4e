"""The perplexity of a language model on a text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from speechnar.lm.ngram import LMError, NgramModel


@dataclass(frozen=True)
class Perplexity:
    """The result of `perplexity`.

    Attributes:
        perplexity: over the words, the unknown ones as `<unk>`, and the ends of the lines.
        unknown: fraction of the words that the vocabulary lacks.
        words: how many there are.
    """

    perplexity: float
    unknown: float
    words: int


def perplexity(lm: NgramModel, lines: Iterable[str]) -> Perplexity:
    """Score lines, each a sentence.

    Raises:
        LMError: there are no words.
    """
    log_prob, scored, words, unknown = 0.0, 0, 0, 0
    for line in lines:
        if sentence := line.split():
            scores = lm.score(sentence)
            log_prob += sum(scores)
            scored += len(scores)
            words += len(sentence)
            unknown += sum(lm.id_of(word) is None for word in sentence)
    if not words:
        raise LMError("there is no text to measure a language model on")
    return Perplexity(math.exp(-log_prob / scored), unknown / words, words)
