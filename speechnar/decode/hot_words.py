"""Words and phrases that a user expects to hear."""

from __future__ import annotations

from collections.abc import Iterable


class HotWords:
    """Gives a bonus to phrases, letter by letter, and takes it back from what turns out to be another text.

    A phrase may follow any word. The words before the present one that may begin a phrase are "pending", with a space
    at their end.

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
        """Whether a word of a phrase begins with these letters, or is they."""
        return word in self._word_prefixes

    def spell(self, pending: str, word: str) -> tuple[str, float, float]:
        """What letters of the present word earn.

        Returns:
            What is still pending; nats given in advance for it and the letters; nats that stay for good.
        """
        if (earned := self._prefixes.get(pending + word)) is not None:
            return pending, earned, 0.0
        return "", self._prefixes.get(word, 0.0), self._secured(pending)

    def end_word(self, pending: str, word: str) -> tuple[str, float, float]:
        """What the end of a word earns; returns as `spell` does."""
        for start in dict.fromkeys((pending, "")):
            secured = 0.0 if start else self._secured(pending)
            if (earned := self._prefixes.get(f"{start}{word} ")) is not None:
                return f"{start}{word} ", earned, secured
            if start + word in self._phrases:
                return "", 0.0, secured + self._bonus
        return "", 0.0, self._secured(pending)

    def unfinished(self, pending: str) -> float:
        """Nats to take back where a text ends with these words pending."""
        return self._prefixes.get(pending, 0.0) - self._secured(pending)

    def _secured(self, pending: str) -> float:
        """The bonus if pending words begin with a whole phrase, of which they would have been a longer one."""
        if not pending:
            return 0.0
        words = pending.split()
        whole = any(" ".join(words[:n]) in self._phrases for n in range(1, len(words) + 1))
        return self._bonus if whole else 0.0
