"""What a language model and hot words say of a growing text, unit by unit.

A word is known to be whole only when the next begins. Until then its letters are judged by the most frequent word that
begins with them, so that the beam search neither goes on with a spelling that leads to no word nor finds out at the end
of a long word what it costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from speechnar.decode.hot_words import HotWords
from speechnar.decode.units import Units
from speechnar.lm.ngram import NgramModel


@dataclass(frozen=True)
class ScorerOptions:
    """How much the language model and the hot words weigh against the acoustic model.

    Attributes:
        lm_weight: factor of the language model's log-probabilities.
        word_bonus: nats for each word, against the language model's liking for few.
        unknown_score: nats, at most 0, for each letter of a word outside the vocabulary, besides the model's `<unk>`;
            added before `lm_weight` multiplies. Were it not for each letter, the cheapest text would be one long word.
        hot_bonus: nats for a hot word or phrase, given letter by letter.
    """

    lm_weight: float = 0.5
    word_bonus: float = 1.0
    unknown_score: float = -2.5
    hot_bonus: float = 6.0


@dataclass(eq=False, slots=True)
class TextState:
    """All that the scores of what follows a text depend on.

    Attributes:
        context: the language model's state before the word that is being spelled.
        word: the letters of that word so far.
        pending: whole words before it that may be the beginning of a hot phrase.
        ahead: nats that the letters so far have been given in advance.
        moves: for each unit tried, the state after it and the factor that it brings.
    """

    context: tuple[int, ...]
    word: str
    pending: str
    ahead: float
    moves: dict[int, tuple[TextState, float]] = field(default_factory=dict)


class Scorer:
    """Scores texts by an n-gram model, hot words, or both. States are kept, and shared by equal texts."""

    def __init__(
        self,
        units: Units,
        lm: NgramModel | None = None,
        hot_words: Sequence[str] = (),
        options: ScorerOptions | None = None,
    ) -> None:
        self._units = units
        self._lm = lm
        self._options = options or ScorerOptions()
        self._hot = HotWords(hot_words, self._options.hot_bonus)
        self._states: dict[tuple[tuple[int, ...], str, str], TextState] = {}
        self._aheads: dict[str, float] = {"": 0.0}

    def start(self) -> TextState:
        """The state of the empty text; forgets what earlier texts have left."""
        self._states.clear()
        return self._state(self._lm.start if self._lm else (), "", "", 0.0)

    def move(self, state: TextState, unit: int) -> tuple[TextState, float]:
        """The state after one more unit, and the factor by which it changes the text's weight."""
        if (known := state.moves.get(unit)) is None:
            gained = 0.0
            after = state
            if self._units.begins_word[unit] and state.word:
                after, gained = self._end_word(state)
            if letters := self._units.spellings[unit]:
                after, more = self._spell(after, letters)
                gained += more
            known = state.moves[unit] = after, math.exp(gained)
        return known

    def finish(self, state: TextState) -> float:
        """Nats that the end of the text brings."""
        gained = 0.0
        if state.word:
            state, gained = self._end_word(state)
        if self._lm:
            gained += self._options.lm_weight * self._lm.end(state.context)
        return gained - self._hot.unfinished(state.pending)

    def _state(self, context: tuple[int, ...], word: str, pending: str, ahead: float) -> TextState:
        key = context, word, pending
        if key not in self._states:
            self._states[key] = TextState(context, word, pending, ahead)
        return self._states[key]

    def _spell(self, state: TextState, letters: str) -> tuple[TextState, float]:
        word = state.word + letters
        pending, hot, kept = self._hot.spell(state.pending, word)
        ahead = self._ahead(word) + hot
        return self._state(state.context, word, pending, ahead), kept + ahead - state.ahead

    def _end_word(self, state: TextState) -> tuple[TextState, float]:
        pending, hot, kept = self._hot.end_word(state.pending, state.word)
        gained, context = 0.0, state.context
        if self._lm:
            known = self._lm.id_of(state.word)
            log_prob, context = self._lm.step(context, self._lm.unknown_id if known is None else known)
            if known is None:
                log_prob += self._unknown(state.word)
            gained = self._options.lm_weight * log_prob + self._options.word_bonus
        return self._state(context, "", pending, hot), gained + hot + kept - state.ahead

    def _ahead(self, word: str) -> float:
        """What the best word that begins so would be given, wherever it stood."""
        if self._lm is None:
            return 0.0
        if word not in self._aheads:
            best = self._lm.best_beginning_with(word)
            unknown = self._lm.unknown_log_prob + self._unknown(word)
            self._aheads[word] = self._options.lm_weight * (unknown if best is None else max(best, unknown))
        return self._aheads[word]

    def _unknown(self, word: str) -> float:
        return 0.0 if self._hot.begins(word) else self._options.unknown_score * len(word)
