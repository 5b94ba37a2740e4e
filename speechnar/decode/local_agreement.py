"""LocalAgreement: the words that successive hypotheses of a growing audio agree on.

    hypothesis at 1.2 s    the knight
    hypothesis at 1.4 s    the night before
    hypothesis at 1.6 s    the night before she       "the" has stood in all of them: it is stable, and never changes
    hypothesis at 1.8 s    the night before she left  "the night before" is stable

Source: Liu et al. 2020, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis
    Selection", section 3; Machacek et al. 2023, "Turning Whisper into Real-Time Transcription System", section 2.
Differs: hypotheses are made several times a second, so that a word has to stand in all of them for a span of time and
    not in two of them. Where a hypothesis continues behind the stable words is found by spelling, since it may spell
    them in another way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from speechnar.decode.result import Word
from speechnar.decode.spelling import edit_distances


class LocalAgreement:
    """Find the stable words of an utterance.

    Args:
        seconds: for which a word has to stand in all hypotheses.
        margin: seconds of audio that a word needs behind itself, within which a longer word may still become of it.
        stable: words that are stable from the beginning.

    Attributes:
        stable: words that no longer change, in order of time.
        rest: the words of the last hypothesis behind them.
    """

    def __init__(self, seconds: float, margin: float, stable: Sequence[Word] = ()) -> None:
        self.stable, self.rest = list(stable), list[Word]()
        self._seconds, self._margin = seconds, margin
        self._earlier: deque[tuple[float, list[str]]] = deque()  # when, and the words behind the stable ones

    def update(self, words: Sequence[Word], known: int, now: float) -> None:
        """Add a hypothesis.

        Args:
            words: of the audio from the stable word number `known` on, to the end.
            known: from 0 to the number of stable words.
            now: seconds, the end of the audio.
        """
        rest = list(words[continuation(self.stable[known:], words) :])
        texts = [plain(word.text) for word in rest]
        self._earlier.append((now, texts))
        while len(self._earlier) > 1 and self._earlier[1][0] <= now - self._seconds:
            self._earlier.popleft()
        agreed = sum(word.end <= now - self._margin for word in rest) if self._is_old(now) else 0
        for _, earlier in self._earlier:
            agreed = min(agreed, common_prefix(texts, earlier))
        self.stable += rest[:agreed]
        self.rest = rest[agreed:]
        self._earlier = deque((when, earlier[agreed:]) for when, earlier in self._earlier)

    def _is_old(self, now: float) -> bool:
        return self._earlier[0][0] <= now - self._seconds


def common_prefix(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many words at the beginning of two texts are equal."""
    n = 0
    while n < min(len(one), len(other)) and one[n] == other[n]:
        n += 1
    return n


def continuation(known: Sequence[Word], words: Sequence[Word]) -> int:
    """Return how many words of a hypothesis are another spelling of the known words, with which it begins."""
    n = common_prefix([plain(word.text) for word in known], [plain(word.text) for word in words])
    if n == len(known):
        return n
    text = "".join(f"{plain(word.text)} " for word in known)
    distances = edit_distances(text, [f"{plain(word.text)} " for word in words])
    return distances.index(min(distances))


def plain(word: str) -> str:
    """Return the letters and digits of a word, in lower case; the word itself if it has none."""
    return "".join(char for char in word.lower() if char.isalnum()) or word
