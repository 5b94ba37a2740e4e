"""Scores of a language model and of hot words for a growing text, token by token.

A word is known to be whole only when the next word begins. Until then its letters are scored by the most frequent word
that begins with them: otherwise the beam search would extend spellings that lead to no word, and learn only at the end
of a long word what the word costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from speechnar.decode.hot_words import HotWords
from speechnar.lm.ngram import NgramModel
from speechnar.text.symbols import Vocabulary


@dataclass(frozen=True)
class ScorerOptions:
    """Weights of the language model and of hot words beside the acoustic model.

    Attributes:
        lm_weight: factor of the language model's log-probabilities.
        word_bonus: nats for each word, because the language model prefers texts of few words.
        unknown_score: nats, at most 0, for each letter of a word outside the language model, besides the model's
            `<unk>`; added before `lm_weight` multiplies. It is counted for each letter because the cheapest text would
            otherwise be one long unknown word.
        hot_bonus: nats for a hot word or phrase, given letter by letter.
    """

    lm_weight: float = 0.5
    word_bonus: float = 1.0
    unknown_score: float = -2.5
    hot_bonus: float = 6.0


@dataclass(eq=False, slots=True)
class TextState:
    """Everything that the scores of the tokens after a text depend on.

    Attributes:
        context: the language model's state before the word that is being spelled.
        word: the letters of that word so far.
        pending: whole words before it that may be the beginning of a hot phrase.
        lookahead: nats that were counted in advance for the letters so far.
        moves: for each token that was tried, the state after it and its factor.
    """

    context: tuple[int, ...]
    word: str
    pending: str
    lookahead: float
    moves: dict[int, tuple[TextState, float]] = field(default_factory=dict)


class Scorer:
    """Score texts by an n-gram model, hot words, or both. States are kept, and shared by equal texts."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        lm: NgramModel | None = None,
        hot_words: Sequence[str] = (),
        options: ScorerOptions | None = None,
    ) -> None:
        self._vocabulary = vocabulary
        self._lm = lm
        self._options = options or ScorerOptions()
        self._hot = HotWords(hot_words, self._options.hot_bonus)
        self._states: dict[tuple[tuple[int, ...], str, str], TextState] = {}
        self._lookaheads: dict[str, float] = {"": 0.0}

    def start(self) -> TextState:
        """Return the state of the empty text, and forget the states of earlier texts."""
        self._states.clear()
        return self._state(self._lm.start if self._lm else (), "", "", 0.0)

    def move(self, state: TextState, token: int) -> tuple[TextState, float]:
        """Return the state after one more token, and the factor by which it changes the weight of the text."""
        if (known := state.moves.get(token)) is None:
            gained = 0.0
            after = state
            if self._vocabulary.begins_word[token] and state.word:
                after, gained = self._end_word(state)
            if letters := self._vocabulary.spellings[token]:
                after, more = self._spell(after, letters)
                gained += more
            known = state.moves[token] = after, math.exp(gained)
        return known

    def finish(self, state: TextState) -> float:
        """Return the nats of the end of the text."""
        gained = 0.0
        if state.word:
            state, gained = self._end_word(state)
        if self._lm:
            gained += self._options.lm_weight * self._lm.end(state.context)
        return gained - self._hot.unfinished(state.pending)

    def _state(self, context: tuple[int, ...], word: str, pending: str, lookahead: float) -> TextState:
        key = context, word, pending
        if key not in self._states:
            self._states[key] = TextState(context, word, pending, lookahead)
        return self._states[key]

    def _spell(self, state: TextState, letters: str) -> tuple[TextState, float]:
        word = state.word + letters
        pending, hot, kept = self._hot.spell(state.pending, word)
        lookahead = self._lookahead(word) + hot
        return self._state(state.context, word, pending, lookahead), kept + lookahead - state.lookahead

    def _end_word(self, state: TextState) -> tuple[TextState, float]:
        pending, hot, kept = self._hot.end_word(state.pending, state.word)
        gained, context = 0.0, state.context
        if self._lm:
            known = self._lm.id_of(state.word)
            log_prob, context = self._lm.step(context, self._lm.unknown_id if known is None else known)
            if known is None:
                log_prob += self._unknown(state.word)
            gained = self._options.lm_weight * log_prob + self._options.word_bonus
        return self._state(context, "", pending, hot), gained + hot + kept - state.lookahead

    def _lookahead(self, word: str) -> float:
        """Return the nats of the best word that begins with these letters, in whatever context."""
        if self._lm is None:
            return 0.0
        if word not in self._lookaheads:
            best = self._lm.best_beginning_with(word)
            unknown = self._lm.unknown_log_prob + self._unknown(word)
            self._lookaheads[word] = self._options.lm_weight * (unknown if best is None else max(best, unknown))
        return self._lookaheads[word]

    def _unknown(self, word: str) -> float:
        return 0.0 if self._hot.begins(word) else self._options.unknown_score * len(word)
