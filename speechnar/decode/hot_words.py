"""Hot words: words and phrases that a user expects in the audio."""

from __future__ import annotations

from collections.abc import Iterable


class HotWords:
    """Give a bonus to phrases, letter by letter, and take it back where the text turns out to be another.

    A phrase may follow any word. Words before the present one that may be the beginning of a phrase are "pending"; they
    end with a space.

    Args:
        phrases: words in the letters of the recognizer, with single spaces between them.
        bonus: nats for a whole phrase.
    """

    def __init__(self, phrases: Iterable[str], bonus: float) -> None:
        self._phrases = {" ".join(phrase.split()) for phrase in phrases} - {""}
        self._bonus = bonus
        self._prefixes: dict[str, float] = {}
        for phrase in self._phrases:
            for size in range(1, len(phrase) + 1):
                share = bonus * size / len(phrase)
                self._prefixes[phrase[:size]] = max(share, self._prefixes.get(phrase[:size], share))
        self._word_prefixes = {word[:n] for p in self._phrases for word in p.split() for n in range(1, len(word) + 1)}

    def begins(self, word: str) -> bool:
        """Return whether these letters are a word of a phrase, or the beginning of one."""
        return word in self._word_prefixes

    def spell(self, pending: str, word: str) -> tuple[str, float, float]:
        """Return the bonus of the letters of the present word.

        Returns:
            The words that are still pending; nats in advance for them and the letters; nats that are final.
        """
        if (earned := self._prefixes.get(pending + word)) is not None:
            return pending, earned, 0.0
        return "", self._prefixes.get(word, 0.0), self._secured(pending)

    def end_word(self, pending: str, word: str) -> tuple[str, float, float]:
        """Return the bonus of the end of a word, as `spell` does."""
        for start in dict.fromkeys((pending, "")):
            secured = 0.0 if start else self._secured(pending)
            if (earned := self._prefixes.get(f"{start}{word} ")) is not None:
                return f"{start}{word} ", earned, secured
            if start + word in self._phrases:
                return "", 0.0, secured + self._bonus
        return "", 0.0, self._secured(pending)

    def unfinished(self, pending: str) -> float:
        """Return the nats to take back where a text ends with these words pending."""
        return self._prefixes.get(pending, 0.0) - self._secured(pending)

    def _secured(self, pending: str) -> float:
        """Return the bonus if the pending words begin with a whole phrase, though a longer one did not follow."""
        if not pending:
            return 0.0
        words = pending.split()
        whole = any(" ".join(words[:n]) in self._phrases for n in range(1, len(words) + 1))
        return self._bonus if whole else 0.0
