"""Find hot words where a text has something else that is spelled nearly alike and that CTC finds hardly more probable.

    text      can i get a triple shot capicino with sugar
    hot word                          cappuccino                 letters differ by 0.4, and CTC by 2.4 nats a token

Words that a decoder knows are replaced only where CTC finds the hot word about as probable; others, which nobody may
have said as they are written, also where it is several nats a token less probable.

Source: the likelihood ratio of Jiang 2005, "Confidence measures for speech recognition: a survey", section 4, between a
    keyword and the text without it, as in keyword spotting with CTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from speechnar.decode.forced_alignment import total_log_probs
from speechnar.decode.spelling import ctc_tokens, edit_distances, key_of
from speechnar.text.whisper_bpe import BytePairs


@dataclass(frozen=True)
class SpotConfig:
    """Limits of spotting; `recipes/english_base/RESULTS.md` has what they find, and what they put in the wrong place.

    Attributes:
        difference: share of the longer one's letters that may differ between a hot word and the text.
        common_pairs: share of the hot word's pairs of letters that the text has, at least; it saves time.
        gain: nats a token that CTC gives the hot word beside words that are not known, at least.
        known_gain: the same for known words.
        near, slope: where more than the share `near` of the letters differs, so many nats more for each letter's share.
    """

    difference: float = 0.6
    common_pairs: float = 0.2
    gain: float = -3.2
    known_gain: float = -0.8
    near: float = 0.45
    slope: float = 12.0


@dataclass(frozen=True)
class Spot:
    """A hot word found in a text: it stands for the words from `start` to before `stop`."""

    start: int
    stop: int
    phrase: str


class HotWordSpotter:
    """Find hot words in texts.

    Args:
        phrases: as they are to be written.
        tokenizer: of CTC.
        is_known: says of a word of a text whether it is one.
    """

    def __init__(
        self,
        phrases: Sequence[str],
        tokenizer: BytePairs,
        is_known: Callable[[str], bool],
        config: SpotConfig | None = None,
    ) -> None:
        self._tokenizer, self._is_known, self._config = tokenizer, is_known, config or SpotConfig()
        self._phrases = [(phrase, [key_of(word) for word in phrase.split()]) for phrase in dict.fromkeys(phrases)]

    def spot(self, log_probs: np.ndarray, words: Sequence[str], frames: Sequence[tuple[int, int]]) -> list[Spot]:
        """Return the hot words that a text should have, in order; they do not overlap.

        Args:
            log_probs: (T, V) natural logarithms of CTC.
            words: of the text.
            frames: the first frame of each word, and the one after its last.
        """
        keys = [key_of(word) for word in words]
        scored = [
            (score, candidate)
            for candidate, difference in self._candidates(keys)
            if (score := self._score(candidate, difference, log_probs, words, frames)) is not None
        ]
        found: list[Spot] = []
        for _, candidate in sorted(scored, key=lambda pair: -pair[0]):
            if all(candidate.stop <= other.start or candidate.start >= other.stop for other in found):
                found.append(candidate)
        return sorted(found, key=lambda spot: spot.start)

    def _candidates(self, keys: Sequence[str]) -> Iterator[tuple[Spot, float]]:
        """Yield places of a text that are spelled like a hot word, and the share of letters that differ."""
        for phrase, parts in self._phrases:
            hot, n = "".join(parts), len(parts)
            taken = {at + k for at in range(len(keys)) if keys[at : at + n] == parts for k in range(n)}
            pairs = _pairs(hot)
            for size in range(max(1, n - 1), n + 2):
                for start in range(len(keys) - size + 1):
                    text = "".join(keys[start : start + size])
                    if len(pairs & _pairs(text)) < max(1.0, self._config.common_pairs * len(pairs)):
                        continue
                    if taken.intersection(range(start, start + size)):
                        continue
                    difference = _difference(parts, keys[start : start + size])
                    if difference <= self._config.difference:
                        yield Spot(start, start + size, phrase), difference

    def _score(
        self,
        spot: Spot,
        difference: float,
        log_probs: np.ndarray,
        words: Sequence[str],
        frames: Sequence[tuple[int, int]],
    ) -> float | None:
        """Return how well a hot word fits a place, or None where it does not."""
        before, there, after = words[: spot.start][-1:], words[spot.start : spot.stop], words[spot.stop :][:1]
        start = frames[spot.start - 1][0] if before else 0
        end = frames[spot.stop][1] if after else len(log_probs)
        hot = ctc_tokens(self._tokenizer, spot.phrase.split())
        texts = [ctc_tokens(self._tokenizer, [*before, *its, *after]) for its in (spot.phrase.split(), there)]
        if not hot or texts[0] is None or texts[1] is None or start >= end:
            return None
        with_hot, without = total_log_probs(log_probs[start:end], [texts[0], texts[1]], self._tokenizer.blank_id)
        gain = float(with_hot - without) / len(hot)
        known = difference > 0 and all(map(self._is_known, there))
        least = self._config.known_gain if known else self._config.gain
        if not gain >= least + self._config.slope * max(0.0, difference - self._config.near):
            return None
        return gain - 4 * difference


def _difference(hot: Sequence[str], words: Sequence[str]) -> float:
    """Return the share of letters that differ, spaces apart, without the words that are the same at both ends."""
    left, right = list(hot), list(words)
    for end in (0, -1):
        while left and right and left[end] == right[end]:
            del left[end], right[end]
    one, other = "".join(left), "".join(right)
    return edit_distances(one, [other])[-1] / max(len(one), len(other), 1)


def _pairs(word: str) -> set[str]:
    return {word[n : n + 2] for n in range(len(word) - 1)} or {word}
