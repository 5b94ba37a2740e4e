"""Correct the words of a recognizer by the audio that they were recognized in, and keep their times."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Protocol

import numpy as np

from speechnar.decode.acoustic_correction import Utterance
from speechnar.decode.corrector import Correction
from speechnar.decode.result import Hypothesis, Word
from speechnar.text.marked_word import plain


class UtteranceCorrector(Protocol):
    """Finds the certain corrections of an utterance, as `AcousticCorrector` does."""

    def corrections(self, text: Utterance, verified: bool) -> list[Correction]: ...


def corrected(
    text: Hypothesis,
    log_probs: np.ndarray,
    frame_seconds: float,
    corrector: UtteranceCorrector,
    verified: bool,
    phrases: Iterable[str] = (),
) -> Hypothesis:
    """Return a text with its words corrected. New words divide the time of the old ones evenly.

    The confidence of new words is the lowest of the old ones.

    Args:
        log_probs: (T, V) natural logarithms of CTC.
        verified: a decoder verified the text.
        phrases: hot words; their words stay as they are.
    """
    kept = {plain(word) for phrase in phrases for word in phrase.split()}
    frames = [(round(word.start / frame_seconds), round(word.end / frame_seconds)) for word in text.words]
    confidences = [word.confidence for word in text.words]
    spoken = Utterance([word.text for word in text.words], frames, confidences, log_probs)
    words = list(text.words)
    for each in reversed(corrector.corrections(spoken, verified)):
        old = text.words[each.place : each.place + each.count]
        if any(plain(word.text) in kept for word in old):
            continue
        edges = np.linspace(old[0].start, old[-1].end, len(each.words) + 1).tolist()
        confidence = min(word.confidence for word in old)
        new = [Word(word, *edge, confidence) for word, edge in zip(each.words, zip(edges, edges[1:]))]
        words[each.place : each.place + each.count] = new
    return dataclasses.replace(text, words=tuple(words))
