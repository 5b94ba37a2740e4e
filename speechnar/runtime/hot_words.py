"""Hot words as users give them, as a recognizer can write them, and in its text."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
import warnings
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from speechnar.decode.hot_spotting import HotWordSpotter
from speechnar.decode.result import Hypothesis
from speechnar.runtime.speech import SpeechWarning
from speechnar.text.numbers import number

APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u00b4`"), "'")


def split(given: str | Sequence[str]) -> list[str]:
    """Return phrases, each with single spaces: the items of a sequence, or those of a text between commas and lines."""
    phrases = re.split(r"[,\n]", given) if isinstance(given, str) else given
    return [" ".join(phrase.split()) for phrase in phrases if phrase.strip()]


def writable(phrases: Sequence[str], letters: Collection[str]) -> list[str]:
    """Return phrases in letters that a recognizer can write; each in the first of its spellings that it can.

    Warns:
        SpeechWarning: a phrase has no such spelling and is left out.
    """
    found = []
    for phrase in phrases:
        spelling = next((one for one in _spellings(phrase) if one and set(one) - {" "} <= set(letters)), None)
        if spelling is None:
            unknown = min(set(phrase.lower()) - {" "} - set(letters), default="")
            message = f"the hot word {phrase!r} is left out: the recognizer cannot write {unknown!r}"
            warnings.warn(message, SpeechWarning, stacklevel=4)
        else:
            found.append(spelling)
    return list(dict.fromkeys(found))


def _spellings(phrase: str) -> Iterator[str]:
    """Yield a phrase as it is; then without accents; then in words alone: `COVID-19` as `covid nineteen`."""
    typed = unicodedata.normalize("NFC", phrase).translate(APOSTROPHES)
    plain = "".join(char for char in unicodedata.normalize("NFKD", typed) if not unicodedata.combining(char))
    said = re.sub(r"\d[\d,]*(\.\d+)?", lambda found: f" {number(found[0].rstrip(','))} ", plain)
    said = " ".join("".join(char if char.isalpha() or char == "'" else " " for char in said).split())
    for one in (typed, plain, said):
        yield one
        yield one.lower()


def spotted(text: Hypothesis, log_probs: np.ndarray, spotter: HotWordSpotter, frame_seconds: float) -> Hypothesis:
    """Return a text with hot words in place of what is spelled, and sounds, nearly as they are.

    Args:
        log_probs: (T, V) natural logarithms of CTC.
    """
    words = list(text.words)
    frames = [(round(word.start / frame_seconds), round(word.end / frame_seconds)) for word in words]
    for spot in reversed(spotter.spot(log_probs, [word.text for word in words], frames)):
        old, parts = words[spot.start : spot.stop], spot.phrase.split()
        edges = np.linspace(old[0].start, old[-1].end, len(parts) + 1).tolist()
        confidence = min(word.confidence for word in old)
        words[spot.start : spot.stop] = [
            dataclasses.replace(old[0], text=part, start=start, end=end, confidence=confidence)
            for part, start, end in zip(parts, edges, edges[1:])
        ]
    return Hypothesis(tuple(words), text.score)
